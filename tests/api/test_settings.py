"""Settings: sizes, folders, and their way into the environment of a reloading server's child."""

import re
from pathlib import Path

import click
import pytest
from pydantic import TypeAdapter, ValidationError

from api.cli.main import serve
from api.settings import ApiSettings, Size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("1024", 1024), ("1b", 1), ("1.5", 1), (7, 7), (" 2 k ", 2048)),
        *(("1k", 2**10), ("1M", 2**20), ("1g", 2**30), ("1T", 2**40)),
        *(("1kb", 10**3), ("1MB", 10**6), ("1gb", 10**9), ("1TB", 10**12)),
        *(("1kib", 2**10), ("1MiB", 2**20), ("1.5GiB", 3 * 2**29), ("1TiB", 2**40)),
        *(("2Gi", 2**31), ("512mi", 2**29)),
    ],
)
def test_units_keep_their_meaning(text, size):
    """A bare letter is binary, as it always was here; pydantic alone takes it for decimal."""
    assert TypeAdapter(Size).validate_python(text) == size


@pytest.mark.parametrize("text", ["lots", "", "2,5GiB", "5 GB more", "1kbit", "-1", "ib", "1e3"])
def test_text_that_is_no_size_is_refused_whole(text):
    """Pydantic alone would read 2,5GiB as two bytes."""
    with pytest.raises(ValidationError, match="is no size"):
        TypeAdapter(Size).validate_python(text)


def test_settings_go_through_the_environment(monkeypatch):
    """A reloading server's child has the settings that the command made."""
    given = ApiSettings(
        data="relative",
        programs=("/one:/two", "/three"),
        allowed_hosts=("a,b", "c"),
        token="open-sesame",
        allow_anonymous=True,
        keep_bytes="1G",
        keep_days=0.5,
        workers=3,
        backends=None,
    )
    assert given.programs == (Path("/one"), Path("/two"), Path("/three"))
    assert given.data == Path("relative").absolute()
    for name, value in given.to_environment().items():
        monkeypatch.setenv(name, value)
    assert ApiSettings() == given


def test_help_of_serve_has_the_settings_defaults():
    """The help can't import the settings: it is instant. So its defaults are compared here."""
    stated = {
        option.name: found[1]
        for option in serve.params
        if isinstance(option, click.Option) and option.name in ApiSettings.model_fields
        if (found := re.search(r"\[[A-Z_]+; (.+)\]$", option.help or ""))
    }
    assert set(stated) >= {"workers", "data", "keep_days", "keep_bytes", "max_queued"}
    for name, text in stated.items():
        assert ApiSettings(**{name: text}) == ApiSettings(
            **{name: ApiSettings.model_fields[name].default}
        ), name


ISSUER = {"oidc_issuer": "https://login.example.org/realm", "oidc_audience": "runtime"}


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "none"),
        ({"token": "open-sesame"}, "token"),
        ({"accounts": "accounts.yaml"}, "accounts"),
        (ISSUER, "oidc"),
        (ISSUER | {"token": "open-sesame", "auth_mode": "oidc"}, "oidc"),
        ({"accounts": "a.yaml", "token": "open-sesame", "auth_mode": "accounts"}, "accounts"),
        ({"auth_mode": "none"}, "none"),
    ],
)
def test_the_mode_of_authentication_follows_from_what_is_set(given, mode, monkeypatch):
    """The name is needed where that leaves a choice; a reloading server's child has the same."""
    settings = ApiSettings(**given)
    assert settings.auth_mode == mode
    assert settings.has_accounts == (mode in ("accounts", "oidc"))
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert ApiSettings() == settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"token": "open-sesame", "auth_mode": "none"}, "it is none, and RUNTIME_TOKEN is set"),
        ({"token": "open-sesame", "accounts": "a.yaml"}, "token and of accounts are there"),
        ({"auth_mode": "token"}, "token needs RUNTIME_TOKEN"),
        ({"auth_mode": "accounts"}, "accounts needs RUNTIME_ACCOUNTS"),
        ({"auth_mode": "oidc"}, "oidc needs RUNTIME_OIDC_ISSUER"),
        ({"oidc_issuer": ISSUER["oidc_issuer"]}, "oidc needs RUNTIME_OIDC_AUDIENCE"),
        ({"auth_mode": "password"}, "'none', 'token', 'accounts' or 'oidc'"),
        ({"oidc_issuer": "login.example.org"}, "the URL of an OpenID issuer"),
        ({"oidc_issuer": "file:///etc/passwd"}, "the URL of an OpenID issuer"),
        ({"identity_secret": "short"}, "a secret has 32 characters at least"),
        ({"instance_max_queued": -1}, "greater than or equal to 0"),
        ({"instance_jobs_per_second": "inf"}, "finite"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given, words):
    """A server that was meant to be guarded never begins to serve without it."""
    with pytest.raises(ValidationError, match=re.escape(words)):
        ApiSettings(**given)
