"""The code flow against a real provider: what is sent to it, and what is taken from it."""

import asyncio
import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
import pytest

from api.accounts import issuer_documents
from api.accounts.identity_tokens import IdentityTokens
from api.browser.attempt_bounds import ATTEMPTS_OF_A_PEER, TooManyAttempts
from api.browser.code_flow import Client, CodeFlow, LoginFailed, ProviderUnavailable
from api.browser.login import BrowserLogin, Provider

CALLBACK = "http://127.0.0.1:1/login/callback"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """The API's loop is asyncio's."""
    return "asyncio"


@pytest.fixture
def tokens():
    """The tokens of the server."""
    return IdentityTokens(b"s" * 32)


@pytest.fixture
async def make_flow(tokens):
    """The flows of clients; they are closed at the end."""
    flows = []

    def make(client, http=None):
        flows.append(CodeFlow(client, tokens, http))
        return flows[-1]

    yield make
    for flow in flows:
        await flow.close()


@pytest.fixture
def flow(provider, make_flow):
    """The flow of a client with a secret, as the provider wants it."""
    return make_flow(Client(provider.issuer, "qiskit-runtime", "its-secret"))


async def test_login_gives_the_id_token_of_who_logged_in(provider, flow):
    """The provider's token names the person and this login; the path to go on is kept."""
    begun = await flow.begin(CALLBACK, "/docs")
    ended = await flow.end(begun.cookie, provider.approve(begun.url))
    claims = jwt.decode(ended.id_token, options={"verify_signature": False})
    assert claims["sub"] == "alice" and claims["iss"] == provider.issuer
    assert claims["aud"] in ("qiskit-runtime", ["qiskit-runtime"])
    assert ended.next_path == "/docs"


async def test_address_of_the_provider_has_all_that_the_standard_asks(provider, flow):
    """State, nonce and the challenge are there, random each time, and the verifier is not."""
    first, second = [(await flow.begin(CALLBACK, "/")) for _ in range(2)]
    query = dict(parse_qsl(urlsplit(first.url).query))
    again = dict(parse_qsl(urlsplit(second.url).query))
    assert first.url.startswith(f"{provider.issuer}/oauth2/authorize?")
    assert query["response_type"] == "code" and query["client_id"] == "qiskit-runtime"
    assert query["redirect_uri"] == CALLBACK
    assert "openid" in query["scope"].split()
    assert query["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(query[name]) == 43 and query[name] != again[name]
    kept = jwt.decode(first.cookie, options={"verify_signature": False})
    assert kept["verifier"] not in first.url
    digest = hashlib.sha256(kept["verifier"].encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")


async def test_answer_to_a_login_of_another_browser_is_refused(provider, flow):
    """Somebody else's code, brought by a link, logs nobody in: its state is not this browser's."""
    mine, others = await flow.begin(CALLBACK, "/"), await flow.begin(CALLBACK, "/")
    answer = provider.approve(others.url, "mallory")
    for cookie in (mine.cookie, "", "a.b.c"):
        with pytest.raises(LoginFailed, match="not begun in this browser"):
            await flow.end(cookie, answer)
    with pytest.raises(LoginFailed, match="not begun in this browser"):
        await flow.end(mine.cookie, {"code": answer["code"]})


async def test_token_for_another_login_is_refused(provider, flow, tokens):
    """A code that was stolen from another login has that one's nonce."""
    mine, others = await flow.begin(CALLBACK, "/"), await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(mine.url).query))["state"]
    with pytest.raises(LoginFailed, match="another login"):
        await flow.end(mine.cookie, provider.approve(others.url) | {"state": state})


@pytest.mark.parametrize("purpose", ["session of a browser", "anything"])
async def test_cookie_of_another_kind_begins_no_login(provider, flow, tokens, purpose):
    """A token that this server has signed for another use is worth nothing here."""
    begun = await flow.begin(CALLBACK, "/")
    claims = jwt.decode(begun.cookie, options={"verify_signature": False})
    for other in (tokens, tokens.for_purpose(purpose)):
        with pytest.raises(LoginFailed, match="not begun"):
            await flow.end(other.sign(claims, 60).text, provider.approve(begun.url))


async def test_refusal_of_the_provider_is_told(flow):
    """The page of somebody who presses "deny" has the provider's own word for it."""
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(LoginFailed, match="did not log you in: access_denied"):
        await flow.end(begun.cookie, {"state": state, "error": "access_denied"})


async def test_code_that_the_provider_does_not_know_is_told(flow):
    """A made-up code is refused by the provider, with its word."""
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(LoginFailed, match="did not take the login's code: invalid_grant"):
        await flow.end(begun.cookie, {"state": state, "code": "made-up"})


async def test_provider_that_is_away_is_told(make_flow):
    """Nobody listens there."""
    flow = make_flow(Client("http://127.0.0.1:9", "qiskit-runtime"))
    with pytest.raises(ProviderUnavailable, match="127.0.0.1:9 does not answer just now"):
        await flow.begin(CALLBACK, "/")


class Recorder(BaseHTTPRequestHandler):
    """A provider that keeps what is posted, and describes itself as the test says."""

    seen: ClassVar[list] = []
    description: ClassVar[dict] = {}

    def do_GET(self):
        """Describe it."""
        self._answer(200, self.description)

    def do_POST(self):
        """Keep the request."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.seen.append((self.headers, parse_qs(body)))
        self._answer(500 if self.path == "/broken" else 200, {"id_token": 7})

    def _answer(self, status, value):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def recorder():
    """A recording provider, and its address."""
    server = HTTPServer(("127.0.0.1", 0), Recorder)
    issuer = f"http://127.0.0.1:{server.server_port}"
    Recorder.seen = []
    Recorder.description = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize?tenant=1",
        "token_endpoint": f"{issuer}/token",
    }
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield Recorder, issuer
    server.shutdown()
    thread.join()
    server.server_close()


async def test_secret_goes_in_the_header_and_the_verifier_in_the_form(recorder, make_flow):
    """The exchange has the verifier of the challenge, the same address, and the client's secret."""
    seen, issuer = recorder
    flow = make_flow(Client(issuer, "a client", "s:3cret"))
    begun = await flow.begin(CALLBACK, "/")
    assert begun.url.startswith(f"{issuer}/authorize?tenant=1&response_type=code")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(LoginFailed, match="it sent no id_token"):
        await flow.end(begun.cookie, {"state": state, "code": "c"})
    ((headers, form),) = seen.seen
    kept = jwt.decode(begun.cookie, options={"verify_signature": False})
    assert form["code_verifier"] == [kept["verifier"]] and form["redirect_uri"] == [CALLBACK]
    assert form["grant_type"] == ["authorization_code"] and form["code"] == ["c"]
    basic = headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(basic).decode() == "a%20client:s%3A3cret"


async def test_public_client_is_named_in_the_form(recorder, make_flow):
    """Without a secret there is no Authorization header, and the client's id is in the form."""
    seen, issuer = recorder
    flow = make_flow(Client(issuer, "qiskit-runtime"))
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(LoginFailed, match="it sent no id_token"):
        await flow.end(begun.cookie, {"state": state, "code": "c"})
    ((headers, form),) = seen.seen
    assert "authorization" not in headers and form["client_id"] == ["qiskit-runtime"]


async def test_failure_of_the_provider_is_no_failure_of_the_person(recorder, make_flow):
    """A 500 of the provider is told as such, and may be tried again."""
    seen, issuer = recorder
    seen.description["token_endpoint"] = f"{issuer}/broken"
    flow = make_flow(Client(issuer, "qiskit-runtime"))
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(ProviderUnavailable):
        await flow.end(begun.cookie, {"state": state, "code": "c"})


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "http://evil.example"},
        {"authorization_endpoint": None},
        {"token_endpoint": ""},
    ],
)
async def test_description_of_another_provider_is_refused(recorder, make_flow, change):
    """A description that is not the issuer's, or is no description, is not used."""
    seen, issuer = recorder
    seen.description |= change
    flow = make_flow(Client(issuer, "qiskit-runtime"))
    with pytest.raises(ProviderUnavailable, match="does not describe itself"):
        await flow.begin(CALLBACK, "/")


class Away:
    """A provider behind a transport: it counts what it is asked, and answers when it is let."""

    ISSUER = "https://login.example"

    def __init__(self, **description):
        names = ("authorization_endpoint", "token_endpoint")
        endpoints = {name: f"{self.ISSUER}/{name}" for name in names}
        self.description = {"issuer": self.ISSUER} | endpoints | description
        self.asked, self.is_away, self.padding = 0, False, b""

    async def answer(self, request):
        """Answer a request, a little later."""
        self.asked += 1
        for _ in range(5):  # The clock may stand still.
            await asyncio.sleep(0)
        if self.is_away:
            raise httpx.ConnectError("away")
        return httpx.Response(200, content=json.dumps(self.description).encode() + self.padding)

    @property
    def http(self):
        """Return a client that reaches nobody else."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self.answer))


async def test_provider_that_is_away_is_asked_once_by_all(make_flow, monkeypatch):
    """Many who begin share one call, and for ten seconds after a failure there is no other."""
    now = [5000.0]
    monkeypatch.setattr(issuer_documents.time, "monotonic", lambda: now[0])
    provider = Away()
    flow = make_flow(Client(provider.ISSUER, "qiskit-runtime"), provider.http)
    provider.is_away = True
    for _ in range(2):
        begun = [flow.begin(CALLBACK, "/") for _ in range(50)]
        for answer in await asyncio.gather(*begun, return_exceptions=True):
            assert isinstance(answer, ProviderUnavailable)
            assert str(answer) == "login.example does not answer just now"
    assert provider.asked == 1
    provider.is_away, now[0] = False, now[0] + issuer_documents.PAUSE_SECONDS
    for _ in range(2):
        await asyncio.gather(*(flow.begin(CALLBACK, "/") for _ in range(50)))
    assert provider.asked == 2


async def test_person_who_leaves_takes_the_call_from_nobody(make_flow):
    """The one who asked first goes away; the next one gets the answer all the same."""
    provider = Away()
    flow = make_flow(Client(provider.ISSUER, "qiskit-runtime"), provider.http)
    first, second = [asyncio.create_task(flow.begin(CALLBACK, "/")) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).url.startswith(provider.ISSUER)
    assert provider.asked == 1


async def test_answer_of_a_provider_is_read_up_to_its_limit(make_flow):
    """A description without end is not kept in memory, and is told."""
    provider = Away()
    provider.padding = b" " * issuer_documents.MAX_DOCUMENT_BYTES
    flow = make_flow(Client(provider.ISSUER, "qiskit-runtime"), provider.http)
    with pytest.raises(ProviderUnavailable, match="over 1048576 bytes"):
        await flow.begin(CALLBACK, "/")


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
@pytest.mark.parametrize("url", ["http://login.example/x", "javascript:alert(1)", 7])
async def test_provider_behind_tls_leads_nowhere_without_it(make_flow, name, url):
    """A code, a secret or a person's browser never goes to an http address of an https issuer."""
    provider = Away(**{name: url})
    flow = make_flow(Client(provider.ISSUER, "qiskit-runtime"), provider.http)
    with pytest.raises(ProviderUnavailable, match=f"does not describe itself as .*{name}"):
        await flow.begin(CALLBACK, "/")


async def test_failures_of_a_login_that_was_begun_here_alone_are_counted(make_flow, tokens):
    """An image that leads to the callback, or a provider that is away, bars nobody."""
    provider = Away()
    flow = make_flow(Client(provider.ISSUER, "qiskit-runtime"), provider.http)
    login = BrowserLogin(None, None, Provider(flow, None))
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    for _ in range(2 * ATTEMPTS_OF_A_PEER):
        with pytest.raises(LoginFailed, match="not begun in this browser"):
            await login.log_in_by_provider("", {"code": "c", "state": state}, "192.0.2.1")
    answer = {"code": "c", "state": state}
    provider.is_away = True
    for _ in range(2 * ATTEMPTS_OF_A_PEER):
        with pytest.raises(ProviderUnavailable):
            await login.log_in_by_provider(begun.cookie, answer, "192.0.2.1")
    provider.is_away = False
    for _ in range(ATTEMPTS_OF_A_PEER):
        with pytest.raises(LoginFailed, match="it sent no id_token"):
            await login.log_in_by_provider(begun.cookie, answer, "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await login.log_in_by_provider(begun.cookie, answer, "192.0.2.1")
