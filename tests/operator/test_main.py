"""The door: kopf's handlers bring the small kinds into the view, and enqueue names."""

import asyncio
import importlib.util
from pathlib import Path

import kopf
import pytest

from controller.workers import Workers
from tests.operator.manifests import (
    job_manifest,
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


async def test_pool_is_told_of_by_the_probe(door, memo):
    """A pod that waits counts until a RuntimeJob has claimed its Job."""
    memo.watches.put_job(warm_run_manifest())
    memo.watches.put_pod(warm_pod_manifest())
    assert (await door.probe_pool(memo=memo))["ready"] == 1
    memo.watches.put_job(warm_run_manifest(owner="u", resourceVersion="2"))
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


async def test_programs_and_backends_come_and_go(door, memo):
    """A job that starts finds those that are there."""
    metadata = {"name": "x", "uid": "x", "resourceVersion": "1"}
    body = {"metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}}
    for kind in ("ADDED", "DELETED"):
        await door.observe_program(event=event(kind), name="x", body=body, memo=memo)
        await door.observe_backend(event=event(kind), body=body, memo=memo)
        is_there = kind == "ADDED"
        assert (memo.view.programs.find("x") is not None) == is_there
        assert (memo.view.backends.find("x") is not None) == is_there
    assert memo.enqueued == ["x", "x"]


async def test_sessions_come_and_go(door, memo):
    """A session is looked at when it changes."""
    body = session_manifest()
    await door.observe_session(event=event("ADDED"), name="s", body=body, memo=memo)
    assert memo.view.sessions.find("s")
    await door.observe_session(event=event("DELETED"), name="s", body=body, memo=memo)
    assert memo.view.sessions.find("s") is None
    assert memo.enqueued == ["s", "s"]


async def test_first_steps_wait_for_the_view_and_unfinished_jobs_come_first(door, memo):
    """A step that knows half of the cluster would decide wrongly."""
    steps = []
    memo.jobs = Workers("runtimejob", lambda name: take(steps, name), None)
    memo.jobs.hold()
    for name, phase in (("ended", "Completed"), ("new", "Queued")):
        memo.view.put_runtimejob(job_manifest({"phase": phase}, name=name, uid=name))
        memo.jobs.enqueue(name)
    begun = asyncio.create_task(door._begin(memo))
    await asyncio.sleep(0.01)
    assert steps == [] and not begun.done()
    memo.watches.complete.set()
    await begun
    await asyncio.sleep(0.01)
    assert steps == ["new", "ended"]


async def take(steps, name):
    """A step of a worker: the last one of this object."""
    steps.append(name)


async def test_probe_fails_when_the_view_is_not_confirmed(door, memo):
    """An operator that sees nothing is restarted."""
    assert await door.probe(memo=memo) < 60
    memo.resync._good_at -= 200
    with pytest.raises(kopf.PermanentError, match="200 s"):
        await door.probe(memo=memo)
