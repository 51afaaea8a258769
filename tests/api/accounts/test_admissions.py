"""Open websockets: they end with the login or token that opened them, and with nothing else."""

import asyncio
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.accounts.admissions import Admissions
from api.accounts.authenticator import AccountsUnavailable, Authenticator
from api.accounts.caller import Caller, InstanceRefused, Role
from api.auth import AuthMiddleware
from api.settings import ApiSettings
from qiskit_runtime.contract.resources.instance import parse_instance
from tests.api.accounts.conftest import (
    INSTANCES,
    TOKENS,
    Tenants,
    describe_accounts,
    make_brief,
)
from tests.api.accounts.test_identity import ask
from tests.api.conftest import read_to_close, run_server, wait_until

SOON = 6
"""The seconds within which a websocket is closed: a look at the file, and one at the callers."""

WHY = "the login or token that opened this stream has ended"

ONE, OTHER = parse_instance("a/b/c"), parse_instance("d/e/f")


@pytest.fixture
def waiting(tenants, accounts_file, gate):
    """The id of a job of Alice's that has published a message, and does not end before the test.

    After it the file is as it was.
    """
    yield tenants.run("alice", f'[["publish", 1], ["wait", "{gate}"]]')
    gate.touch()
    accounts_file.write_text(describe_accounts())
    wait_until(lambda: tenants["alice"].get("/jobs").status_code == 200, SOON)


@contextmanager
def listen(server, job_id, token="", **headers):
    """The websocket of a running job, after its first message."""
    headers = {"Authorization": f"Bearer {token}"} if token else headers
    with server.listen(job_id, additional_headers=headers) as websocket:
        assert websocket.recv(timeout=20) == "1"
        yield websocket


def read_end(websocket, seconds=SOON):
    """Return the close code of a websocket without further frames, and its reason."""
    with pytest.raises(ConnectionClosed) as closed:
        websocket.recv(timeout=seconds)
    return closed.value.rcvd.code, closed.value.rcvd.reason


def is_open(websocket):
    """Return whether nothing comes, and no end."""
    with pytest.raises(TimeoutError):
        websocket.recv(timeout=0.1)
    return True


def test_a_withdrawn_token_ends_its_websockets_alone(tenants, accounts_file, waiting):
    """Also those of an identity token that was made of it; Ann's, of the same instance, stays."""
    issued = ask(tenants.server, TOKENS["alice"]).json()["access_token"]
    tokens = (TOKENS["alice"], issued, TOKENS["ann"])
    with ExitStack() as opened:
        *mine, anns = (
            opened.enter_context(listen(tenants.server, waiting, token)) for token in tokens
        )
        accounts_file.write_text(describe_accounts(TOKENS | {"alice": "new-token-of-alice"}))
        assert [read_end(websocket) for websocket in mine] == [(1008, WHY)] * 2
        with (
            pytest.raises(InvalidStatus) as refused,
            listen(tenants.server, waiting, TOKENS["alice"]),
        ):
            pass
        assert refused.value.response.status_code == 401
        with listen(tenants.server, waiting, "new-token-of-alice"):
            assert is_open(anns)


def test_an_account_that_loses_an_instance_loses_its_websockets(
    tenants, accounts_file, waiting, monkeypatch
):
    """And one that is given another keeps them."""
    with (
        listen(tenants.server, waiting, TOKENS["alice"]) as alices,
        listen(tenants.server, waiting, TOKENS["ann"]) as anns,
    ):
        monkeypatch.setitem(INSTANCES, "alice", ["chem/lab/second"])
        monkeypatch.setitem(INSTANCES, "ann", ["chem/lab/second", "chem/lab/vqe"])
        accounts_file.write_text(describe_accounts())
        assert read_end(alices) == (1008, WHY)
        assert is_open(anns)
    monkeypatch.undo()


def test_an_expired_token_ends_its_websockets(tmp_path, gate):
    """Seconds after its end; the key that it was made of is as good as ever."""
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(describe_accounts())
    with run_server(
        tmp_path / "server", prepare=make_brief(4), RUNTIME_ACCOUNTS=str(accounts)
    ) as server:
        tenants = Tenants(server)
        job_id = tenants.run("alice", f'[["publish", 1], ["wait", "{gate}"]]')
        with listen(server, job_id, TOKENS["alice"]) as of_key:
            answer = ask(server, TOKENS["alice"]).json()
            assert answer["expires_in"] == 4
            with listen(server, job_id, answer["access_token"]) as ended:
                assert read_end(ended, 4 + SOON) == (1008, WHY)
            assert time.time() >= answer["expiration"]
            assert is_open(of_key)
            gate.touch()
            assert read_to_close(of_key) == ([], 1000)
        tenants.close()


def log_in(server, token):
    """Return the headers of a browser in which somebody has logged in."""
    origin = str(server.http.base_url).rstrip("/")
    with httpx.Client(base_url=origin, trust_env=False, timeout=30) as browser:
        answer = browser.post("/login", data={"token": token}, headers={"Origin": origin})
    return {"Origin": origin, "Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_logout_ends_the_websockets_of_that_browser(guarded, gate):
    """The other browser's, with the same token, stays until its job ends."""
    job_id = guarded.run_steps(["publish", 1], ["wait", str(gate)])
    mine, others = (log_in(guarded, "open-sesame") for _ in range(2))
    with listen(guarded, job_id, **mine) as ended, listen(guarded, job_id, **others) as other:
        with httpx.Client(base_url=guarded.http.base_url, trust_env=False, timeout=30) as browser:
            assert browser.post("/logout", data={"x": "y"}, headers=mine).status_code == 303
        assert read_end(ended) == (1008, WHY)
        assert is_open(other)
        gate.touch()
        assert read_to_close(other) == ([], 1000)


@pytest.mark.parametrize(
    ("now", "then", "covers"),
    [
        (Caller(), Caller(), True),
        (Caller(instances=(ONE,)), Caller(instances=(ONE,)), True),
        (Caller(instances=(ONE, OTHER)), Caller(instances=(ONE,)), True),
        (Caller(instances=(ONE,)), Caller(instances=(ONE, OTHER)), False),
        (Caller(instances=(ONE,)), Caller(instances=(ONE, OTHER), asked=ONE), True),
        (Caller(instances=(ONE,)), Caller(instances=(ONE,), roles=frozenset({Role.ADMIN})), False),
        (Caller(instances=(ONE,), roles=frozenset({Role.ADMIN})), Caller(instances=(OTHER,)), True),
    ],
)
def test_what_a_caller_sees_is_compared(now, then, covers):
    """More than before is as good as the same; less is not."""
    assert now.covers(then) is covers


class Answers(Authenticator):
    """An authenticator that gives these answers, one after the other, and the last for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    async def authenticate(self, credential):
        """Return or raise the next answer."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def issue(self, key, seconds=3600):
        """Nobody asks."""
        raise NotImplementedError


async def hold_open(authenticator, websockets, seconds):
    """Return how many of so many websockets of one token are withdrawn within so many seconds."""
    admissions, ends = Admissions(0.01), []

    async def app(scope, receive, send):
        ends.append(scope["state"]["admission_withdrawn"])
        await asyncio.sleep(seconds)

    layer = AuthMiddleware(app, ApiSettings(), authenticator, None, admissions)
    headers = [(b"authorization", b"Bearer token"), (b"host", b"localhost")]
    scope = {"type": "websocket", "path": "/stream/jobs/x", "headers": headers}
    await asyncio.gather(*(layer({**scope}, None, None) for _ in range(websockets)))
    await admissions.close()
    assert not admissions._admissions
    return sum(end.is_set() for end in ends)


CALLER = Caller("alice", (ONE,))


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (CALLER, 0),
        (AccountsUnavailable("away"), 0),
        (None, 3),
        (InstanceRefused("no instance any more"), 3),
        (Caller("alice", (OTHER,)), 3),
    ],
)
def test_a_websocket_ends_with_an_answer_and_not_without_one(answer, ended):
    """An issuer that is away ends nothing; one that says no ends all of that token."""
    answers = Answers(CALLER, CALLER, CALLER, answer)
    assert asyncio.run(hold_open(answers, 3, 0.3)) == ended


def test_a_fault_of_one_look_ends_nothing_and_is_logged(caplog):
    """The next look finds what is the case."""
    fault = Answers(CALLER, RuntimeError("odd"), None)
    assert asyncio.run(hold_open(fault, 1, 0.3)) == 1
    assert [one.getMessage() for one in caplog.records] == [
        "an open websocket's caller can't be looked up"
    ]


def test_many_websockets_of_one_token_cost_one_look():
    """Ten look-ups for fifty websockets in ten looks, and none when all have gone."""
    answers = Answers(CALLER)
    assert asyncio.run(hold_open(answers, 50, 0.25)) == 0
    assert 50 < answers.asked <= 50 + 25
