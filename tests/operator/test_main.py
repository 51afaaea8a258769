"""The door: kopf's handlers bring objects into the view, and enqueue names."""

import importlib.util
from pathlib import Path

import kopf
import pytest

from qiskit_runtime.contract.resources.resource import JOB_LABEL
from tests.operator.manifests import (
    RUN,
    job_manifest,
    pod_manifest,
    run_manifest,
    session_manifest,
    warm_pod_manifest,
    warm_run_manifest,
)

pytestmark = pytest.mark.anyio

DOOR = Path(__file__).parents[2] / "operator" / "main.py"


@pytest.fixture(scope="module")
def door():
    """The module as kopf loads it: from its file."""
    specification = importlib.util.spec_from_file_location("operator_main", DOOR)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class Client:
    """A connection that is never used."""

    closed = False

    async def close(self):
        self.closed = True


@pytest.fixture
async def memo(door, monkeypatch):
    """The memo that the handlers share, once the operator has started."""

    async def connect(*_):
        return Client()

    monkeypatch.setattr(door, "connect", connect)
    monkeypatch.setenv("RUNTIME_NAMESPACE", "jobs")
    monkeypatch.setenv("RUNTIME_RUNNER_IMAGE", "i:1")
    memo, settings = kopf.Memo(), kopf.OperatorSettings()
    await door.start(settings=settings, memo=memo)
    assert not settings.posting.enabled and settings.watching.server_timeout == 60
    memo.enqueued = []
    memo.jobs.enqueue = memo.programs.enqueue = memo.enqueued.append
    memo.sessions.enqueue = memo.enqueued.append
    yield memo
    await door.stop(memo=memo)
    assert all(client.closed for client in memo.clients)


def event(kind):
    """An event of a watch."""
    return {"type": kind, "object": {}}


async def test_objects_are_in_the_view_before_their_names_are_enqueued(door, memo):
    """The index functions fill the view; the handlers of events name a RuntimeJob."""
    job, run, pod = job_manifest(), run_manifest(), pod_manifest()
    await door.observe_job(body=job, memo=memo)
    await door.observe_kubernetes_job(body=run, memo=memo)
    await door.observe_pod(body=pod, memo=memo)
    found = memo.view.find_job("j")
    assert [one.name for one in memo.view.find_run(found)] == [RUN, "p"]
    labels, changed = {JOB_LABEL: "j"}, event("MODIFIED")
    await door.enqueue_job(event=event("ADDED"), name="j", body=job, memo=memo)
    await door.enqueue_job_of_kubernetes_job(event=changed, labels=labels, body=run, memo=memo)
    await door.enqueue_job_of_pod(event=changed, body=pod, memo=memo)
    assert memo.enqueued == ["j"] * 3


async def test_pods_that_wait_for_a_job_wake_the_pool(door, memo):
    """Until a RuntimeJob has claimed the Job, nobody else is looked at; then it is."""
    woken, changed = [], event("MODIFIED")
    memo.pool.wake = lambda: woken.append("pool")
    run, pod = warm_run_manifest(), warm_pod_manifest()
    await door.observe_kubernetes_job(body=run, memo=memo)
    await door.observe_pod(body=pod, memo=memo)
    labels = run["metadata"]["labels"]
    await door.enqueue_job_of_kubernetes_job(event=changed, labels=labels, body=run, memo=memo)
    await door.enqueue_job_of_pod(event=changed, body=pod, memo=memo)
    assert (woken, memo.enqueued) == (["pool"] * 2, [])
    assert (await door.probe_pool(memo=memo))["ready"] == 1
    claimed = warm_run_manifest(owner="u", resourceVersion="2")
    await door.observe_kubernetes_job(body=claimed, memo=memo)
    await door.enqueue_job_of_pod(event=changed, body=pod, memo=memo)
    assert memo.enqueued == ["j"]
    assert (await door.probe_pool(memo=memo))["ready"] == 0


async def test_probe_reports_the_pool_where_there_is_one(door, memo, monkeypatch):
    """The report is told in the background: a probe that waits for Redis would be a restart."""
    reports = []
    monkeypatch.setattr(memo.pool.workers, "spawn", lambda work: (reports.append(1), work.close()))
    await door.probe_pool(memo=memo)
    assert reports == []
    monkeypatch.setattr(type(memo.pool), "is_on", True)
    await door.probe_pool(memo=memo)
    assert reports == [1]


async def test_deleted_objects_leave_the_view(door, memo):
    """Their RuntimeJob is looked at once more."""
    job, run, pod = job_manifest(), run_manifest(), pod_manifest()
    await door.observe_job(body=job, memo=memo)
    await door.observe_kubernetes_job(body=run, memo=memo)
    await door.observe_pod(body=pod, memo=memo)
    gone, labels = event("DELETED"), {JOB_LABEL: "j"}
    await door.enqueue_job_of_pod(event=gone, body=pod, memo=memo)
    await door.enqueue_job_of_kubernetes_job(event=gone, labels=labels, body=run, memo=memo)
    assert memo.view.find_run(memo.view.find_job("j")) == (None, None)
    await door.enqueue_job(event=gone, name="j", body=job, memo=memo)
    assert memo.view.find_job("j") is None and memo.enqueued == ["j"] * 3


async def test_programs_and_backends_come_and_go(door, memo):
    """A job that starts finds those that are there."""
    metadata = {"name": "x", "uid": "x", "resourceVersion": "1"}
    body = {"metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    await door.observe_program(body=body, memo=memo)
    await door.observe_backend(body=body, memo=memo)
    assert memo.view.programs.find("x") and memo.view.backends.find("x")
    await door.enqueue_program(event=event("DELETED"), name="x", body=body, memo=memo)
    await door.drop_backend(event=event("DELETED"), body=body, memo=memo)
    assert memo.view.programs.find("x") is memo.view.backends.find("x") is None
    assert memo.enqueued == ["x"]


async def test_sessions_come_and_go(door, memo):
    """A session is looked at when it changes, and when a job of it does."""
    body = session_manifest()
    await door.observe_session(body=body, memo=memo)
    assert memo.view.sessions.find("s")
    await door.enqueue_session(event=event("ADDED"), name="s", body=body, memo=memo)
    job = job_manifest(spec={"sessionId": "s"})
    await door.enqueue_job(event=event("MODIFIED"), name="j", body=job, memo=memo)
    await door.enqueue_session(event=event("DELETED"), name="s", body=body, memo=memo)
    assert memo.view.sessions.find("s") is None
    assert memo.enqueued == ["s", "j", "s", "s"]


async def test_probe_fails_when_the_view_is_not_confirmed(door, memo):
    """An operator that sees nothing is restarted."""
    assert await door.probe(memo=memo) < 60
    memo.resync._good_at -= 200
    with pytest.raises(kopf.PermanentError, match="200 s"):
        await door.probe(memo=memo)
