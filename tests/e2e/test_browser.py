"""People in a browser at the installed chart, through its ingress."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.chromium import COLLECT_FRAMES, POST_JOB, open_chromium

pytestmark = pytest.mark.cluster

ENOUGH_FOR_EVERY_REPLICA = 20
"""The requests of which each replica gets some."""


@pytest.fixture(scope="module")
def chromium():
    """A Chromium."""
    with open_chromium() as instance:
        yield instance


@pytest.fixture
def page(chromium, installed):
    """A page of somebody who has opened /docs and logged in with the chart's token."""
    context = chromium.new_context(base_url=installed.url)
    page = context.new_page()
    page.goto("/docs")
    assert urlsplit(page.url).path == "/login"
    page.get_by_label("Token").fill(installed.token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/docs")
    yield page
    context.close()


def cookie_of(page):
    """Return the session's cookie, as a header."""
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert cookie["secure"] == page.url.startswith("https:")
    return {"Cookie": f"{cookie['name']}={cookie['value']}"}


def test_person_tries_the_api_out_and_streams_a_job(installed, page):
    """The browser step of the README: /docs, a job, and its websocket, behind the ingress."""
    page.wait_for_selector(".opblock-summary-path")
    block = page.locator(".opblock-get", has=page.locator('[data-path="/backends"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table .response")
    assert live.locator(".response-col_status").inner_text().split()[0] == "200"
    assert "aer_simulator" in live.locator(".highlight-code code").first.inner_text()

    body = {"programId": "hello-quantum", "hub": "h", "group": "g", "project": "p"}
    body |= {"backend": "aer_simulator", "params": ['{"greeting": "hello, browser"}']}
    job_id = page.evaluate(POST_JOB, body)["id"]
    stream = f"{installed.url.replace('http', 'ws', 1)}/stream/jobs/{job_id}"
    end = page.evaluate(COLLECT_FRAMES, stream)
    assert end["code"] == 1000 and end["frames"][0] == '"hello, browser"'
    assert sum(json.loads(end["frames"][1]).values()) == 1024
    assert installed.job(job_id)["status"] == "Completed"


def test_session_is_known_to_every_replica_until_it_ends(installed, page):
    """One login is enough for all replicas, and one logout ends it at all."""
    cookie = cookie_of(page)

    def ask():
        return [
            httpx.get(f"{installed.url}/jobs?limit=1", headers=cookie, timeout=30).status_code
            for _ in range(ENOUGH_FOR_EVERY_REPLICA)
        ]

    assert set(ask()) == {200}
    page.goto("/")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("status").wait_for()
    assert page.context.cookies() == []
    assert set(ask()) == {401}


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_cookie_alone_does_nothing_for_another_page(installed, page, origin):
    """Neither a write nor a websocket: the ingress leaves the browser's word as it is."""
    headers = cookie_of(page) | ({"Origin": origin} if origin else {})
    answer = httpx.post(f"{installed.url}/jobs", json={}, headers=headers, timeout=30)
    assert answer.status_code == 403
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"{installed.url.replace('http', 'ws', 1)}/stream/jobs/x", additional_headers=headers
        )
    assert refused.value.response.status_code == 403


def test_wrong_token_is_told(chromium, installed):
    """The page says so, and lets nobody in."""
    context = chromium.new_context(base_url=installed.url)
    page = context.new_page()
    page.goto("/docs")
    page.get_by_label("Token").fill("not-the-token")
    page.keyboard.press("Enter")
    assert "not valid" in page.get_by_role("alert").inner_text()
    assert context.cookies() == []
    context.close()


def test_cookie_is_secure_where_the_ingress_is_told_to_be_reached_over_tls(installed):
    """A proxy before the ingress that ends TLS: the browser's origin is https."""
    host = urlsplit(installed.url).netloc
    form = {"token": installed.token}
    answer = httpx.post(
        f"{installed.url}/login", data=form, headers={"Origin": f"https://{host}"}, timeout=30
    )
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-") and "; Secure" in cookie
