"""The settings of a server: from variables ``RUNTIME_...`` and options of ``serve``."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from qiskit_runtime.contract.limits import (
    DEFAULT_INSTANCE_SHARE_PERCENT,
    DEFAULT_STORAGE_BUDGET_MIB,
    GRACE_SECONDS,
    WHOLE,
)
from qiskit_runtime.contract.wire.local_server import DEFAULT_DATA

PREFIX = "RUNTIME_"
"""The prefix of the environment variables' names."""

MIN_TOKEN_LENGTH, MAX_TOKEN_LENGTH = 8, 1024
"""The length of a token. At the thousands of guesses a second that this server can answer, eight
random characters last for centuries, and six for a year; a websocket's header has no more room."""

MIN_SECRET_LENGTH = 32
"""The length of a secret that tokens are signed with: SHA-256 needs as many bytes."""

TOKEN_FORM = re.compile(rf"[!-~]{{{MIN_TOKEN_LENGTH},{MAX_TOKEN_LENGTH}}}")
"""The characters of a token: a blank at an end is lost in a header, and could not be sent."""


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(ib?|b)?|b)?\s*", re.IGNORECASE)


def _split(separator: str) -> BeforeValidator:
    """Return the validator that splits a text, or each of several, and drops empty parts."""

    def split(value: object) -> object:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list | tuple) or not all(isinstance(one, str) for one in texts):
            return value
        return [part for text in texts for part in text.split(separator) if part]

    return BeforeValidator(split)


def _read_size(value: object) -> object:
    """Refuse what pydantic would read in part (``2,5GiB`` as 2), and give a bare letter its unit.

    Here ``2G`` is 2 GiB, as it was before there was pydantic here, which takes it for 2 GB.
    """
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no size; write it as 2GiB, 512MiB or a number of bytes")
    number, letter, rest = found.groups()
    if not letter and 0 < float(number) < 1:
        # It would become 0, which is no limit.
        raise ValueError(f"{value!r} is no size: it is less than a byte")
    unit = {None: "ib", "i": "ib"}.get(rest and rest.lower(), rest)
    return f"{number}{letter}{unit}" if letter else number


Size = Annotated[ByteSize, BeforeValidator(_read_size), Field(ge=0)]
"""Bytes. KB to TB are powers of 1000; KiB to TiB, Ki to Ti, and K to T, are powers of 1024."""


def _make_absolute(path: Path) -> Path:
    """Return the path that this is wherever a job's process works; ``~`` is the user's home."""
    return path.expanduser().absolute()


Folder = Annotated[Path, AfterValidator(_make_absolute)]
File = Folder


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _VARIABLE.fullmatch(name) or name.startswith(PREFIX):
            raise ValueError(
                f"names of environment variables, and none of the server's own ({PREFIX}...)"
            )
    return names


def _check_token(token: SecretStr) -> SecretStr:
    value = token.get_secret_value()
    if value and not re.fullmatch(TOKEN_FORM, value):
        raise ValueError(
            f"a token has {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} characters,"
            " visible ASCII ones without blanks: as `openssl rand -hex 20` makes one"
        )
    return token


AuthMode = Literal["none", "token", "accounts", "oidc"]
"""The way to authenticate: not at all, by one token, by a file of accounts, by an OpenID issuer."""

_MODE_SETTINGS: dict[AuthMode, str] = {
    "token": "token",
    "accounts": "accounts",
    "oidc": "oidc_issuer",
}
"""The setting that each mode needs."""


def _choose_mode(mode: object, info: ValidationInfo) -> object:
    """Return the mode, which follows from what is set where it is not given.

    Nothing is guessed: a server that was meant to be guarded must not be open.
    """
    given = [one for one, name in _MODE_SETTINGS.items() if _is_set(info.data.get(name))]
    if mode is None:
        if len(given) > 1:
            raise ValueError(f"settings of {' and of '.join(given)} are there; name one of them")
        return given[0] if given else "none"
    if mode == "none" and given:
        raise ValueError(f"it is none, and {_variable(given[0])} is set")
    if mode in _MODE_SETTINGS and mode not in given:
        raise ValueError(f"{mode} needs {_variable(mode)}")
    return mode


def _check_audience(mode: AuthMode, info: ValidationInfo) -> AuthMode:
    if mode == "oidc" and not info.data.get("oidc_audience"):
        raise ValueError(f"oidc needs {PREFIX}OIDC_AUDIENCE: tokens for others are not accepted")
    return mode


def _variable(mode: object) -> str:
    return PREFIX + next(name for one, name in _MODE_SETTINGS.items() if one == mode).upper()


def _is_set(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _check_issuer(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise ValueError("the URL of an OpenID issuer, such as https://login.example.org/realm")
    return url


def _check_secret(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < MIN_SECRET_LENGTH:
        raise ValueError(
            f"a secret has {MIN_SECRET_LENGTH} characters at least:"
            " as `openssl rand -hex 32` makes one"
        )
    return secret


class ApiSettings(BaseSettings):
    """The settings of one API process. Made once, in ``create_app``, and passed down."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    data: Folder = DEFAULT_DATA
    """The data folder of local mode."""
    programs: Annotated[tuple[Folder, ...], NoDecode, _split(os.pathsep)] = ()
    """Folders of programs to add to the library; in the environment separated as PATH is."""
    backends: Path | None = None
    """A file of RuntimeBackend documents to add to the built-in backends. Local mode."""
    workers: Annotated[
        int, Field(ge=1, le=256, validation_alias=AliasChoices("RUNTIME_WORKERS", "NUM_WORKERS"))
    ] = 4
    """The jobs that run at once."""
    token: Annotated[SecretStr, AfterValidator(_check_token)] = SecretStr("")
    """The one token that clients must present."""
    accounts: Folder | None = None
    """A YAML file of accounts: names, the SHA-256 of their tokens, instances, roles."""
    oidc_issuer: Annotated[str, AfterValidator(_check_issuer)] = ""
    """The URL of an OpenID Connect issuer, whose tokens are accepted."""
    oidc_audience: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """The audiences, of which a token must name one, separated by commas."""
    oidc_client_id: str = ""
    """The id of this server as a client at the issuer; with it people log in there by browser."""
    oidc_client_secret: SecretStr = SecretStr("")
    """The secret of that client; empty for a public one."""
    oidc_instances_claim: Annotated[str, Field(min_length=1)] = "groups"
    """The claim of a token that lists instances, as hub/group/project; a dot leads into a claim."""
    oidc_roles_claim: str = ""
    """The claim that lists roles (user, viewer, admin); if empty, everybody is a user."""
    identity_secret: Annotated[SecretStr, AfterValidator(_check_secret)] = SecretStr("")
    """The secret that identity tokens are signed with, the same for all servers of a cluster; made
    of the token where that is set, else a new one at each start."""
    auth_mode: Annotated[
        AuthMode,
        BeforeValidator(_choose_mode),
        AfterValidator(_check_audience),
        Field(validate_default=True),
    ] = cast(AuthMode, None)
    """The mode of authentication; if empty, the one that the settings above are for, or none."""
    allow_anonymous: bool = False
    """Without a token: serve every user of this machine, and all who reach it."""
    tls_cert: File | None = None
    """The file of the server's certificate, and those between it and its authority, in PEM."""
    tls_key: File | None = None
    """The file of the certificate's key, in PEM and without a password."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Host names that are served besides the loopback ones, separated by commas; ``*`` is any."""
    namespace: str = ""
    """The namespace of RuntimeJobs, where the operator runs them; empty is local mode."""
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    """The Redis that the operator streams to, with its password. Kubernetes only."""
    storage_budget_mib: Annotated[int, Field(ge=1)] = DEFAULT_STORAGE_BUDGET_MIB
    """The limit of all jobs' parameters and records together. Kubernetes only."""
    max_jobs: Annotated[int, Field(ge=1)] = 5000
    """The most RuntimeJobs, ended ones included. Kubernetes only."""
    job_memory_bytes: Size | None = None
    """A job's memory limit; 0 is none, unset an equal share of three quarters of this machine's."""
    program_env: Annotated[
        tuple[str, ...], NoDecode, _split(","), AfterValidator(_check_names)
    ] = ()
    """Environment variables that are passed on to programs. Local mode."""
    keep_days: Annotated[float, Field(ge=0, le=36500, allow_inf_nan=False)] = 0
    """The days that an ended job is kept; 0 is for ever. Local mode."""
    keep_bytes: Size = ByteSize(0)
    """The limit of the ended jobs' files, the oldest go first; 0 is none. Local mode."""
    max_queued: Annotated[int, Field(ge=1)] = 1000
    """The most jobs that wait for their turn. Local mode."""
    instance_max_running: Annotated[int, Field(ge=0)] = 0
    """The most jobs of one instance that run at once, the others wait; 0 is no limit. Local mode;
    on Kubernetes it is the operator's."""
    instance_max_queued: Annotated[int, Field(ge=0)] = 0
    """The most jobs of one instance that wait; 0 is no limit."""
    instance_jobs_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    """The rate of one instance's submissions, in the mean; 0 is no limit."""
    instance_share_percent: Annotated[int, Field(ge=1, le=WHOLE)] = DEFAULT_INSTANCE_SHARE_PERCENT
    """The most of the uploaded programs, of the jobs kept and of their storage that one instance
    takes, in percent; 100 is no limit. The storage is the budget on Kubernetes, ``keep_bytes`` in
    local mode."""
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """The most connections at once; fewer if the process has not enough descriptors."""
    request_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """The time limit of a request's headers, and of its body with a second more per 32 KiB."""
    send_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """A client that reads nothing for so long is dropped."""
    keep_alive_seconds: Annotated[int, Field(ge=1, le=86400)] = 620
    """The longest rest of a connection between two requests: longer than any proxy keeps one, which
    would send a request into a closed connection. Traefik and nginx: 60 to 90 s, Google's: 600."""
    grace_seconds: Annotated[float, Field(ge=0, le=60)] = GRACE_SECONDS
    """From SIGTERM to SIGKILL of a program that has to end."""

    def to_environment(self) -> dict[str, str]:
        """Return the environment variables that make equal settings in a process of its own."""
        fields = ((name, getattr(self, name)) for name in self.model_fields_set)
        return {PREFIX + name.upper(): _write(value) for name, value in fields if value is not None}

    @property
    def has_accounts(self) -> bool:
        """Return whether instances are tenants; else there is one, and they are labels of jobs."""
        return self.auth_mode in ("accounts", "oidc")

    @property
    def instance_queue(self) -> int:
        """Return the most jobs of an instance that wait; 0 is no limit."""
        return self.instance_max_queued if self.has_accounts else 0

    @property
    def instance_share(self) -> int:
        """Return the share of an instance, in percent; without accounts there is one tenant."""
        return self.instance_share_percent if self.has_accounts else WHOLE

    @property
    def job_memory(self) -> int:
        """Return the memory limit of a job, in bytes."""
        if self.job_memory_bytes is not None:
            return self.job_memory_bytes
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total * 3 // 4 // self.workers


def _write(value: object) -> str:
    """Return a setting's value as its environment variable spells it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        separator = os.pathsep if all(isinstance(one, Path) for one in value) else ","
        return separator.join(map(str, value))
    return str(value)
