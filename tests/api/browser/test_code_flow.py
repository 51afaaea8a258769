"""The code flow against a real provider: what is sent to it, and what is taken from it."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import pytest

from api.accounts.identity_tokens import IdentityTokens
from api.browser.code_flow import Client, CodeFlow, LoginFailed, ProviderUnavailable

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
def flow(provider, tokens):
    """The flow of a client with a secret, as the provider wants it."""
    return CodeFlow(Client(provider.issuer, "qiskit-runtime", "its-secret"), tokens)


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


async def test_provider_that_is_away_is_told(tokens):
    """Nobody listens there."""
    flow = CodeFlow(Client("http://127.0.0.1:9", "qiskit-runtime"), tokens)
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


async def test_secret_goes_in_the_header_and_the_verifier_in_the_form(recorder, tokens):
    """The exchange has the verifier of the challenge, the same address, and the client's secret."""
    seen, issuer = recorder
    flow = CodeFlow(Client(issuer, "a client", "s:3cret"), tokens)
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


async def test_public_client_is_named_in_the_form(recorder, tokens):
    """Without a secret there is no Authorization header, and the client's id is in the form."""
    seen, issuer = recorder
    flow = CodeFlow(Client(issuer, "qiskit-runtime"), tokens)
    begun = await flow.begin(CALLBACK, "/")
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    with pytest.raises(LoginFailed, match="it sent no id_token"):
        await flow.end(begun.cookie, {"state": state, "code": "c"})
    ((headers, form),) = seen.seen
    assert "authorization" not in headers and form["client_id"] == ["qiskit-runtime"]


async def test_failure_of_the_provider_is_no_failure_of_the_person(recorder, tokens):
    """A 500 of the provider is told as such, and may be tried again."""
    seen, issuer = recorder
    seen.description["token_endpoint"] = f"{issuer}/broken"
    flow = CodeFlow(Client(issuer, "qiskit-runtime"), tokens)
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
async def test_description_of_another_provider_is_refused(recorder, tokens, change):
    """A description that is not the issuer's, or is no description, is not used."""
    seen, issuer = recorder
    seen.description |= change
    flow = CodeFlow(Client(issuer, "qiskit-runtime"), tokens)
    with pytest.raises(ProviderUnavailable, match="does not describe itself"):
        await flow.begin(CALLBACK, "/")
