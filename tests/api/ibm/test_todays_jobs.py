"""Jobs in today's dialect, over a real server, request by request as the official client sends."""

import json
import time
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from api.routes.ibm.jobs import MAX_BODY_BYTES
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES
from tests.api.conftest import Server, wait_until

BASE = "/experimental"
DONE = ("Completed", "Failed", "Cancelled")


class Client:
    """Requests of a server in today's dialect."""

    def __init__(self, server: Server, base: str = BASE) -> None:
        self.http, self.base = server.http, base

    def post(self, program="steps", params=None, **fields):
        """POST /jobs; returns the answer."""
        body = {"program_id": program, "params": params or {}, **fields}
        return self.http.post(f"{self.base}/jobs", json=body)

    def run(self, *steps, **fields):
        """Post a job of the program 'steps'; returns its id."""
        answer = self.post(params={"steps": list(steps)}, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def get(self, path, expected=200, **query):
        """GET a path; returns the answer."""
        answer = self.http.get(f"{self.base}{path}", params=query)
        assert answer.status_code == expected, answer.text
        return answer

    def job(self, job_id):
        """GET /jobs/{id}, as it is polled."""
        return self.get(f"/jobs/{job_id}", exclude_params="true").json()

    def finish(self, job_id):
        """Return the job once it has ended."""
        wait_until(lambda: self.job(job_id)["state"]["status"] in DONE)
        return self.job(job_id)

    def listed(self, **query):
        """Return the ids of a list, and its count."""
        page = self.get("/jobs", **query).json()
        return [job["id"] for job in page["jobs"]], page["count"]


@pytest.fixture(scope="module")
def client(server):
    """A client of the common server."""
    return Client(server)


def test_both_prefixes_are_one_api(server, client):
    """A job that is posted under one prefix is seen under the other, and in the 2021 dialect."""
    other = Client(server, "/api/v1")
    job_id = other.run(["publish", 1])
    client.finish(job_id)

    assert client.job(job_id) == other.job(job_id)
    assert server.job(job_id)["status"] == "Completed"


def test_a_job_and_what_becomes_of_it(client):
    """The answers have what the client reads: id and backend, state, times, usage and result."""
    steps = [["print", "hello"], ["publish", {"at": 1}], ["final", [1, 2]]]
    answer = client.post(params={"steps": steps}, backend="aer_simulator", tags=["a", "b"], cost=60)
    assert answer.json() == {"id": answer.json()["id"], "backend": "aer_simulator"}
    job = client.finish(answer.json()["id"])

    assert job["state"] == {"status": "Completed"}
    assert (job["program"], job["backend"]) == ({"id": "steps"}, "aer_simulator")
    assert (job["tags"], job["cost"], job["private"]) == (["a", "b"], 60, False)
    assert "params" not in job
    created, ended = (datetime.fromisoformat(job[name]) for name in ("created", "ended"))
    assert timedelta(0) < ended - created < timedelta(seconds=30)
    assert job["usage"]["seconds"] == job["estimated_running_time_seconds"] > 0
    whole = client.get(f"/jobs/{job['id']}").json()
    assert whole == job | {"params": {"steps": steps}}


def test_results_and_logs_are_plain_text(client):
    """The result is the JSON text itself, and the log what was printed."""
    job_id = client.run(["print", "hällo"], ["publish", 7], ["final", {"text": "日本"}])
    client.finish(job_id)

    result, logs = client.get(f"/jobs/{job_id}/results"), client.get(f"/jobs/{job_id}/logs")

    assert json.loads(result.text) == {"text": "日本"}
    assert logs.text == "hällo\n"
    for answer in (result, logs):
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_failed_job_gives_its_traceback(client):
    """Its result is the error's text, from the traceback on, and its state has the reason."""
    job_id = client.run(["print", "before"], ["fail", "went wrong"])
    job = client.finish(job_id)

    text = client.get(f"/jobs/{job_id}/results").text

    assert job["state"]["status"] == "Failed"
    assert "went wrong" in job["state"]["reason"]
    assert text.startswith("Traceback (most recent call last)")
    assert "went wrong" in text.splitlines()[-1]
    assert "before" not in text


def test_a_job_over_its_cost_is_cancelled_with_ibms_code(client):
    """``cost`` shortens the limit, and the code is the one that the client knows."""
    job = client.finish(client.run(["sleep", 60], cost=1))

    assert job["state"]["status"] == "Cancelled"
    assert job["state"]["reason_code"] == 1305
    assert "1 s" in job["state"]["reason"]
    assert job["status"] == "Cancelled - Ran too long"


def test_a_job_without_a_result_has_an_empty_one(client):
    """A job that runs, or was cancelled, answers 204."""
    job_id = client.run(["print", "begun"], ["sleep", 60])
    wait_until(lambda: client.job(job_id)["state"]["status"] == "Running")
    assert client.get(f"/jobs/{job_id}/results", 204).content == b""

    assert client.http.post(f"{BASE}/jobs/{job_id}/cancel").status_code == 204
    client.finish(job_id)
    assert client.get(f"/jobs/{job_id}/results", 204).content == b""


def test_cancel_of_an_ended_job_is_a_conflict(client):
    """A job that has completed can't be cancelled."""
    job_id = client.run(["publish", 1])
    client.finish(job_id)
    assert client.http.post(f"{BASE}/jobs/{job_id}/cancel").status_code == 409


def test_delete_takes_a_job_in_any_phase(server, client):
    """Running, queued and ended jobs are gone at once, and their places are free."""
    running = [client.run(["sleep", 60]) for _ in range(2)]
    queued = client.run(["sleep", 60])
    wait_until(lambda: all(client.job(one)["state"]["status"] == "Running" for one in running))
    begun = time.monotonic()

    for job_id in (queued, *running):
        assert client.http.delete(f"{BASE}/jobs/{job_id}").status_code == 204
        for path in ("", "/results", "/logs", "/metrics"):
            client.get(f"/jobs/{job_id}{path}", 404)
        assert client.http.delete(f"{BASE}/jobs/{job_id}").status_code == 404

    assert time.monotonic() - begun < 30
    ended = client.run(["publish", 1])
    assert client.finish(ended)["state"]["status"] == "Completed"
    assert client.http.delete(f"{BASE}/jobs/{ended}").status_code == 204
    client.get(f"/jobs/{ended}", 404)


def test_tags_are_replaced(client):
    """Exactly 204, and the job has the new ones, in both its document and the list's filter."""
    job_id = client.run(["publish", 1], tags=["old"])
    client.finish(job_id)

    answer = client.http.put(f"{BASE}/jobs/{job_id}/tags", json={"tags": ["new", "neü"]})

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.job(job_id)["tags"] == ["new", "neü"]
    assert client.listed(tags=["new", "neü"]) == ([job_id], 1)


@pytest.mark.parametrize("tags", [None, "a", [1], ["a" * 129], ["a"] * 33, {"a": 1}])
def test_tags_that_are_none_are_refused_by_name(client, tags):
    """The answer names the field."""
    job_id = client.run(["publish", 1], tags=["kept"])
    answer = client.http.put(f"{BASE}/jobs/{job_id}/tags", json={"tags": tags})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("tags")
    assert client.job(job_id)["tags"] == ["kept"]
    client.finish(job_id)


def test_lists_are_filtered_and_counted(client):
    """Each filter of the client leaves out what does not match; the count is of all pages."""
    mark = f"filters-{time.time()}"
    ids = [client.run(["publish", number], tags=[mark]) for number in range(5)]
    jobs = [client.finish(job_id) for job_id in ids]

    def listed(**query):
        return client.listed(tags=[mark], exclude_params="true", **query)

    assert listed() == (ids[::-1], 5)
    assert listed(sort="ASC") == (ids, 5)
    assert listed(limit=2, offset=1) == (ids[::-1][1:3], 5)
    assert listed(pending="false") == (ids[::-1], 5)
    assert listed(pending="true") == ([], 0)
    assert listed(backend="aer_simulator", program="steps") == (ids[::-1], 5)
    assert listed(backend="nobodys") == listed(program="nobodys") == ([], 0)
    assert listed(session_id="nobodys") == ([], 0)
    middle = datetime.fromisoformat(jobs[2]["created"]).isoformat()
    assert middle.endswith("+00:00")
    assert listed(created_after=middle) == (ids[:1:-1], 3)
    assert listed(created_before=middle, sort="ASC") == (ids[:3], 3)
    assert client.listed(tags=[mark, "another"]) == ([], 0)


def test_a_list_has_parameters_unless_they_are_left_out(client):
    """Old clients read them there; today's leaves them out."""
    mark = f"params-{time.time()}"
    client.finish(client.run(["publish", 1], tags=[mark]))

    [with_params] = client.get("/jobs", tags=mark).json()["jobs"]
    [without] = client.get("/jobs", tags=mark, exclude_params="true").json()["jobs"]

    assert with_params == without | {"params": {"steps": [["publish", 1]]}}


def test_a_private_job_keeps_its_secrets(server, client):
    """Its parameters are served nowhere and its result once, in both dialects."""
    secret, result = "secret-in", "secret-out"
    job_id = client.run(["ignore", secret], ["final", result], private=True)
    assert client.finish(job_id)["private"] is True

    assert client.get(f"/jobs/{job_id}").json()["params"] == {}
    assert server.job(job_id)["params"] == []
    for listed in (client.get("/jobs").text, server.http.get("/jobs").text):
        assert secret not in listed
    assert result not in server.text(job_id, "logs")
    assert server.frames(job_id) == []
    assert client.get(f"/jobs/{job_id}/results").text == f'"{result}"'
    assert client.get(f"/jobs/{job_id}/results", 204).content == b""
    assert server.text(job_id, "results") == ""


def test_metrics_are_measured(client):
    """The times of the job's course, and the seconds that its program ran."""
    job_id = client.run(["sleep", 0.2], ["publish", 1])
    job = client.finish(job_id)

    metrics = client.get(f"/jobs/{job_id}/metrics").json()

    created, running, finished = (
        datetime.fromisoformat(metrics["timestamps"][name])
        for name in ("created", "running", "finished")
    )
    assert created <= running < finished
    seconds = (finished - running).total_seconds()
    assert seconds >= 0.2
    assert metrics["usage"] == {
        "status": "done",
        "qpu_charge_time_seconds": seconds,
        "quantum_seconds": seconds,
        "seconds": seconds,
    }
    assert metrics["bss"] == {"seconds": seconds}
    assert metrics["timestamps"]["finished"] == job["ended"]
    assert "qiskit_version" in metrics and "position_in_queue" not in metrics


def test_metrics_of_waiting_jobs_tell_their_place(client):
    """Jobs in the queue have a place and, as others have ended before, a time to begin."""
    client.finish(client.run(["publish", 1]))
    running = [client.run(["sleep", 60]) for _ in range(2)]
    queued = [client.run(["publish", 1]) for _ in range(3)]
    # As long as an estimate is shown.
    time.sleep(1.1)

    metrics = [client.get(f"/jobs/{job_id}/metrics").json() for job_id in queued]
    job = client.job(queued[0])

    assert [one["position_in_queue"] for one in metrics] == [1, 2, 3]
    starts = [one["estimated_start_time"] for one in metrics]
    assert starts == sorted(starts)
    assert all(one["usage"]["status"] == "pending" for one in metrics)
    assert job["estimated_start_time"] == starts[0]
    assert job["estimated_running_time_seconds"] > 0
    for job_id in (*queued, *running):
        client.http.delete(f"{BASE}/jobs/{job_id}")


def test_usage_adds_up_what_jobs_have_run(client):
    """The sum grows by the seconds of a job, and there is no limit to reach."""
    before = client.get("/instances/usage").json()
    job = client.finish(client.run(["sleep", 0.3]))
    after = client.get("/instances/usage").json()

    grown = after["usage_consumed_seconds"] - before["usage_consumed_seconds"]
    assert grown == pytest.approx(job["usage"]["seconds"], abs=0.01)
    assert after["usage_limit_reached"] is False
    assert after["instance_id"].startswith("crn:v1:")


def test_workloads_are_the_jobs(client):
    """They can be searched by tag and paged by cursors, there and back."""
    mark = f"workloads-{time.time()}"
    ids = [client.run(["publish", number], tags=[mark]) for number in range(3)]
    for job_id in ids:
        client.finish(job_id)

    first = client.get("/workloads", search=mark, limit=2, sort="createdAt").json()
    second = client.get(
        "/workloads", search=mark, limit=2, sort="createdAt", next=first["next"]
    ).json()

    assert [one["id"] for one in first["workloads"] + second["workloads"]] == ids
    assert first["total_count"] == 3 and "next" not in second
    assert second["previous"] == "0"
    behind = client.get("/workloads", search=mark, limit=2, next=999_999_999).json()
    assert behind == {"workloads": [], "total_count": 3, "previous": "1"}
    assert client.get("/workloads", search=mark, status="Failed").json()["workloads"] == []
    assert client.get("/workloads", mode="session").json()["total_count"] == 0


def test_a_repeated_request_with_a_key_makes_one_job(client):
    """Its answer is the first one's; another request with that key is refused."""
    key = {"Idempotency-Key": f"key-{time.time()}"}
    body = {"program_id": "steps", "params": {"steps": [["publish", 1]]}}
    first, again = (
        client.http.post(f"{BASE}/jobs", json=body, headers=key).json() for _ in range(2)
    )
    other = client.http.post(f"{BASE}/jobs", json=body | {"params": {}}, headers=key)
    assert first == again
    assert other.status_code == 409
    client.finish(first["id"])


@pytest.mark.timeout(120)
def test_seven_megabytes_of_parameters_work(client):
    """They are taken, reach the program, and come back as they were."""
    text = "x" * 7_000_000
    job_id = client.run(["ignore", text], ["final", "done"])
    job = client.finish(job_id)
    assert job["state"]["status"] == "Completed"
    params = client.get(f"/jobs/{job_id}").json()["params"]
    assert params["steps"][0] == ["ignore", text]


@pytest.mark.parametrize("megabytes", [9, 30, 100])
def test_a_body_over_the_limit_is_refused_with_the_limit(client, megabytes):
    """However large it is, the answer is 413 and names the limit, before a body's time is over."""
    begun = time.monotonic()
    answer = client.post(params={"steps": ["x" * megabytes * 2**20]})
    assert answer.status_code == 413
    assert str(MAX_BODY_BYTES) in answer.json()["error"]["message"]
    assert time.monotonic() - begun < 30


def test_parameters_just_over_the_limit_are_refused_with_both_numbers(client):
    """A body may have a few bytes more than the parameters, which have their own limit."""
    answer = client.post(params={"steps": "x" * MAX_PARAMS_BYTES})
    assert answer.status_code == 413
    message = answer.json()["error"]["message"]
    assert message.startswith("params") and str(MAX_PARAMS_BYTES) in message


def test_hostile_ids_are_not_found(client):
    """A path that is no job's id is answered as a job that is not there."""
    for job_id in ("%2e%2e%2fx", "a" * 300, "a b", "\x00", "*"):
        answer = client.http.get(f"{BASE}/jobs/{quote(job_id, safe='')}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] in (1291, 404)
