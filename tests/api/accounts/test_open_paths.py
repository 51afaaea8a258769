"""The paths that are served without a credential: whoever asks there is in nobody's way."""

import contextlib
import json
import socket
import time

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.accounts.client_network import choose_peer, find_network, read_peer
from api.accounts.limits import REMEMBERED, Rates
from api.auth import OPEN_PATHS
from api.bodies import LARGE_AT_ONCE, SMALL_BYTES, CheckedRoute
from api.main import create_app
from api.settings import ApiSettings
from tests.api.accounts.conftest import describe_accounts
from tests.api.conftest import Server, run_server

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
POSTS = [
    ("/api/users/loginWithToken", JSON, 2**15),
    ("/identity/token", FORM, 2**15),
    ("/login", FORM, 2**14),
    ("/login/oidc", FORM, 2**14),
    ("/logout", FORM, 2**14),
]


def test_open_posts_are_these_and_take_small_bodies_alone(tmp_path):
    """No open path has a body that takes a turn, also one that is added."""
    app = create_app(ApiSettings(data=tmp_path, token="open-sesame"))
    found = {
        route.path: route.original_route
        for route in iter_route_contexts(app.routes)
        if route.path in OPEN_PATHS and "POST" in (route.methods or ())
    }
    assert sorted(found) == sorted(path for path, *_ in POSTS)
    checked = [route for route in found.values() if isinstance(route, CheckedRoute)]
    assert len(checked) == 2
    assert all(route.body_form.limit <= SMALL_BYTES for route in checked)


@contextlib.contextmanager
def stalled_upload(server: Server, path: str, kind: str):
    """Begin a large body, without a credential, and send no more."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: {kind}\r\n"
        f"Origin: http://127.0.0.1:{server.port}\r\nContent-Length: 1000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall(head.encode() + b"a" * (SMALL_BYTES + 5000))
        yield connection


@pytest.mark.parametrize(("path", "kind", "limit"), POSTS)
def test_stalled_upload_without_a_credential_holds_nobodys_turn(guarded, path, kind, limit):
    """It is refused with its limit as soon as it is over it, and a tenant's large body is read."""
    body = guarded.make_body("nope") | {"params": [json.dumps({"a": "b" * 3_000_000})]}
    with contextlib.ExitStack() as stack:
        stalled = [
            stack.enter_context(stalled_upload(guarded, path, kind)) for _ in range(LARGE_AT_ONCE)
        ]
        begin = time.monotonic()
        assert guarded.http.post("/jobs", json=body).status_code == 404
        assert time.monotonic() - begin < 10
        for connection in stalled:
            answer = connection.recv(65536).decode()
            assert answer.startswith("HTTP/1.1 413 "), answer
            assert f"body: it is larger than its limit of {limit} bytes" in answer
            assert "source" not in answer


def test_rates_of_networks_are_apart_and_their_memory_is_bounded():
    """One's garbage is not in the way of another's key, and old ones are forgotten."""
    rates = Rates(1, 2)
    assert [rates.take("one", 10) for _ in range(3)] == [0, 0, 1]
    assert rates.take("other", 10) == 0
    for number in range(REMEMBERED + 5):
        rates.take(number, 10)
    assert len(rates._rates) == REMEMBERED


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("10.0.0.1", "192.0.2.1"),
        ("127.0.0.1", "192.0.2.1"),
        ("::1", "192.0.2.1"),
        ("fd00::1", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1"),
        ("100.64.0.1", "192.0.2.1"),
        ("8.8.8.8", "8.8.8.8"),
        ("::ffff:8.8.8.8", "::ffff:8.8.8.8"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("", ""),
    ],
)
def test_forwarded_address_is_believed_from_a_near_proxy_alone(host, peer):
    """A client on a public address makes no other address up."""
    assert choose_peer(host, "192.0.2.1") == peer


def test_last_line_of_forwarded_addresses_counts():
    """A proxy that adds a line of its own is believed, and not the line of its client."""
    from starlette.requests import HTTPConnection

    lines = [(b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"192.0.2.7, 192.0.2.8")]
    scope = {"type": "http", "client": ("10.0.0.1", 1), "headers": lines}
    assert read_peer(HTTPConnection(scope)) == "192.0.2.8"
    assert find_network("2001:db8::1") == find_network("2001:db8::2") == "2001:db8::/64"


def test_garbage_of_one_network_leaves_anothers_key_alone(tmp_path):
    """A network that has used its rate up is told so; another logs in meanwhile, at both places."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(describe_accounts())
    prepare = "import api.main; api.main.TOKENS_A_SECOND = 0.5"
    form = {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": "x"}
    with run_server(tmp_path / "server", prepare=prepare, RUNTIME_ACCOUNTS=str(accounts)) as server:

        def post(network: str, path: str, **body) -> httpx.Response:
            return server.http.post(path, headers={"X-Forwarded-For": network}, **body)

        for _ in range(20):
            refused = post("192.0.2.1", "/identity/token", data=form | {"grant_type": "no"})
            assert refused.status_code == 400, "a request that asks for nothing takes nothing"
        codes = [post("192.0.2.1", "/identity/token", data=form).status_code for _ in range(3)]
        assert codes[0] == 200 and codes[-1] == 429
        key = {"apiToken": "token-of-alice"}
        limited = post("192.0.2.1", "/api/users/loginWithToken", json=key)
        assert limited.status_code == 429 and limited.headers["retry-after"]
        assert "from your network" in limited.text
        assert post("192.0.2.2", "/api/users/loginWithToken", json=key).status_code == 200
        right = form | {"apikey": "token-of-alice"}
        assert post("2001:db8::1", "/identity/token", data=right).status_code == 200
