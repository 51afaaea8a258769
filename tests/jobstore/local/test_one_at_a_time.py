"""Local jobs that wait for each other: none starts while the program of the one before it runs."""

import errno
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.jobstore.local import workers
from api.jobstore.local.store import RunnerLimits
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.session import Session, SessionSpec
from tests.jobstore.processes import is_alive, wait_until
from tests.jobstore.store_under_test import QUICK, StoreUnderTest, messages, open_local_store

pytestmark = pytest.mark.anyio

SESSION = Session(id="s", created=datetime.now(UTC), spec=SessionSpec(backend=DEFAULT_BACKEND))

KINDS = {
    "dedicated session": (RunnerLimits(workers=2, grace_seconds=2), "s"),
    "one job of an instance": (
        RunnerLimits(workers=2, grace_seconds=2, instance_running=1),
        "",
    ),
}
"""The reasons for which one of two workers stays idle, and the session of the jobs."""

STUBBORN = """
    import os, signal, time

    def main(backend, messenger):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        messenger.publish(os.getpid())
        messenger.publish("started")
        while True:
            print("on", flush=True)
            with open({log!r}, "a") as log:
                log.write("first ")
            time.sleep(0.05)
"""

NEXT = """
    def main(backend, messenger):
        with open({log!r}, "a") as log:
            log.write("second ")
"""


class Pair:
    """Two jobs of which one waits for the other, and the log that their programs write."""

    def __init__(self, jobs: StoreUnderTest, session_id: str, log: Path) -> None:
        self.jobs, self.session_id, self.log = jobs, session_id, log
        self.program = 0
        """The process of the first one."""

    async def submit(self, source: str) -> Job:
        """Submit one."""
        return await self.jobs.submit(source.format(log=str(self.log)), session_id=self.session_id)

    async def submit_first(self) -> Job:
        """Submit the first, and wait until its program ignores SIGTERM."""
        job = await self.submit(STUBBORN)
        await self.jobs.wait_for_message(job.id, '"started"')
        self.program = int(messages(await self.jobs.store.read_events(job.id))[0])
        return job

    async def finish_second(self, job: Job) -> list[str]:
        """Wait for the end of the second, and of the first one's program; returns the log."""
        await self.jobs.finish(job.id)
        await wait_until(lambda: not is_alive(self.program))
        return self.log.read_text().split()


@pytest.fixture(params=KINDS)
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """An open store of two workers, one of which the jobs of a pair may have at once."""
    limits, session_id = KINDS[request.param]
    find_session = {"s": SESSION}.get
    async with open_local_store(tmp_path, limits, find_session) as jobs:
        yield Pair(jobs, session_id, tmp_path / "log")


@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "submitted later"])
async def test_next_job_starts_when_a_discarded_one_has_ended(pair: Pair, waits: bool):
    """A discarded job is gone at once, but its program has its grace time."""
    first = await pair.submit_first()
    second = await pair.submit(NEXT) if waits else None
    await pair.jobs.store.discard(first.id)
    second = second or await pair.submit(NEXT)

    ran = await pair.finish_second(second)

    assert ran == ["first"] * (len(ran) - 1) + ["second"]


async def test_next_job_starts_when_one_without_a_record_has_ended(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
):
    """A job fails whose record can't be written; its program is ended before that is told."""
    first = await pair.submit_first()
    second = await pair.submit(NEXT)

    def refuse(*_: object) -> None:
        monkeypatch.undo()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(workers, "write_all", refuse)
    ran = await pair.finish_second(second)

    assert (await pair.jobs.store.get(first.id)).status.reason is Reason.RECORD_LOST
    assert ran == ["first"] * (len(ran) - 1) + ["second"]


async def test_next_job_starts_where_a_discarded_one_was_queued(pair: Pair):
    """Nobody but the discard itself tells that it will not run."""
    first = await pair.submit_first()
    gone, second = await pair.submit(QUICK), await pair.submit(QUICK)
    await pair.jobs.store.discard(gone.id)
    await pair.jobs.stop(first)

    assert (await pair.jobs.finish(second.id)).status.phase is Phase.COMPLETED
