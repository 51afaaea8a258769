"""Damaged files of local mode, seen through the API: an error that names it, never a 500."""

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.runner_process import RunnerProcess
from api.main import create_app
from api.settings import ApiSettings

with warnings.catch_warnings():
    # Starlette's client is moving from one HTTP library to another.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BODY = {
    "programId": "hello-quantum",
    **dict.fromkeys(("hub", "group", "project", "backend"), "string"),
    "params": ['{"greeting": "hi"}'],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder, apart from the folder of jobs in it."""
    return tmp_path / "data"


@pytest.fixture
def open_client(data: Path) -> Iterator[Callable[[], TestClient]]:
    """Starts a server over the data folder; a second one after the first has stopped."""
    clients: list[TestClient] = []

    def start() -> TestClient:
        for old in clients:
            old.__exit__(None, None, None)
        clients.clear()
        settings = ApiSettings(data=data, workers=1, allowed_hosts=("testserver",))
        client = TestClient(create_app(settings), raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def _run(client: TestClient) -> str:
    job_id: str = client.post("/jobs", json=BODY).json()["id"]
    with client.websocket_connect(f"/stream/jobs/{job_id}") as websocket:
        # Until it closes: the job is final then.
        while websocket.receive()["type"] != "websocket.close":
            pass
    return job_id


def _lose_params(job: Path) -> None:
    (job / "params.json").unlink()


def _spoil_params(job: Path) -> None:
    (job / "params.json").write_bytes(b"\xff")


def _lose_record(job: Path) -> None:
    (job / "record").unlink()


def _spoil_record(job: Path) -> None:
    (job / "record").unlink()
    (job / "record").mkdir()


def _lose_all_but_the_job(job: Path) -> None:
    (job / "params.json").unlink()
    (job / "record").unlink()


@pytest.mark.parametrize(
    "damage", [_lose_params, _spoil_params, _lose_record, _spoil_record, _lose_all_but_the_job]
)
def test_damaged_job_is_listed_read_and_deleted(open_client, data, damage):
    """Whatever of a job's files is lost, it is there, breaks no list, and can be deleted."""
    job_id = _run(open_client())
    damage(data / "jobs" / job_id)
    client = open_client()

    listed = client.get("/jobs").json()["jobs"]
    answers = [client.get(f"/jobs/{job_id}{part}") for part in ("", "/logs", "/results")]
    deleted = client.delete(f"/jobs/{job_id}")

    assert [job["id"] for job in listed] == [job_id]
    assert all(answer.status_code < 500 for answer in answers)
    assert deleted.status_code == 204
    assert client.get("/jobs").json()["total"] == 0


def test_lost_params_are_shown_as_none(open_client, data):
    """A job whose parameters are lost says so by having none, and keeps its result."""
    client = open_client()
    job_id = _run(client)
    _lose_params(data / "jobs" / job_id)
    assert client.get(f"/jobs/{job_id}").json()["params"] == []
    assert "00 00" in client.get(f"/jobs/{job_id}/results").text


def test_half_deleted_job_is_gone_after_a_restart(open_client, data, monkeypatch):
    """A delete that was cut short after its first step leaves nothing that is listed."""
    client = open_client()
    job_id = _run(client)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    monkeypatch.undo()
    again = open_client()
    assert again.get(f"/jobs/{job_id}").status_code == 404
    assert not list((data / "jobs").iterdir())


def test_list_serves_others_between_its_jobs(open_client, monkeypatch):
    """While a list reads the parameters of one job after the other, a poll is answered."""
    client = open_client()
    ids = [_run(client) for _ in range(3)]
    read, answers = DataFolder.read_params, []

    def read_slowly(self: DataFolder, job_id: str) -> str:
        answers.append(("poll", client.get(f"/jobs/{ids[0]}/logs").status_code))
        return read(self, job_id)

    monkeypatch.setattr(DataFolder, "read_params", read_slowly)
    listed = client.get("/jobs").json()["jobs"]
    assert len(listed) == 3
    # Each poll was answered from within the reading of a job's parameters.
    assert answers == [("poll", 200)] * 3


def test_worker_that_fails_concludes_its_job_and_takes_the_next(open_client, monkeypatch):
    """An error that nobody foresaw ends its job with a reason; the worker goes on."""
    client = open_client()
    give_input = RunnerProcess.give_input

    async def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(RunnerProcess, "give_input", fail)
    broken = _run(client)
    monkeypatch.setattr(RunnerProcess, "give_input", give_input)
    good = _run(client)
    statuses = [client.get(f"/jobs/{job_id}").json()["status"] for job_id in (broken, good)]
    assert statuses == ["Failed", "Completed"]
