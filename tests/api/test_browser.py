"""The browser step of the 2021 README, in a headless Chromium that is installed on the machine."""

import json
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.chromium import COLLECT_FRAMES, open_chromium


@pytest.fixture(scope="module")
def browser():
    """A Chromium."""
    with open_chromium() as instance:
        yield instance


@pytest.fixture
def docs(browser, server):
    """The page /docs, opened, and the requests that it made."""
    page = browser.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    page.wait_for_selector(".opblock-summary-path")
    yield page, requests, problems
    page.close()


def test_docs_page_renders_every_operation_from_this_host_alone(docs, server):
    """Swagger UI shows each operation of the document, and asks no other host for anything."""
    page, requests, problems = docs
    document = server.http.get("/openapi.json").json()
    wanted = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    shown = {
        (
            block.locator(".opblock-summary-method").inner_text(),
            block.locator(".opblock-summary-path").get_attribute("data-path"),
        )
        for block in page.locator(".opblock").all()
    }
    page.wait_for_load_state("networkidle")

    assert shown == wanted
    assert "Qiskit Runtime" in page.locator(".title").first.inner_text()
    assert problems == []
    assert len(requests) >= 4
    assert {(urlsplit(url).hostname, urlsplit(url).port) for url in requests} == {
        ("127.0.0.1", server.port)
    }


def test_redoc_page_needs_no_other_host(browser, server):
    """The other documentation page renders where only this host can be reached."""
    page = browser.new_page()
    here = f"http://127.0.0.1:{server.port}/"
    # Its maker's logo is all that it asks of another host.
    page.route(lambda url: not url.startswith(here), lambda route: route.abort())
    page.goto(f"{here}redoc", wait_until="networkidle")

    expect(page.locator("h1", has_text="Qiskit Runtime")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("/stream/jobs/{job_id}").first).to_be_visible(timeout=30_000)
    page.close()


def test_page_at_127_0_0_1_streams_from_localhost(docs, server):
    """In the page's JavaScript a websocket to localhost gives every frame, and then closes."""
    page, *_ = docs
    job_id = server.run("hello-quantum", params='{"greeting": "hello, browser"}')
    end = page.evaluate(COLLECT_FRAMES, f"ws://localhost:{server.port}/stream/jobs/{job_id}")

    assert end["code"] == 1000
    greeting, counts = end["frames"]
    assert greeting == '"hello, browser"'
    assert sum(json.loads(counts).values()) == 1024
    assert counts == server.text(job_id, "results")


def test_page_of_another_site_streams_nothing(browser, server):
    """A page whose origin is not this machine's is refused by the server, not by the browser."""
    page = browser.new_page()
    page.route("http://evil.example/", lambda route: route.fulfill(body="<p>Hi.</p>"))
    page.goto("http://evil.example/")
    job_id = server.run_steps(["final", "secret"])
    end = page.evaluate(COLLECT_FRAMES, f"ws://localhost:{server.port}/stream/jobs/{job_id}")
    page.close()

    assert end == {"frames": [], "code": 1006}
