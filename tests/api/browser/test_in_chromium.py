"""People in a real browser: logging in and out, and pages that mean them harm."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
import trustme
from playwright.sync_api import expect

from tests.api.conftest import run_server, wait_until
from tests.chromium import COLLECT_FRAMES, POST_JOB, open_chromium

TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def chromium():
    """A Chromium."""
    with open_chromium() as instance:
        yield instance


@pytest.fixture
def origin(guarded):
    """The origin of the guarded server's pages."""
    return f"http://127.0.0.1:{guarded.port}"


@pytest.fixture
def page(chromium, origin):
    """A page of a new visitor, with the server's addresses."""
    context = chromium.new_context(base_url=origin)
    yield context.new_page()
    context.close()


def log_in(page, path="/docs"):
    """Log in as a person does who wants to see a page."""
    page.goto(path)
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**{path}")


def type_token(page, token):
    """Type into the field that has the focus, once it has: the page's first drawing gives it."""
    expect(page.get_by_label("Token")).to_be_focused(timeout=30_000)
    page.keyboard.type(token)


def run_operation(page, method, path, body=None):
    """Try an operation out on /docs; return the status and the body that it shows."""
    block = page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    if body is not None:
        block.locator("textarea.body-param__text").fill(body)
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table .response")
    status = live.locator(".response-col_status").inner_text().split()[0]
    return status, live.locator(".highlight-code code").first.inner_text()


def test_documentation_works_after_the_login(page, guarded, origin):
    """The browser step of the README with a token: log in, try the API out, stream a job."""
    page.goto("/docs")
    assert urlsplit(page.url).path == "/login"
    log_in(page)
    page.wait_for_selector(".opblock-summary-path")
    status, body = run_operation(page, "get", "/backends")
    assert status == "200" and "aer_simulator" in body
    wanted = guarded.make_body("hello-quantum") | {"params": ['{"greeting": "hello, browser"}']}
    status, body = run_operation(page, "post", "/jobs", json.dumps(wanted))
    assert status == "200"
    stream = f"ws://127.0.0.1:{guarded.port}/stream/jobs/{json.loads(body)['id']}"
    end = page.evaluate(COLLECT_FRAMES, stream)
    assert end["code"] == 1000 and end["frames"][0] == '"hello, browser"'
    assert sum(json.loads(end["frames"][1]).values()) == 1024
    assert page.evaluate("document.cookie") == "", "scripts can't read the session"
    page.goto("/redoc")
    page.locator("h1", has_text="Qiskit Runtime").wait_for()


def test_wrong_token_is_told_and_the_right_one_still_leads_on(page):
    """The page says that the token is wrong, puts the person back into the field, and waits."""
    page.goto("/docs")
    type_token(page, "not-the-token")
    page.keyboard.press("Enter")
    assert "not valid" in page.get_by_role("alert").inner_text()
    type_token(page, TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs")


def test_logging_out_closes_pages_and_websockets(page, guarded):
    """After the logout /docs asks for the token, and another page's websocket does not open."""
    log_in(page, "/docs")
    job_id = guarded.run_steps(["final", 1])
    stream = f"ws://127.0.0.1:{guarded.port}/stream/jobs/{job_id}"
    assert page.evaluate(COLLECT_FRAMES, stream) == {"frames": ["1"], "code": 1000}
    other = page.context.new_page()
    other.goto("/")
    assert other.evaluate(COLLECT_FRAMES, stream) == {"frames": ["1"], "code": 1000}
    other.get_by_role("button", name="Log out").click()
    assert "You are logged out." in other.get_by_role("status").inner_text()
    assert page.evaluate(COLLECT_FRAMES, stream) == {"frames": [], "code": 1006}
    assert page.evaluate("fetch('/jobs').then(answer => answer.status)") == 401
    page.reload()
    assert urlsplit(page.url).path == "/login"


def test_keyboard_is_enough(page):
    """Every step is reached by the Tab key, in the order of the page, and is seen to be."""
    page.goto("/")
    type_token(page, TOKEN)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    page.get_by_role("heading", name="Jobs").wait_for()
    names = []
    while "Log out" not in names:
        page.keyboard.press("Tab")
        focused = page.locator(":focus-visible")
        names.append(focused.inner_text())
        assert focused.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    assert names[:5] == ["Skip to the content", "Jobs", "Programs", "Backends", "System"]
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()


def test_login_works_without_javascript(chromium, origin):
    """Plain forms and redirects do it all."""
    context = chromium.new_context(base_url=origin, java_script_enabled=False)
    page = context.new_page()
    log_in(page, "/")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible(timeout=30_000)
    context.close()


CONTRASTS = """
() => {
  const read = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => {
    const [r, g, b] = read(colour).map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const card = getComputedStyle(document.querySelector("main")).backgroundColor;
  const ground = one => {
    const own = getComputedStyle(one).backgroundColor;
    return own === "rgba(0, 0, 0, 0)" ? card : own;
  };
  return [...document.querySelectorAll("h1, p, label, small, button")].map(one => {
    const pair = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => a - b);
    return (pair[1] + 0.05) / (pair[0] + 0.05);
  });
}
"""
"""The contrast of each text with what is behind it, by WCAG's formula."""


def test_page_is_readable_in_the_light_and_in_the_dark(page):
    """In both schemes every text has the contrast that WCAG's level AA asks for, 4.5 to 1."""
    page.goto("/login")
    page.get_by_label("Token").fill("not-the-token")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    grounds = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrasts = page.evaluate(CONTRASTS)
        assert len(contrasts) >= 5 and min(contrasts) >= 4.5, (scheme, contrasts)
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]


ATTACK = """
async ([target, job]) => {
  const seen = {};
  const send = (name, url, options) => fetch(url, {credentials: "include", ...options})
    .then(answer => { seen[name] = answer.type; }, () => { seen[name] = "failed"; });
  const body = JSON.stringify({programId: "steps", hub: "h", group: "g", project: "p",
    backend: "aer_simulator", params: []});
  await send("plain", `${target}/jobs`, {method: "POST", mode: "no-cors", body});
  await send("json", `${target}/jobs`,
    {method: "POST", body, headers: {"Content-Type": "application/json"}});
  await send("read", `${target}/jobs`, {});
  await send("delete", `${target}/jobs/${job}`, {method: "DELETE"});
  await send("silent read", `${target}/jobs`, {mode: "no-cors"});
  await new Promise(resolve => {
    const socket = new WebSocket(`${target.replace("http", "ws")}/stream/jobs/${job}`);
    socket.onopen = () => { seen.websocket = "open"; };
    socket.onclose = event => { seen.websocket ??= event.code; resolve(); };
  });
  return seen;
}
"""


class Blank(BaseHTTPRequestHandler):
    """A page with nothing on it but a form and a link to the attacked server."""

    target = ""

    def do_GET(self):
        """Show the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        parts = [
            f'<a href="{self.target}/docs">docs</a><iframe src="{self.target}/docs"></iframe>',
            f'<form method="post" action="{self.target}/logout"><button>Win</button></form>',
        ]
        self.wfile.write("".join(parts).encode())

    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def other_port(origin):
    """The port of another server of this machine, whose pages are up to no good."""
    Blank.target = origin
    server = HTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "status", "words"),
    [
        # The cookie comes along from the same site, whatever the port.
        ("127.0.0.1", 403, "Unexpected response code: 403"),
        ("localhost", 401, "HTTP Authentication failed"),
    ],
)
def test_page_of_another_origin_can_do_nothing(
    page, guarded, origin, other_port, host, status, words
):
    """A page on another port, to which the browser sends the cookie, and one of another site."""
    log_in(page)
    job_id = guarded.run_steps(["final", "secret"])
    guarded.wait(job_id)
    before = guarded.http.get("/jobs").json()["count"]
    statuses, errors = [], []
    page.goto(f"http://{host}:{other_port}/")
    page.on("response", lambda answer: statuses.append(answer.status))
    page.on("console", lambda message: errors.append(message.text))
    seen = page.evaluate(ATTACK, [origin, job_id])

    assert seen == {
        "plain": "opaque",
        "json": "failed",
        "read": "failed",
        "delete": "failed",
        "silent read": "opaque",
        "websocket": 1006,
    }
    assert statuses == [status, status], "of what a page may send unasked"
    wait_until(lambda: page.title() is not None and any(words in error for error in errors), 10)
    assert guarded.http.get("/jobs").json()["count"] == before
    assert guarded.job(job_id)["status"] == "Completed"


def test_page_of_another_origin_neither_frames_nor_logs_out(page, origin, other_port):
    """A frame stays empty, and the form of another page's button is refused."""
    log_in(page)
    page.goto(f"http://127.0.0.1:{other_port}/")
    page.wait_for_load_state("networkidle")
    (frame,) = page.frames[1:]
    assert frame.url == "chrome-error://chromewebdata/"
    page.get_by_role("button", name="Win").click()
    page.wait_for_url("**/logout")
    assert "may not use this server" in page.content()
    page.goto(f"{origin}/")
    expect(page.get_by_text("You are logged in")).to_be_visible(timeout=30_000)


def test_link_of_another_site_finds_the_person_logged_in(page, origin, other_port):
    """The browser keeps a strict cookie back at first; the page then opens itself with it."""
    log_in(page)
    page.goto(f"http://localhost:{other_port}/")
    page.get_by_role("link", name="docs").click()
    page.wait_for_url(f"{origin}/docs")
    page.wait_for_selector(".opblock-summary-path")


@contextmanager
def run_with_certificate(folder):
    """A server that ends TLS itself, and its address."""
    issued = trustme.CA().issue_cert("localhost")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    files = {"RUNTIME_TLS_CERT": str(chain), "RUNTIME_TLS_KEY": str(key)}
    with run_server(folder / "server", RUNTIME_TOKEN=TOKEN, **files) as running:
        yield running, f"https://localhost:{running.port}"


def test_login_over_tls_has_the_strict_cookie(chromium, tmp_path):
    """A real browser keeps the cookie with the prefix, and opens pages and websockets with it."""
    with run_with_certificate(tmp_path) as (running, url):
        context = chromium.new_context(base_url=url, ignore_https_errors=True)
        page = context.new_page()
        log_in(page)
        (cookie,) = context.cookies()
        assert cookie["name"] == f"__Host-qiskit-runtime-session-{urlsplit(url).port}"
        assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict"
        body = running.make_body("steps") | {"params": ['{"steps": [["final", 1]]}']}
        job_id = page.evaluate(POST_JOB, body)["id"]
        stream = f"{url.replace('https', 'wss')}/stream/jobs/{job_id}"
        assert page.evaluate(COLLECT_FRAMES, stream) == {"frames": ["1"], "code": 1000}
        page.goto("/")
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("status").wait_for()
        assert context.cookies() == []
        context.close()


@pytest.fixture(scope="module")
def with_provider(provider, tmp_path_factory):
    """A server of mode oidc, whose people log in at the provider."""
    settings = {
        "RUNTIME_OIDC_ISSUER": provider.issuer,
        "RUNTIME_OIDC_AUDIENCE": "the-api",
        "RUNTIME_OIDC_CLIENT_ID": "qiskit-runtime",
        "RUNTIME_OIDC_CLIENT_SECRET": "its-secret",
    }
    with run_server(tmp_path_factory.mktemp("oidc"), **settings) as running:
        yield running


@pytest.fixture
def visitor(chromium, with_provider):
    """A page of a new visitor of that server, which is another site than the provider."""
    context = chromium.new_context(base_url=f"http://localhost:{with_provider.port}")
    yield context.new_page()
    context.close()


def log_in_at_provider(page, person):
    """Go to the login from /docs, and be this person at the provider."""
    page.goto("/docs")
    page.get_by_role("button", name="Log in at").click()
    page.wait_for_url("**/oauth2/authorize*")
    page.locator(f'button[value="{person}"]').click()


def test_person_logs_in_at_the_provider(visitor, with_provider):
    """The provider leads back to the page that was asked for, and the session has its name."""
    log_in_at_provider(visitor, "alice")
    visitor.wait_for_url("**/docs")
    visitor.wait_for_selector(".opblock-summary-path")
    status, body = run_operation(visitor, "get", "/backends")
    assert status == "200" and "aer_simulator" in body
    kept = {cookie["name"]: cookie for cookie in visitor.context.cookies()}
    name = f"qiskit-runtime-session-{with_provider.port}"
    assert kept[name]["sameSite"] == "Strict" and kept[name]["httpOnly"]
    assert not [one for one in kept if "login" in one], "the login's own cookie is gone"
    visitor.goto("/")
    logged_in = visitor.get_by_text("You are logged in as alice.")
    expect(logged_in).to_be_visible(timeout=30_000)
    visitor.get_by_role("button", name="Log out").click()
    visitor.goto("/docs")
    assert urlsplit(visitor.url).path == "/login"


def test_person_without_an_instance_is_told(visitor):
    """A person whom the provider knows, without an instance here, reads why there is no way in."""
    log_in_at_provider(visitor, "mallory")
    alert = visitor.get_by_role("alert")
    assert "names no instance" in alert.inner_text()
    assert not [one for one in visitor.context.cookies() if "session" in one["name"]]
