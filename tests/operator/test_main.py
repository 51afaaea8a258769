"""The door: start, stop and probes, as kopf calls them."""

import asyncio
import importlib.util
import os
import signal
from pathlib import Path

import kopf
import pytest

from tests.operator.manifests import warm_pod_manifest, warm_run_manifest

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
    assert not settings.posting.enabled
    yield memo
    await door.stop(memo=memo)
    assert all(client.closed for client in memo.clients)


async def test_pool_is_told_of_by_the_probe(door, memo):
    """A pod that waits counts until a RuntimeJob has claimed its Job."""
    memo.view.put_job(warm_run_manifest())
    memo.view.pods.put(warm_pod_manifest())
    assert (await door.probe_pool(memo=memo))["ready"] == 1
    memo.view.put_job(warm_run_manifest(owner="u", resourceVersion="2"))
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


async def test_probe_fails_when_the_view_is_not_confirmed(door, memo):
    """An operator that sees nothing is restarted."""
    assert await door.probe(memo=memo) < 60
    memo.resync._good_at -= 200
    with pytest.raises(kopf.PermanentError, match="200 s"):
        await door.probe(memo=memo)


async def test_resync_waits_for_the_whole_view(memo, monkeypatch):
    """Until then nothing confirms the view: an operator that never has it fails its probe."""
    rounds = []

    async def run(_):
        rounds.append(1)

    monkeypatch.setattr(type(memo.resync), "run", run)
    await asyncio.sleep(0.01)
    assert rounds == []
    memo.watches.complete.set()
    await asyncio.sleep(0.01)
    assert rounds == [1]


async def test_operator_that_is_blind_ends(door, monkeypatch):
    """It is started again; a task that was cancelled is the stop itself."""
    signals = []
    monkeypatch.setattr(door.os, "kill", lambda pid, number: signals.append((pid, number)))

    async def fail():
        raise RuntimeError("boom")

    failed, stopped = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60))
    for task in (failed, stopped):
        task.add_done_callback(door._end_with)
    stopped.cancel()
    await asyncio.gather(failed, stopped, return_exceptions=True)
    await asyncio.sleep(0)
    assert signals == [(os.getpid(), signal.SIGTERM)]
