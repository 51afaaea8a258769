"""A headless Chromium that is installed on the machine, for the tests in a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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
body => {
  const pause = () => new Promise(resume => setTimeout(resume, 500));
  const post = tries => fetch("/jobs", {
    method: "POST", body: JSON.stringify(body), headers: {"Content-Type": "application/json"},
  }).catch(error => {
    if (tries === 1) throw error;
    return pause().then(() => post(tries - 1));
  });
  return post(20).then(answer => answer.json());
}
"""
"""The call with which a page of the server posts a job; it returns the answer.

It tries again: Chromium gives up a connection that it is making when the machine's network changes
(ERR_NETWORK_CHANGED), as it does whenever a pod starts or ends.
"""


@contextmanager
def open_chromium(*options: str) -> Iterator:
    """A Chromium; without one the test is skipped, or fails where REQUIRE_BROWSER=1 is set."""
    chromium = shutil.which("chromium")
    if chromium is None:
        say = pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip
        say("there is no chromium on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=[*OPTIONS, *options])
        yield instance
        instance.close()
