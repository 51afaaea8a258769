"""The record pipeline: a log that can't be read, and the progress that is read there."""

import asyncio
import math
from contextlib import asynccontextmanager, nullcontext

import pytest

from controller.record import pipeline as pipeline_module
from controller.record.copy import RecordCopy
from controller.record.pipeline import RecordPipeline
from qiskit_runtime.contract.wire.progress import Progress
from tests.operator.fake_cluster import read_pieces, refused

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tries again at once, and gives up soon."""
    monkeypatch.setattr(pipeline_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(pipeline_module, "LOST_SECONDS", 0.2)


class Cluster:
    """A kubelet that answers with these, one after the other, and the last one from then on."""

    def __init__(self, *answers, has_pod=True):
        self.answers, self.pod, self.asked = list(answers), has_pod, 0

    @asynccontextmanager
    async def open_log(self, pod):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield read_pieces([answer])

    async def has_pod(self, name):
        return self.pod


class Writer:
    """A Redis that knows nothing."""

    name = "bell"

    async def run(self, copy):
        await asyncio.Event().wait()

    def append(self, batch):
        pass

    async def read(self):
        return RecordCopy()

    async def drain(self):
        pass

    is_deleted = False

    async def delete(self):
        self.is_deleted = True


async def follow(cluster, *, has_ended=True):
    """A pipeline that has read all that there is."""
    pipeline = RecordPipeline(
        cluster, cluster.open_log, "pod", Writer(), lambda: has_ended, lambda: None
    )
    async with asyncio.timeout(5):
        await pipeline.run()
    return pipeline


async def test_fault_of_any_kind_is_one_more_reason_to_ask_again():
    """A pipeline that died would leave its job without an end for ever."""
    pipeline = await follow(Cluster(OSError(24, "Too many open files"), b"printed\n"))
    assert pipeline.copy.lines == 1 and pipeline.state.is_done


@pytest.mark.parametrize("status", [429, 500, 502])
async def test_log_that_is_refused_after_the_end_is_asked_for_again(status):
    """A single bad answer costs no result: the log is still there."""
    line = b"printed\n"
    pipeline = await follow(Cluster(refused(status), line))
    assert pipeline.copy.lines == 1


async def test_log_that_never_comes_is_given_up():
    """A node that stays away does not hold a job for ever."""
    cluster = Cluster(refused(502))
    pipeline = await follow(cluster)
    assert pipeline.state.is_done and cluster.asked > 2


async def test_missing_log_is_believed_when_the_pod_is_gone():
    """A log that goes with its pod will not come."""
    cluster = Cluster(refused(404), has_pod=False)
    assert (await follow(cluster, has_ended=False)).state.is_done
    assert cluster.asked == 1


async def test_missing_log_of_a_pod_that_is_there_is_asked_for_again():
    """A kubelet that starts again says for a while that it has no such log."""
    cluster = Cluster(refused(404), refused(404), b"printed\n")
    pipeline = await follow(cluster)
    assert pipeline.copy.lines == 1 and cluster.asked == 3


class Lines:
    """A log whose lines come one by one, each when it is asked for."""

    def __init__(self):
        self.lines = asyncio.Queue()

    def open_log(self, pod):
        return nullcontext(self._read())

    async def _read(self):
        while line := await self.lines.get():
            yield line
            self.lines.task_done()

    async def has_pod(self, name):
        return True


@pytest.fixture
def clock(monkeypatch):
    """The pipeline's clock, which stands until a test moves it."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(pipeline_module, "time", clock)
    return clock


@pytest.fixture
async def log():
    """A log, its pipeline, and how often that has asked for a write."""
    log = Lines()
    log.notices = []
    log.pipeline = RecordPipeline(
        log,
        log.open_log,
        "pod",
        Writer(),
        lambda: False,
        lambda: log.notices.append(log.pipeline.copy.progress),
    )
    running = asyncio.create_task(log.pipeline.run())

    async def tell(*lines):
        for line in lines:
            log.lines.put_nowait(line)
        # The pipeline asks for a line when it is done with the one before.
        async with asyncio.timeout(5):
            await log.lines.join()

    log.tell = tell
    yield log
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def take(log):
    """The progress that is due, which is then written."""
    if progress := log.pipeline.state.progress:
        log.pipeline.note_written_progress(progress)
    return progress


def reported(done):
    """The line of a report."""
    return b"\x1ep %s\n" % Progress(done, 9).to_json().encode()


async def test_without_news_there_is_no_write(clock, log):
    """A log without reports, or with the same one again, asks for nothing."""
    await log.tell(b"printed\n")
    assert take(log) is None and log.notices == []
    await log.tell(reported(1))
    assert log.notices == [Progress(1, 9)]
    assert take(log) == Progress(1, 9)
    clock.now += 100
    await log.tell(reported(1), b"printed\n")
    assert take(log) is None and len(log.notices) == 1


async def test_progress_is_taken_no_more_than_every_ten_seconds(clock, log):
    """The first report at once, then the newest when its time has come."""
    await log.tell(reported(1))
    assert take(log) == Progress(1, 9)
    await log.tell(reported(2), reported(3))
    clock.now += pipeline_module.PROGRESS_SECONDS - 0.01
    assert take(log) is None and len(log.notices) == 1
    clock.now += 0.02
    await log.tell(b"printed\n")
    assert log.notices[1:] == [Progress(3, 9)]
    assert take(log) == Progress(3, 9)
    assert take(log) is None


async def test_report_before_a_silence_is_taken_when_its_time_has_come(clock, log):
    """The next look at the job finds the news, also where no line has come since."""
    await log.tell(reported(1))
    assert take(log) == Progress(1, 9)
    await log.tell(reported(2))
    clock.now += pipeline_module.PROGRESS_SECONDS
    assert take(log) == Progress(2, 9)


async def test_report_during_a_write_is_written_next(clock, log):
    """The progress that was written counts, not the one that has come since."""
    await log.tell(reported(1))
    written = log.pipeline.state.progress
    await log.tell(reported(2))
    log.pipeline.note_written_progress(written)
    clock.now += pipeline_module.PROGRESS_SECONDS
    assert take(log) == Progress(2, 9)


async def test_last_progress_is_in_the_copy_for_the_end(log):
    """The final status has the newest progress, however often it was written."""
    await log.tell(reported(1))
    take(log)
    await log.tell(reported(2), reported(math.pi))
    assert log.pipeline.copy.progress == Progress(math.pi, 9)


async def test_log_of_an_ended_container_is_given_a_moment(log, monkeypatch):
    """A log that does not come to its end is then taken as it is."""
    monkeypatch.setattr(pipeline_module, "ENDED_PATIENCE_SECONDS", 0.05)
    await log.tell(b"printed\n")
    log.pipeline._has_ended = lambda: True
    async with asyncio.timeout(5):
        while not log.pipeline.state.is_done:
            log.pipeline.expect_end()
            await asyncio.sleep(0.01)
    assert log.pipeline.copy.lines == 1


async def test_pipeline_of_a_deleted_job_is_closed(log):
    """Nothing is read any more, and the stream is removed."""
    await log.tell(b"printed\n")
    await log.pipeline.close()
    await asyncio.sleep(0)
    assert log.pipeline._reading.cancelling() and log.pipeline.stream.is_deleted
