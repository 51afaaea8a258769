"""The workers of local mode: each has a runner ready, and gives it one job.

Which state follows from what a worker sees, ``job_changes`` and ``contract.lifecycle`` decide.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from api.jobstore.live_record import LiveRecord
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import MISSING_ERRORS, state_for_failure, state_for_missing
from api.jobstore.local.instance_places import InstancePlaces
from api.jobstore.local.job_book import JobBook
from api.jobstore.local.job_changes import conclude, end_queued, put_back, set_state, start
from api.jobstore.local.job_input import InputMaker
from api.jobstore.local.records import Records
from api.jobstore.local.runner_process import RunnerLimits, RunnerProcess
from api.jobstore.local.runner_supply import RunnerSupply
from api.jobstore.local.session_turns import SessionTurns
from qiskit_runtime.contract.lifecycle import Observation, Phase, RunnerState
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.session import TurnKind
from qiskit_runtime.contract.wire.job_input import JobInput
from qiskit_runtime.contract.wire.record import RecordParser, newest_progress, verdict_at_end
from qiskit_runtime.contract.wire.verdict import EXIT_UNUSED
from qiskit_runtime.host.descriptors import write_all

_OVERTIME_SECONDS = 10.0
"""How long after its time limit, which its runner keeps, a job is ended from here."""

_RETRY_SECONDS = 1.0
"""How long a job stays queued that a full disk has no room for, before each other try."""

_UNUSED = (EXIT_UNUSED, -signal.SIGTERM)
"""The exit codes of a runner that was told to end before it had read its job, so that nothing ran.

The second is Python's own, before the runner has its handler."""

_STOPPED = "the server was stopped while the job ran"

_CLOSING = (0, "")
"""What wakes a worker that waits for a job when there will be none."""

logger = logging.getLogger(__name__)


class Workers:
    """Run at most ``limits.workers`` jobs at once, first come first served.

    A job of a session waits for its turn there as well (``turns``), and holds nobody up meanwhile.
    """

    def __init__(
        self,
        folder: DataFolder,
        book: JobBook,
        records: Records,
        job_input: InputMaker,
        limits: RunnerLimits,
        turns: SessionTurns,
    ) -> None:
        self._folder, self._book, self._records = folder, book, records
        self._input, self._limits, self._turns = job_input, limits, turns
        self._places = InstancePlaces(limits.instance_running)
        self._runners = RunnerSupply(limits, folder.scratch)
        self._queue: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
        self._tasks: list[asyncio.Task[None]] = []
        self._running: dict[str, RunnerProcess] = {}
        self._closing = False

    async def open(self) -> None:
        """Conclude what a server before this one ran, queue what waits, and begin."""
        for job in [*self._book.all()]:
            if job.status.phase is Phase.RUNNING:
                await self._conclude_interrupted(job)
            elif job.status.phase is Phase.QUEUED:
                self.queue(job)
        self._runners.open()
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._limits.workers)]

    async def close(self) -> None:
        """End the jobs that run, and wait for them."""
        self._closing = True
        for runner in self._running.values():
            runner.terminate()
        for _ in self._tasks:
            self._queue.put_nowait(_CLOSING)
        await self._runners.close()
        await asyncio.gather(*self._tasks)

    def queue(self, job: Job) -> None:
        """Have it run when its turn comes."""
        self._queue.put_nowait((job.sequence, job.id))

    def has(self, job_id: str) -> bool:
        """Return whether a runner is at it, also where the job was deleted meanwhile."""
        return job_id in self._running

    def look_again(self, session_id: str) -> None:
        """Queue the next job of a session that waits for its turn: one of them has ended."""
        if job := self._turns.take_next(session_id):
            self.queue(job)

    def terminate(self, job_id: str) -> None:
        """End its program, if it runs."""
        if runner := self._running.get(job_id):
            runner.terminate()

    async def _work(self) -> None:
        """Serve one job after the other, each with a runner that was started before it came."""
        runner = await self._runners.start()
        while runner:
            job = await self._next_job()
            usable = await self._runners.renew(runner)
            following = self._runners.start_next()
            if usable:
                await self._serve(job, usable)
            runner = await following

    async def _next_job(self) -> Job | None:
        """Wait for the oldest job that is still queued; None when the store closes."""
        while (entry := await self._queue.get()) != _CLOSING and not self._closing:
            sequence, job_id = entry
            job = self._book.find_queued(job_id, sequence)
            with self._outlive(job):
                if job and await self._may_start(job):
                    return job
            # Where many have to wait, as after a restart, requests are answered between them.
            await asyncio.sleep(0)
        return None

    async def _may_start(self, job: Job) -> bool:
        """Return whether a job may start. One that has to wait is parked, a refused one ends."""
        turn = self._turns.judge(job)
        if turn.kind is TurnKind.WAITS:
            self._turns.park(job)
        elif turn.end:
            await self._book.change(job.id, end_queued(turn.end))
        return turn.kind is TurnKind.COME and self._places.enter(job)

    @contextmanager
    def _outlive(self, job: Job | None) -> Iterator[None]:
        """Keep the worker, whatever a job brings; one that has not started yet is tried again."""
        try:
            yield
        except Exception:
            logger.exception("a worker failed")
            if job and self._book.find_queued(job.id, job.sequence):
                self._queue_again(job, "its worker failed")

    async def _serve(self, job: Job | None, runner: RunnerProcess) -> None:
        """Run a job, where there is one, and end its runner."""
        with self._outlive(job):
            try:
                if job:
                    await self._run(job, runner)
            finally:
                await runner.close()
        for waiting in self._places.leave(job) if job else ():
            self.queue(waiting)

    async def _run(self, job: Job, runner: RunnerProcess) -> None:
        """Run one job, unless it was cancelled, or the store closes, since it left the queue."""
        is_queued = self._book.find_queued(job.id, job.sequence) and not self.has(job.id)
        if self._closing or not is_queued:
            return
        with self._claim(job, runner):
            try:
                await self._start(job, runner)
            finally:
                if job.id not in self._book:
                    # It was deleted, and its record may have been opened since.
                    await asyncio.to_thread(self._folder.delete, job.id)

    @contextmanager
    def _claim(self, job: Job, runner: RunnerProcess) -> Iterator[None]:
        """Have a job be this runner's; meanwhile no other worker has it, and no new job its id."""
        self._running[job.id] = runner
        self._turns.enter(job)
        try:
            yield
        finally:
            del self._running[job.id]
            if following := self._turns.leave(job):
                self.queue(following)

    async def _start(self, job: Job, runner: RunnerProcess) -> None:
        """Give a runner the input of its job, once it is stored that the job runs."""
        try:
            job_input = await asyncio.to_thread(self._input.make_job_input, job)
        except MISSING_ERRORS as error:
            await self._book.change(job.id, end_queued(state_for_missing(error)))
            return
        record = self._records.open(job.id)
        if not await self._store_start(job):
            return
        if self._closing:
            # Its runner is ended already, and had nothing of it.
            await self._book.change(job.id, put_back(job))
        else:
            await self._run_started(job, job_input, runner, record)

    async def _store_start(self, job: Job) -> bool:
        """Return whether a job runs from now on, once that is stored; not where the store closes.

        Where the disk refuses that, the job is queued again, for later. Its runner gets no input
        then: what is not stored as running would run again after a restart. The same where there
        is no room for a new job: its record would be lost, and each of those behind it, one after
        the other.
        """
        if not await asyncio.to_thread(self._folder.takes_jobs):
            self._queue_again(job, "the disk has no room for its record")
            return False
        try:
            return await self._book.change(
                job.id, lambda found: None if self._closing else start(found)
            )
        except OSError as error:
            self._queue_again(job, f"its start can't be stored: {error}")
            return False

    def _queue_again(self, job: Job, why: str) -> None:
        logger.warning("job %s stays queued, %s", job.id, why)
        asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.queue, job)

    async def _run_started(
        self, job: Job, job_input: JobInput, runner: RunnerProcess, record: LiveRecord
    ) -> None:
        limit = job_input.max_execution_seconds + self._limits.grace_seconds + _OVERTIME_SECONDS
        overtime = asyncio.get_running_loop().call_later(limit, runner.end_overtime)
        try:
            await runner.give_input(job_input)
            await self._keep_record(job.id, runner, record)
            exit_code = await runner.wait()
            if self._closing and exit_code in _UNUSED:
                await self._book.change(job.id, put_back(job))
                return
            place = RunnerState.DISRUPTED if self._closing else RunnerState.ENDED
            await self._conclude(job.id, Observation(place, exit_code=exit_code), runner)
        except Exception as error:
            # Whatever happened, the job has an end; the worker's log has the rest. Those that wait
            # for it start when it is told, so its program ends before.
            await runner.close()
            await self._book.change(job.id, set_state(state_for_failure(error)))
            if not isinstance(error, OSError):
                raise
        finally:
            overtime.cancel()

    async def _keep_record(self, job_id: str, runner: RunnerProcess, record: LiveRecord) -> None:
        """Write the record to its file and to its listeners; its last line makes the job final."""
        parser = RecordParser()
        file = await asyncio.to_thread(self._folder.open_record, job_id)
        try:
            async for data in runner.read_record():
                write_all(file, data)
                events = list(parser.feed(data))
                verdict = verdict_at_end(events)
                if verdict:
                    await asyncio.to_thread(os.fsync, file)
                record.append(events)
                self._book.note_progress(job_id, newest_progress(events))
                if verdict:
                    await self._conclude(job_id, Observation(verdict=verdict), runner)
        finally:
            os.close(file)

    async def _conclude(
        self, job_id: str, observed: Observation, runner: RunnerProcess | None = None
    ) -> None:
        """Make a job final by an observation, completed with what this worker knows."""
        if runner and runner.is_overtime:
            observed = replace(observed, runner=RunnerState.OVER_TIME)
        if self._closing:
            observed = replace(observed, detail=_STOPPED)
        await self._book.change(job_id, conclude(observed, self._limits.memory_bytes))

    async def _conclude_interrupted(self, job: Job) -> None:
        """A job that a server before this one ran: its record tells how it ended, if it did."""
        events = await asyncio.to_thread(self._folder.read_events, job.id)
        verdict = verdict_at_end(events)
        await self._conclude(job.id, Observation(RunnerState.DISRUPTED, verdict, detail=_STOPPED))
