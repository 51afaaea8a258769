"""/identity/token on a real server, and what becomes of its tokens."""

import time

import httpx
import jwt
import pytest
from websockets.exceptions import InvalidStatus

from tests.api.accounts.conftest import TOKENS, describe_accounts
from tests.api.conftest import run_server, wait_until

GRANT = "urn:ibm:params:oauth:grant-type:apikey"


def ask(server, key, **fields):
    """POST /identity/token as the official client does: without authentication."""
    form = {"grant_type": GRANT, "apikey": key, "response_type": "cloud_iam"} | fields
    with httpx.Client(base_url=server.http.base_url, trust_env=False, timeout=30) as http:
        return http.post("/identity/token", data=form)


def get(server, token, path="/jobs"):
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=server.http.base_url, trust_env=False, timeout=30, headers=headers
    ) as http:
        return http.get(path)


def test_a_token_is_answered_as_ibm_cloud_does(tenants):
    """The official client reads access_token, whose iat and exp it decodes without checking."""
    answer = ask(tenants.server, TOKENS["alice"])
    body = answer.json()

    assert answer.status_code == 200
    assert set(body) == {
        *("access_token", "refresh_token", "token_type", "expires_in", "expiration", "scope"),
    }
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["expiration"] == claims["exp"] == claims["iat"] + 3600
    assert abs(claims["iat"] - time.time()) < 10
    assert answer.headers["cache-control"] == "no-store"
    assert TOKENS["alice"] not in answer.text


@pytest.mark.parametrize("path", ["/jobs", "/api/v1/jobs", "/experimental/backends"])
def test_the_token_opens_what_its_key_opens(tenants, path):
    """Everywhere, in the header that carries the key otherwise."""
    token = ask(tenants.server, TOKENS["alice"]).json()["access_token"]

    assert get(tenants.server, token, path).status_code == 200


@pytest.mark.parametrize("path", ["/jobs", "/api/v1/jobs", "/experimental/backends", "/docs"])
def test_a_wrong_key_gets_a_token_and_then_401(tenants, path):
    """Refused here, the official client would wait for a minute; it fails at its next request."""
    answer = ask(tenants.server, "nobodys-token")

    assert answer.status_code == 200
    assert get(tenants.server, answer.json()["access_token"], path).status_code == 401


def test_the_websocket_takes_the_token(tenants):
    """As REST does, right or wrong; also one of a longer life than usual."""
    job_id = tenants.run("alice", '[["final", 1]]')
    right, wrong = (
        ask(tenants.server, key).json()["access_token"] for key in (TOKENS["alice"], "nobodys")
    )
    headers = {"Authorization": f"Bearer {right}"}
    with tenants.server.listen(job_id, additional_headers=headers) as websocket:
        assert websocket.recv(timeout=20) == "1"
    with pytest.raises(InvalidStatus) as refused:
        tenants.server.listen(job_id, additional_headers={"Authorization": f"Bearer {wrong}"})
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"grant_type": "password"}, 400),
        ({"grant_type": ""}, 400),
        ({"apikey": ""}, 400),
        ({"apikey": "x" * 40_000}, 413),
        ({"apikey": "ü" * 100}, 200),
        ({"apikey": "\x00"}, 200),
    ],
)
def test_a_wrong_request_is_refused_in_words(tenants, fields, status):
    """By errorMessage for clients of IBM Cloud, and by detail for all others."""
    answer = ask(tenants.server, TOKENS["alice"], **fields)

    assert answer.status_code == status
    if status == 400:
        assert answer.json()["errorMessage"] == answer.json()["detail"]
        assert "grant_type must be" in answer.json()["detail"]


def test_other_bodies_and_pages_are_refused(tenants):
    """No JSON, no body that is too large, no page of another site, no GET."""
    base = tenants.server.http.base_url
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as http:
        assert http.post("/identity/token", json={"apikey": "x"}).status_code == 415
        form = {"grant_type": GRANT, "apikey": "x"}
        headers = {"Origin": "http://evil.example"}
        assert http.post("/identity/token", data=form, headers=headers).status_code == 403
        large = {"apikey": "x" * (2**20 + 1)}
        assert http.post("/identity/token", data=large).status_code == 413
        assert http.get("/identity/token").status_code == 405


def test_the_rate_is_bounded_and_says_when_to_ask_again(tmp_path):
    """A network gets a hundred tokens a second; then it is 429, and soon good again."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(describe_accounts())
    with run_server(tmp_path / "server", RUNTIME_ACCOUNTS=str(accounts)) as server:
        form = {"grant_type": GRANT, "apikey": "x"}
        answers = [server.http.post("/identity/token", data=form) for _ in range(2000)]
        limited = [one for one in answers if one.status_code == 429]
        assert {one.status_code for one in answers} <= {200, 429}
        assert len(answers) - len(limited) >= 200
        if limited:
            assert limited[0].headers["retry-after"] == "1"
            wait_until(lambda: ask(server, "x").status_code == 200, 3)


def test_a_server_with_one_token_and_one_with_none_answer_too(guarded, server):
    """With a token its holder is let in; without authentication everybody is, by any key."""
    token = ask(guarded, "open-sesame").json()["access_token"]
    assert get(guarded, token).status_code == 200
    wrong = ask(guarded, "open-sesam3").json()["access_token"]
    assert get(guarded, wrong).status_code == 401
    whatever = ask(server, "whatever").json()["access_token"]
    assert get(server, whatever).status_code == 200


def test_a_rotated_file_counts_on_a_running_server(tenants, accounts_file):
    """A new token is let in and the old one is not, nor what was made of it; no restart."""
    issued = ask(tenants.server, TOKENS["alice"]).json()["access_token"]
    accounts_file.write_text(describe_accounts(TOKENS | {"alice": "new-token-of-alice"}))
    wait_until(lambda: get(tenants.server, "new-token-of-alice").status_code == 200, 5)
    assert get(tenants.server, TOKENS["alice"]).status_code == 401
    assert get(tenants.server, issued).status_code == 401

    accounts_file.write_text("accounts: [broken")
    time.sleep(1.5)
    assert get(tenants.server, "new-token-of-alice").status_code == 200
    wait_until(lambda: "stay what they were" in tenants.server.log.read_text(), 5)
    accounts_file.write_text(describe_accounts())
    wait_until(lambda: get(tenants.server, TOKENS["alice"]).status_code == 200, 5)
