"""A person's browser at the console of a real server; what goes wrong in it fails the test."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chromium import open_chromium

DESKTOP = {"width": 1200, "height": 900}


@pytest.fixture(scope="module")
def chromium() -> Iterator:
    """A Chromium."""
    with open_chromium() as instance:
        yield instance


@pytest.fixture
def expected() -> set[str]:
    """The ends of what a test expects in the console: browsers tell every answer that is a 4xx."""
    return set()


@pytest.fixture
def page(request, chromium, server, expected) -> Iterator:
    """A page of a new visitor: it asks no other host, and its console has no error in the end.

    With CONSOLE_PICTURES, a folder, the page's last state is kept there as a picture.
    """
    context = chromium.new_context(base_url=f"http://127.0.0.1:{server.port}", viewport=DESKTOP)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = context.new_page()
    problems = watch(shown)
    hosts = set()
    shown.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield shown
    if pictures := os.environ.get("CONSOLE_PICTURES"):
        shown.screenshot(path=Path(pictures) / f"{request.node.name}.png", full_page=True)
    context.close()
    assert [one for one in problems if not one.endswith(tuple(expected))] == []
    assert hosts - {""} <= {f"127.0.0.1:{server.port}"}


def watch(page) -> list[str]:
    """Collect what a page's scripts do wrong."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and problems.append(message.text),
    )
    return problems
