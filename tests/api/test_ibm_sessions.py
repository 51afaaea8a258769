"""Sessions in today's dialect, over a real local server: routes, order, closing, cancelling."""

import itertools
import json
import time

import pytest

from tests.api.conftest import run_server, wait_until

BASE = "/experimental"
FIELDS = {
    "id", "backend_name", "mode", "state", "accepting_jobs", "max_ttl", "interactive_ttl",
    "active_ttl", "started_at", "activated_at", "closed_at", "last_job_started",
    "last_job_completed", "elapsed_time", "timestamps",
}  # fmt: skip
LIMIT = 5
"""The seconds of a session that is to expire: its first jobs must be posted within them."""


class Client:
    """The calls of a client of this dialect."""

    def __init__(self, server):
        self.http = server.http

    def open(self, **fields):
        """Open a session; returns its document."""
        body = {"mode": "dedicated", "backend": "aer_montreal"} | fields
        answer = self.http.post(f"{BASE}/sessions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, session):
        """The session's document."""
        answer = self.http.get(f"{BASE}/sessions/{session['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, session, *steps, **fields):
        """Post a job of the program 'steps' to the session."""
        body = {"program_id": "steps", "backend": "aer_montreal", "params": {"steps": steps}}
        named = {"session_id": session["id"]} if session else {}
        return self.http.post(f"{BASE}/jobs", json=body | named | fields)

    def run(self, session, *steps, **fields):
        """Post a job that is good; returns its id."""
        answer = self.post(session, *steps, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def close(self, session):
        """PATCH accepting_jobs."""
        path = f"{BASE}/sessions/{session['id']}"
        assert self.http.patch(path, json={"accepting_jobs": False}).status_code == 204

    def cancel(self, session):
        """DELETE /close."""
        answer = self.http.delete(f"{BASE}/sessions/{session['id']}/close")
        assert answer.status_code == 204, answer.text

    def job(self, job_id):
        """The job's document."""
        return self.http.get(f"{BASE}/jobs/{job_id}").json()

    def phase(self, job_id):
        """The job's phase."""
        return self.job(job_id)["state"]["status"]

    def wait(self, job_id, *phases):
        """Wait until the job is in one of these phases."""
        ends = phases or ("Completed", "Failed", "Cancelled")
        wait_until(lambda: self.phase(job_id) in ends)
        return self.job(job_id)

    def times(self, job_id):
        """The start and the end of a job, as the 2021 dialect tells them."""
        job = self.http.get(f"/jobs/{job_id}").json()
        return job["started"], job["finished"]


@pytest.fixture
def client(server):
    """A client of the server."""
    return Client(server)


def test_session_has_every_field_that_the_client_reads(client):
    """A new one is open, and accepts jobs."""
    made = client.open(max_ttl=600, instance="crn:v1:any")
    assert set(made) == FIELDS and client.get(made) == made
    assert (made["state"], made["accepting_jobs"], made["mode"]) == ("open", True, "dedicated")
    assert (made["backend_name"], made["max_ttl"], made["active_ttl"]) == ("aer_montreal", 600, 600)
    assert (made["activated_at"], made["closed_at"], made["elapsed_time"]) == (None, None, 0.0)
    assert made["timestamps"] == [{"status": "open", "timestamp": made["started_at"]}]
    client.cancel(made)


BAD = {
    "no backend": ({"backend": None}, "backend"),
    "unknown backend": ({"backend": "nobodys"}, "backend: no backend is named 'nobodys'"),
    "unknown mode": ({"mode": "quick"}, "mode"),
    "no time": ({"max_ttl": 0}, "max_ttl: Input should be greater than or equal to 1"),
    "too long": ({"max_ttl": 604_801}, "max_ttl: Input should be less than or equal to 604800"),
    "time as a text": ({"max_ttl": "8h"}, "max_ttl"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_session_is_refused_with_field_and_limit(client, case):
    """A 400 whose text names what is wrong."""
    fields, words = BAD[case]
    body = {"mode": "dedicated", "backend": "aer_montreal"} | fields
    answer = client.http.post(f"{BASE}/sessions", json=body)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]


def test_unknown_session_is_404(client):
    """Reading, closing and cancelling; a job that names it is a 400, as 404 means the program."""
    path = f"{BASE}/sessions/nobodys"
    answers = (
        client.http.get(path),
        client.http.patch(path, json={"accepting_jobs": False}),
        client.http.delete(f"{path}/close"),
    )
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json()["error"]["message"] == "Session not found: nobodys"
    refused = client.post({"id": "nobodys"})
    assert refused.status_code == 400
    assert "session_id: there is no session nobodys" in refused.json()["error"]["message"]


def test_closed_session_is_not_opened_again(client):
    """Only false is taken, and no job afterwards."""
    made = client.open()
    path = f"{BASE}/sessions/{made['id']}"
    answer = client.http.patch(path, json={"accepting_jobs": True})
    assert answer.status_code == 400 and "accepting_jobs" in answer.json()["error"]["message"]
    client.close(made)
    refused = client.post(made)
    assert refused.status_code == 409
    assert refused.json()["error"]["message"].startswith("The session is closed")
    found = client.get(made)
    assert (found["state"], found["accepting_jobs"]) == ("closed", False)
    assert [one["status"] for one in found["timestamps"]] == ["open", "closed"]


def test_job_for_another_backend_is_refused(client):
    """The text has both backends."""
    made = client.open()
    refused = client.post(made, backend="aer_simulator")
    assert refused.status_code == 400
    words = f"backend: session {made['id']} is on aer_montreal, the job is for aer_simulator"
    assert words in refused.json()["error"]["message"]
    client.cancel(made)


def test_job_without_a_backend_runs_on_its_sessions(client):
    """The answer, the job and its document name it; outside of a session it is the default."""
    made = client.open()
    for unnamed in (None, ""):
        answer = client.post(made, ["sleep", 0], backend=unnamed)
        assert answer.status_code == 200, answer.text
        assert answer.json()["backend"] == "aer_montreal"
        assert client.wait(answer.json()["id"])["backend"] == "aer_montreal"
    alone = client.post(None, ["sleep", 0], backend=None)
    assert alone.json()["backend"] == "aer_simulator"
    client.wait(alone.json()["id"])
    client.cancel(made)


def test_dedicated_jobs_run_one_after_the_other(client):
    """In order, though there are two workers, and whatever the end of each is."""
    made = client.open()
    jobs = [
        client.run(made, ["fail", "on purpose"] if n == 1 else ["sleep", 0.1]) for n in range(5)
    ]
    alone = client.run(None, ["sleep", 0])
    client.wait(alone)
    assert client.phase(jobs[-1]) == "Queued"
    for job in jobs:
        client.wait(job)
    times = [client.times(job) for job in jobs]
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    found = client.get(made)
    assert found["state"] == "active" and found["accepting_jobs"]
    assert found["elapsed_time"] >= 0.4 and found["last_job_completed"] > found["activated_at"]
    client.close(made)
    assert client.get(made)["state"] == "closed"


def test_batch_jobs_run_beside_each_other(client, gate):
    """Both workers have one: the first waits for what the second does."""
    made = client.open(mode="batch")
    first = client.run(made, ["wait", str(gate)])
    second = client.run(made, ["sleep", 0])
    client.wait(second)
    assert client.phase(first) == "Running"
    gate.touch()
    client.wait(first)
    found = client.get(made)
    assert found["mode"] == "batch"
    client.close(made)


def test_closing_lets_the_accepted_jobs_run(client, gate):
    """A running and a queued job complete; then the session is closed."""
    made = client.open()
    first, second = client.run(made, ["wait", str(gate)]), client.run(made)
    client.wait(first, "Running")
    client.close(made)
    found = client.get(made)
    assert (found["state"], found["accepting_jobs"]) == ("active", False)
    gate.touch()
    assert client.wait(second)["state"]["status"] == "Completed"
    assert client.get(made)["state"] == "closed"
    assert client.get(made)["closed_at"] == client.get(made)["last_job_completed"]


def test_cancelling_ends_queued_jobs_and_no_running_one(client, gate):
    """The queued ones say why; the session is closed at once."""
    made = client.open()
    first, second = client.run(made, ["wait", str(gate)]), client.run(made)
    client.wait(first, "Running")
    client.cancel(made)
    assert client.get(made)["state"] == "closed"
    ended = client.wait(second)["state"]
    assert (ended["status"], client.phase(first)) == ("Cancelled", "Running")
    assert "its session was cancelled" in json.dumps(ended)
    gate.touch()
    assert client.wait(first)["state"]["status"] == "Completed"


def test_expired_session_cancels_what_is_queued(client, gate):
    """At max_ttl, while its running job goes on."""
    made = client.open(max_ttl=LIMIT)
    first, second = client.run(made, ["wait", str(gate)]), client.run(made)
    client.wait(first, "Running")
    ended = client.wait(second)["state"]
    assert ended["status"] == "Cancelled" and f"{LIMIT} s (max_ttl)" in json.dumps(ended)
    assert client.get(made)["state"] == "closed" and client.phase(first) == "Running"
    assert client.post(made).status_code == 409
    gate.touch()
    client.wait(first)


def test_deleted_job_makes_way_for_the_next(client, gate):
    """A queued job that is deleted is none that others wait for."""
    made = client.open()
    jobs = [client.run(made, ["wait", str(gate)]), client.run(made), client.run(made)]
    client.wait(jobs[0], "Running")
    assert client.http.delete(f"{BASE}/jobs/{jobs[1]}").status_code == 204
    gate.touch()
    assert client.wait(jobs[2])["state"]["status"] == "Completed"
    client.cancel(made)


def test_first_job_of_an_old_client_opens_the_session(client):
    """start_session: the session has the job's id, and takes the next jobs."""
    first = client.run(None, ["sleep", 0], start_session=True, session_time=300)
    found = client.get({"id": first})
    assert (found["max_ttl"], found["accepting_jobs"]) == (300, True)
    assert client.job(first)["session_id"] == first
    second = client.run({"id": first}, ["sleep", 0])
    assert client.wait(second)["state"]["status"] == "Completed"
    listed = client.http.get(f"{BASE}/jobs", params={"session_id": first}).json()
    assert {one["id"] for one in listed["jobs"]} == {first, second}
    client.cancel({"id": first})
    assert client.post({"id": first}).status_code == 409


def test_order_and_limits_outlast_a_restart(tmp_path):
    """Queued jobs of a session run in order afterwards; one that expired meanwhile is closed."""
    with run_server(tmp_path / "a") as server:
        client = Client(server)
        kept, short = client.open(), client.open(max_ttl=LIMIT)
        running = client.run(kept, ["sleep", 60])
        client.wait(running, "Running")
        queued = [client.run(kept, ["sleep", 0.05]) for _ in range(3)]
        blocker = client.run(short, ["sleep", 60])
        expired = client.run(short)
        client.wait(blocker, "Running")
        server.process.kill()
        server.process.wait()
    time.sleep(LIMIT)
    data = str(tmp_path / "a" / "data")
    with run_server(tmp_path / "b", RUNTIME_DATA=data) as server:
        client = Client(server)
        assert client.wait(expired)["state"]["status"] == "Cancelled"
        for job in queued:
            assert client.wait(job)["state"]["status"] == "Completed"
        times = [client.times(job) for job in queued]
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(times))
        assert client.get(kept)["state"] == "active" and client.get(short)["state"] == "closed"
