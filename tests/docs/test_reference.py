"""The reference is complete: a command, option, route or reason that exists is described."""

import re

import pytest

from api.auth import OPEN_PATHS, PROBES
from api.cli.main import cli
from api.main import create_app
from api.settings import ApiSettings
from qiskit_runtime.contract.lifecycle import Reason
from tests.documents import DOCS

REFERENCE = DOCS / "reference"


def read(page):
    """Return the text of a page of the reference."""
    return (REFERENCE / f"{page}.md").read_text("utf-8")


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_is_described(command):
    """The page has each command of the command line."""
    assert re.search(rf"`{command}\b[^`]*`", read("cli"))


@pytest.mark.parametrize("option", cli.commands["serve"].params, ids=lambda option: option.name)
def test_every_option_of_serve_is_described(option):
    """The settings have each option of the server."""
    assert option.name == "help" or f"`{option.opts[0]}`" in read("settings")


@pytest.mark.parametrize("reason", [reason.value for reason in Reason if reason])
def test_every_reason_is_described(reason):
    """The page has each reason, with its meaning and what helps."""
    assert f"`{reason}`" in read("reasons")


def test_every_route_is_described(tmp_path):
    """The table has each method and path of the OpenAPI document, and the websocket."""
    paths = create_app(ApiSettings(data=tmp_path)).openapi()["paths"]
    calls = re.findall(r"`([A-Z]+) (/[^?`]*)", read("rest"))
    described = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in calls}
    wanted = {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, methods in paths.items()
        for method in methods
    }
    assert wanted <= described
    assert ("WS", "/stream/jobs/{}") in described


def test_open_paths_are_those_that_the_server_has():
    """The section names every path that needs no credential, and no other."""
    [section] = re.findall(r"\n## Credentials\n(.*?)\n## ", read("rest"), re.DOTALL)
    calls = re.findall(r"`(?:[A-Z]+ )?(/[^`]*)`", section)
    assert set(calls) == OPEN_PATHS | set(PROBES)
    for header in ("Authorization: Bearer", "Authorization: apikey", "X-Access-Token:"):
        assert f"`{header} TOKEN`" in section
