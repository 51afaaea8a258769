"""Logs of pods that wait for a job: opened ahead, taken over once, and renewed."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from controller.record import ready_logs
from controller.record.pipeline import RecordPipeline
from controller.record.ready_logs import ReadyLogs
from qiskit_runtime.cluster.client import Unanswered
from tests.operator.test_record_pipeline import Writer

pytestmark = pytest.mark.anyio


class Kubelet:
    """Answers a request for a log with its first line; counts what is asked, open and closed."""

    def __init__(self):
        self.asked, self.closed = [], []
        self.lines = {}

    def log(self, pod):
        """The lines of a pod's log; an exception is what breaks it off."""
        return self.lines.setdefault(pod, asyncio.Queue())

    @asynccontextmanager
    async def open_log(self, pod):
        self.asked.append(pod)
        try:
            first = await self.log(pod).get()
            if isinstance(first, Exception):
                raise first
            yield self._read(first, pod)
        finally:
            self.closed.append(pod)

    async def _read(self, line, pod):
        while line:
            yield line
            line = await self.log(pod).get()

    async def has_pod(self, name):
        return True


@pytest.fixture
def kubelet():
    """A kubelet whose pods say what the test puts into their logs."""
    return Kubelet()


@pytest.fixture
def logs(kubelet):
    """The logs that are open ahead."""
    return ReadyLogs(kubelet.open_log, asyncio.create_task)


async def settle():
    """Let tasks begin."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_log_that_is_open_is_taken_over_and_closed_afterwards(kubelet, logs):
    """One request, though it began before the first line."""
    logs.keep(["a"])
    logs.keep(["a"])
    await settle()
    kubelet.log("a").put_nowait(b"1\n")
    async with logs.open("a") as log:
        kubelet.log("a").put_nowait(b"2\n")
        assert [await anext(log), await anext(log)] == [b"1\n", b"2\n"]
        assert (kubelet.asked, kubelet.closed) == (["a"], [])
    await settle()
    assert kubelet.closed == ["a"]


async def test_log_of_a_pod_that_was_just_claimed_stays_open(kubelet, logs):
    """The pool knows of a claim before the job's pipeline begins."""
    logs.keep(["a"])
    await settle()
    logs.keep([])
    kubelet.log("a").put_nowait(b"1\n")
    async with logs.open("a") as log:
        assert await anext(log) == b"1\n"
    assert kubelet.asked == ["a"]


async def test_log_that_nobody_takes_over_is_renewed_while_its_pod_waits(
    kubelet, logs, monkeypatch
):
    """A connection on which nothing came may have been dropped on the way."""
    logs.keep(["a", "b"])
    await settle()
    monkeypatch.setattr(ready_logs, "RENEW_SECONDS", 0)
    logs.keep(["a"])
    await settle()
    assert (kubelet.asked, kubelet.closed) == (["a", "b", "a"], ["a", "b"])


@pytest.mark.parametrize("error", [Unanswered("it is restarting"), RuntimeError("no thread")])
async def test_log_that_could_not_be_opened_is_opened_anew(kubelet, logs, error):
    """For the job, and by the pool's next look."""
    kubelet.log("a").put_nowait(error)
    logs.keep(["a"])
    await settle()
    logs.keep(["a"])
    await settle()
    assert kubelet.asked == ["a", "a"]
    kubelet.log("b").put_nowait(error)
    logs.keep(["b"])
    await settle()
    kubelet.log("b").put_nowait(b"1\n")
    async with logs.open("b") as log:
        assert await anext(log) == b"1\n"


async def test_pipeline_asks_again_for_a_log_that_breaks_off_before_its_first_line(kubelet, logs):
    """A job that has taken a silent connection over loses no line by its end."""
    logs.keep(["a"])
    await settle()
    pipeline = RecordPipeline(
        kubelet, logs.open, "a", Writer(), lambda: kubelet.closed, lambda: None
    )
    running = asyncio.create_task(pipeline.run())
    await settle()
    kubelet.log("a").put_nowait(Unanswered("it broke off"))
    for line in (b"printed\n", b""):
        kubelet.log("a").put_nowait(line)
    async with asyncio.timeout(5):
        await running
    assert pipeline.copy.lines == 1 and kubelet.asked == ["a", "a"]


async def test_pipeline_that_is_stopped_closes_the_log_it_waits_for(kubelet, logs):
    """A deleted job leaves no connection behind."""
    logs.keep(["a"])
    await settle()
    pipeline = RecordPipeline(kubelet, logs.open, "a", Writer(), lambda: False, lambda: None)
    running = asyncio.create_task(pipeline.run())
    await settle()
    await pipeline.close()
    await asyncio.wait([running])
    await settle()
    assert kubelet.closed == ["a"]
