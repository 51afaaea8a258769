"""Sessions on a real cluster: order, closing from several servers at once, deadlines, kubectl."""

import asyncio
import itertools
import sys
import time
import urllib.request
from pathlib import Path

import httpx
import pytest

from qiskit_runtime.contract.resources.resource import GROUP, VERSION
from tests.cluster.stand import free_port, open_stand, wait_until

pytestmark = pytest.mark.cluster

SESSIONS = "runtimesessions"


class Sessions:
    """The calls of a client, to either of two servers, and of kubectl."""

    def __init__(self, stand, urls, http):
        self.stand = stand
        self.urls = [f"{url}/experimental" for url in urls]
        self.http = http

    def open(self, mode="dedicated", server=0, **fields):
        """Open a session; returns its id."""
        body = {"mode": mode, "backend": "aer_simulator"} | fields
        answer = self.http.post(f"{self.urls[server]}/sessions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def get(self, session, server=0):
        """The session's document."""
        answer = self.http.get(f"{self.urls[server]}/sessions/{session}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def body(self, session, n=1, pause=0.05):
        """The body of a job that counts."""
        params = {"n": n, "pause": pause}
        asked = {"program_id": "count", "backend": "aer_simulator", "params": params}
        return asked | {"session_id": session}

    def run(self, session, server=0, **params):
        """Post a job; returns its id."""
        answer = self.http.post(f"{self.urls[server]}/jobs", json=self.body(session, **params))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def cancel(self, session, server=0):
        """DELETE /close."""
        answer = self.http.delete(f"{self.urls[server]}/sessions/{session}/close")
        assert answer.status_code == 204, answer.text

    def status(self, session):
        """The RuntimeSession's status, as kubectl sees it."""
        found = self.stand.custom.get_namespaced_custom_object(
            GROUP, VERSION, self.stand.namespace, SESSIONS, session
        )
        return found.get("status", {})

    def wait_for_state(self, session, state, seconds=90):
        """Wait until the operator has written this state."""
        wait_until(
            lambda: self.status(session).get("state") == state, seconds, f"{session} is {state}"
        )
        return self.status(session)

    def finish(self, job, seconds=120):
        """The RuntimeJob's status, once it has ended."""
        ends = ("Completed", "Failed", "Cancelled")
        return self.stand.wait_for(job, *ends, seconds=seconds)["status"]


def _serves(url):
    with urllib.request.urlopen(f"{url}/livez", timeout=5) as answer:
        return answer.status == 200


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """An installation with two servers of the API, which share one Redis."""
    with open_stand(tmp_path_factory.mktemp("sessions"), RUNTIME_MAX_RUNNING_JOBS="3") as stand:
        port = free_port()
        program = Path(sys.executable).with_name("qiskit-runtime")
        command = [str(program), "serve", "--port", str(port)]
        stand.add("second-api", command, **stand.environment("api"))
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _serves(url), 120, "the second API serves")
        with httpx.Client(timeout=60, trust_env=False) as http:
            yield Sessions(stand, [stand.url, url], http)


def test_dedicated_jobs_run_one_after_the_other(sessions):
    """In the order of submission, to whichever server, and with room for more than one at once."""
    session = sessions.open()
    jobs = [sessions.run(session, server=n % 2, n=3) for n in range(5)]
    ends = [sessions.finish(job) for job in jobs]

    assert [end["phase"] for end in ends] == ["Completed"] * 5
    for one, two in itertools.pairwise(ends):
        assert one["finishedAt"] <= two["startedAt"]
    for server in (0, 1):
        found = sessions.get(session, server)
        assert found["activated_at"] == ends[0]["startedAt"]
        assert found["last_job_completed"] == ends[-1]["finishedAt"]
    assert sessions.status(session)["activatedAt"] == ends[0]["startedAt"]
    sessions.cancel(session)
    assert sessions.get(session, 1)["state"] == "closed"


def test_waiting_jobs_of_a_session_hold_nobody_up(sessions):
    """They take no slot: a job without a session runs while they wait."""
    session = sessions.open()
    long = sessions.run(session, n=400, pause=0.1)
    queued = [sessions.run(session) for _ in range(4)]
    sessions.stand.wait_for(long, "Running")
    alone = f"alone-{int(time.time())}"
    sessions.stand.submit(alone, "count", '{"n": 1}')
    assert sessions.finish(alone)["phase"] == "Completed"
    assert {sessions.stand.phase(job) for job in queued} == {"Queued"}

    sessions.cancel(session)
    ends = [sessions.finish(job, 30) for job in queued]
    assert {(end["phase"], end["reason"]) for end in ends} == {("Cancelled", "SessionClosed")}
    assert sessions.stand.phase(long) == "Running"
    sessions.stand.patch(long, cancelRequested=True)
    sessions.finish(long)


async def _race(sessions, session, number):
    """Post to both servers while one of them closes; returns when each was begun, and the close."""
    begun, refused, answered = {}, [], asyncio.Event()

    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:

        async def post(index):
            # However slow the machine is, some come after the close.
            await (answered.wait() if index >= number * 3 // 4 else asyncio.sleep(index * 0.02))
            at, url = time.monotonic(), sessions.urls[index % 2]
            answer = await http.post(f"{url}/jobs", json=sessions.body(session))
            if answer.status_code == 200:
                begun[answer.json()["id"]] = at
            else:
                refused.append(answer)

        async def close():
            await asyncio.sleep(number * 0.01)
            url = f"{sessions.urls[1]}/sessions/{session}"
            answer = await http.patch(url, json={"accepting_jobs": False})
            assert answer.status_code == 204, answer.text
            closed = time.monotonic()
            answered.set()
            return closed

        *_, closed = await asyncio.gather(*map(post, range(number)), close())
    return begun, refused, closed


def test_no_job_is_accepted_after_the_close_was_answered(sessions):
    """Many posts to two servers while one of them closes: each is before the close, or refused."""
    session = sessions.open("batch")
    begun, refused, closed = asyncio.run(_race(sessions, session, 40))

    assert begun and refused and len(begun) + len(refused) == 40
    assert {answer.status_code for answer in refused} == {409}
    assert all("The session is closed" in answer.json()["error"]["message"] for answer in refused)
    assert all(at < closed for at in begun.values())
    made = [
        name
        for name, job in sessions.stand.jobs().items()
        if job["spec"].get("sessionId") == session
    ]
    assert set(made) == set(begun)
    sessions.cancel(session)
    ends = [sessions.finish(job) for job in begun]
    assert {end["phase"] for end in ends} <= {"Completed", "Cancelled"}
    assert sessions.wait_for_state(session, "closed")["closedAt"]


def test_session_that_was_closed_ends_with_its_last_job(sessions):
    """Its accepted jobs run, and then it is closed, for kubectl too."""
    session = sessions.open()
    jobs = [sessions.run(session, n=2) for _ in range(2)]
    sessions.stand.custom.patch_namespaced_custom_object(
        GROUP, VERSION, sessions.stand.namespace, SESSIONS, session,
        {"spec": {"acceptingJobs": False}},
    )  # fmt: skip
    wait_until(
        lambda: sessions.http.post(
            f"{sessions.urls[0]}/jobs", json=sessions.body(session)
        ).status_code == 409,
        10, "a close by kubectl is heard",
    )  # fmt: skip
    ends = [sessions.finish(job) for job in jobs]
    assert [end["phase"] for end in ends] == ["Completed"] * 2
    assert sessions.wait_for_state(session, "closed")["closedAt"] >= ends[-1]["finishedAt"]


def test_expired_session_cancels_what_is_queued(sessions):
    """At max_ttl, with no event; its running job goes on."""
    session = sessions.open(max_ttl=20)
    long = sessions.run(session, n=600, pause=0.1)
    queued = sessions.run(session)
    sessions.stand.wait_for(long, "Running")
    end = sessions.finish(queued, 60)
    assert (end["phase"], end["reason"]) == ("Cancelled", "SessionClosed")
    assert "20 s (max_ttl)" in end["message"]
    assert sessions.stand.phase(long) == "Running"
    status = sessions.wait_for_state(session, "closed", 10)
    assert status["closedAt"] == sessions.get(session)["closed_at"]
    sessions.stand.patch(long, cancelRequested=True)
    sessions.finish(long)


def test_order_outlasts_the_operator(sessions):
    """An operator that is killed in the middle of a session goes on with it in order."""
    session = sessions.open()
    jobs = [sessions.run(session, n=20) for _ in range(3)]
    sessions.stand.wait_for(jobs[0], "Running")
    operator = sessions.stand.parts["operator"]
    operator.kill()
    operator.start()
    ends = [sessions.finish(job, 180) for job in jobs]
    assert [end["phase"] for end in ends] == ["Completed"] * 3
    for one, two in itertools.pairwise(ends):
        assert one["finishedAt"] <= two["startedAt"]
    sessions.cancel(session)


def test_job_of_kubectl_in_no_session_fails(sessions):
    """Its reason says what is wrong with spec.sessionId."""
    name = f"lost-{int(time.time())}"
    sessions.stand.submit(name, "count", '{"n": 1}', sessionId="nobodys")
    end = sessions.finish(name)
    assert (end["phase"], end["reason"]) == ("Failed", "UnknownSession")
    assert "there is no session nobodys" in end["message"]
