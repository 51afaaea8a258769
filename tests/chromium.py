"""A headless Chromium that is installed on the machine, for the tests in a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CHROMIUM = Path(__file__).with_name("chromium_without_netlink.py")

OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

COLLECT_FRAMES = """
url => new Promise((resolve, reject) => {
  const frames = [];
  const socket = new WebSocket(url);
  socket.onmessage = event => frames.push(event.data);
  socket.onclose = event => resolve({frames, code: event.code});
})
"""
"""The line that the README has one type into the browser's console, and what it receives."""


POST_JOB = """
body => fetch("/jobs", {
  method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"},
}).then(answer => answer.json())
"""
"""The call with which a page of the server posts a job; it returns the answer."""


@contextmanager
def open_chromium(*options: str) -> Iterator:
    """A Chromium; without one the test is skipped, or fails where REQUIRE_BROWSER=1 is set."""
    if shutil.which("chromium") is None:
        say = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        say("there is no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*OPTIONS, *options])
        yield instance
        instance.close()
