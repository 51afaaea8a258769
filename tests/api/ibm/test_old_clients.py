"""The requests of the official clients up to 2023 in today's dialect, over a real server."""

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.api.conftest import Server, read_to_close, wait_until

OLD_CLIENT = {"X-Qx-Client-Application": "qiskit-version-2/qiskit_ibm_runtime-0.15.1"}
FINAL = ("Completed", "Failed", "Cancelled")


def run(server: Server, *steps, base="/experimental", **fields):
    """Post a job of the program 'steps'; return its id once it has ended."""
    body = {"program_id": "steps", "params": {"steps": list(steps)}, **fields}
    answer = server.http.post(f"{base}/jobs", json=body)
    assert answer.status_code == 200, answer.text
    job_id = answer.json()["id"]
    wait_until(lambda: server.http.get(f"{base}/jobs/{job_id}").json()["state"]["status"] in FINAL)
    return job_id


def listen(server, path):
    """Return all frames of a stream, and its close code."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    with connect(url, proxy=None, compression=None) as websocket:
        return read_to_close(websocket)


@pytest.mark.parametrize("base", ["/api/v1", "/experimental"])
def test_stream_begins_with_an_acknowledgement(server, base):
    """The first frame is one that those clients drop, and the others are the job's messages."""
    job_id = run(server, ["publish", {"at": 1}], ["final", [2]], base=base)
    frames, code = listen(server, f"{base}/stream/jobs/{job_id}")
    assert json.loads(frames[0]) == {"type": "acknowledgement", "job_id": job_id}
    assert [json.loads(frame) for frame in frames[1:]] == [{"at": 1}, [2]]
    assert code == 1000


def test_stream_at_the_root_has_no_acknowledgement(server):
    """The test server of 2021 had none, and its clients drop nothing."""
    job_id = run(server, ["publish", 1])
    assert server.frames(job_id) == ["1"]


def test_stream_of_an_unknown_job_is_refused(server):
    """The handshake is answered with 404, before anything is acknowledged."""
    with pytest.raises(InvalidStatus) as refused:
        listen(server, "/experimental/stream/jobs/no-such-job")
    assert refused.value.response.status_code == 404


def test_stream_asked_for_without_a_websocket_is_explained(server):
    """A browser's plain GET is told what the address is for."""
    answer = server.http.get(f"/experimental/stream/jobs/{run(server)}")
    assert answer.status_code == 426
    assert "websocket" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("steps", "interim"),
    [
        ([], []),
        ([["final", 1]], []),
        ([["publish", 1], ["publish", 'zwei, "3"'], ["final", 4]], [1, 'zwei, "3"']),
        ([["large", 10]], []),
        ([["count", 1000]], list(range(1, 1001))),
    ],
)
def test_interim_results_are_one_list(server, steps, interim):
    """All messages but the result are there, in order, as JSON."""
    answer = server.http.get(f"/experimental/jobs/{run(server, *steps)}/interim_results")
    assert answer.json() == interim


def test_interim_results_of_an_unknown_job(server):
    """It is not found, in the form of the dialect."""
    answer = server.http.get("/experimental/jobs/no-such-job/interim_results")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 1291)


def test_programs_are_those_of_the_root(server):
    """A program that is uploaded under one path is read, changed and deleted under the other."""
    upload = {"name": "old-one", "data": "ZGVmIG1haW4oYiwgbSk6IHJldHVybiAx", "cost": 60}
    made = server.http.post("/experimental/programs", json=upload, headers=OLD_CLIENT).json()["id"]
    listed = server.http.get("/experimental/programs", params={"limit": 1, "offset": 0}).json()
    assert len(listed["programs"]) == 1 < listed["count"]
    assert server.http.get(f"/programs/{made}").json()["max_execution_time"] == 60
    assert server.http.delete(f"/experimental/programs/{made}").status_code == 204
    gone = server.http.get(f"/experimental/programs/{made}")
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "Program not found")


def test_json_under_the_type_of_the_last_upload(server):
    """The client of 2023 goes on to send the type of a source; others are told that it is wrong."""
    body = json.dumps({"program_id": "steps", "params": {}})
    headers = {"Content-Type": "application/octet-stream"}
    taken = server.http.post("/experimental/jobs", content=body, headers=headers | OLD_CLIENT)
    refused = server.http.post("/experimental/jobs", content=body, headers=headers)
    assert (taken.status_code, refused.status_code) == (200, 415)


def test_time_limit_in_words_for_clients_that_know_no_codes(server):
    """A client that names no version of the API compares the reason with words."""
    job_id = run(server, ["sleep", 60], cost=1)
    path = f"/experimental/jobs/{job_id}"
    old = server.http.get(path, headers=OLD_CLIENT).json()["state"]
    newer = {"IBM-API-Version": "2024-01-01", **OLD_CLIENT}
    new = server.http.get(path, headers=newer).json()["state"]
    assert old == {"status": "Cancelled", "reason": "RAN TOO LONG"}
    assert new["reason_code"] == 1305
    assert server.http.get(path).json()["state"] == new
