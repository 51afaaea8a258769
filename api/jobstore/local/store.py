"""The store of local mode: a queue, as many workers as jobs may run at once, and the data folder.

Everything a client reads is in memory or in a job's own files; the jobs' processes are the only
other thing. Which phase a job is in, ``contract.lifecycle`` decides.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from api.jobstore.base import (
    JobExists,
    JobFinal,
    JobNotFinal,
    JobNotFound,
    JobPage,
    JobQuery,
    JobStore,
    ParamsLost,
    is_same_request,
)
from api.jobstore.live_record import LiveRecord
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import NotRunnable, broke_off, refusing, went_away
from api.jobstore.local.job_input import JobInput
from api.jobstore.local.records import Records
from api.jobstore.local.runner_process import RunnerLimits, RunnerProcess
from qiskit_runtime.catalog import Catalog
from qiskit_runtime.contract.backend import BackendSpec, find_backend
from qiskit_runtime.contract.job import Job, JobSpec
from qiskit_runtime.contract.lifecycle import Limits, Observation, Phase, Place, State, observe
from qiskit_runtime.contract.program import ProgramSource
from qiskit_runtime.contract.progress import Progress
from qiskit_runtime.contract.record import Event, RecordParser, newest_progress, verdict_at_end
from qiskit_runtime.contract.resource import make_job_id
from qiskit_runtime.contract.verdict import Verdict

_OVERTIME_SECONDS = 10.0
"""How long after its time limit, which its runner keeps, a job is ended from here."""

_RESTART_SECONDS = 1.0
"""How long to wait when the system can't start a process just now."""

_STOPPED = "the server was stopped while the job ran"

logger = logging.getLogger(__name__)


class LocalJobStore(JobStore):
    """Runs at most ``workers`` jobs at once, first come first served."""

    def __init__(
        self,
        folder: DataFolder,
        catalog: Catalog,
        limits: RunnerLimits,
        find_backend: Callable[[str], BackendSpec] = find_backend,
    ) -> None:
        self._folder = folder
        self._input = JobInput(folder, catalog, find_backend, limits)
        self._limits = limits
        # In the order of submission: a dict keeps it.
        self._jobs: dict[str, Job] = {}
        self._sequence = 0
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._running: dict[str, RunnerProcess] = {}
        self._records = Records(folder)
        self._closing = False

    async def open(self) -> None:
        self._folder.open()
        for job in sorted(self._folder.load_all(), key=lambda job: job.sequence):
            self._jobs[job.id] = job
            self._sequence = job.sequence
            if job.status.phase is Phase.RUNNING:
                self._conclude_interrupted(job)
            elif job.status.phase is Phase.QUEUED:
                self._queue.put_nowait(job.id)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._limits.workers)]

    async def close(self) -> None:
        self._closing = True
        for runner in self._running.values():
            runner.terminate()
        for _ in self._workers:
            self._queue.put_nowait(None)
        await asyncio.gather(*self._workers)
        self._folder.close()

    async def submit(
        self,
        spec: JobSpec,
        params: str,
        job_id: str | None = None,
        source: ProgramSource | None = None,
    ) -> Job:
        if job_id in self._jobs:
            return await self._find_same(job_id, spec, params)
        self._sequence += 1
        name = job_id or make_job_id()
        job = Job(id=name, sequence=self._sequence, created=datetime.now(UTC), spec=spec)
        with refusing():
            self._folder.create(job, params, source)
        self._jobs[job.id] = job
        self._queue.put_nowait(job.id)
        return job

    async def _find_same(self, job_id: str, spec: JobSpec, params: str) -> Job:
        with suppress(ParamsLost):
            same = is_same_request(self._jobs[job_id].spec, spec)
            if same and await self.read_params(job_id) == params:
                return await self.get(job_id)
        raise JobExists(job_id)

    async def get(self, job_id: str) -> Job:
        if job := self._jobs.get(job_id):
            return job
        raise JobNotFound(job_id)

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        found = [job for job in reversed(self._jobs.values()) if query.matches(job)]
        return JobPage(found[offset : offset + limit], len(found))

    async def read_params(self, job_id: str) -> str:
        await self.get(job_id)
        try:
            return await asyncio.to_thread(self._folder.read_params, job_id)
        except ParamsLost:
            # It may have been deleted meanwhile.
            await self.get(job_id)
            raise

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        record = await self._find_record(job_id)
        async for event in record.follow():
            yield event

    @asynccontextmanager
    async def open_events(self, job_id: str) -> AsyncIterator[list[Event]]:
        # Others find it for as long as somebody has it.
        record = await self._find_record(job_id)
        yield list(record.events)

    async def cancel(self, job_id: str) -> None:
        job = await self.get(job_id)
        match job.status.phase:
            case Phase.QUEUED:
                self._conclude(job_id, Observation(cancel_requested=True))
            case Phase.RUNNING:
                if runner := self._running.get(job_id):
                    runner.terminate()
                with refusing():
                    self._save(job.model_copy(update={"cancel_requested": True}))
            case Phase.COMPLETED | Phase.FAILED:
                raise JobFinal(job.status.phase)

    async def delete(self, job_id: str) -> None:
        if not (await self.get(job_id)).is_final:
            raise JobNotFinal(job_id)
        with refusing():
            self._folder.delete(job_id)
        del self._jobs[job_id]
        self._records.forget(job_id)

    # Workers: each has a runner ready, and gives it one job.

    async def _work(self) -> None:
        while runner := await self._start_runner():
            try:
                job = await self._next_job()
                if not runner.is_alive:
                    runner = await self._start_runner() or runner
                if job:
                    await self._run(job.id, runner)
            except Exception:
                # A worker must outlive whatever one job brings.
                logger.exception("a worker failed")
            finally:
                await runner.close()

    async def _start_runner(self) -> RunnerProcess | None:
        """A new runner, as soon as the system can start one; None when the store closes."""
        grace = self._limits.grace_seconds
        while not self._closing:
            try:
                return await RunnerProcess.start(grace, self._folder.scratch)
            except OSError as error:
                logger.warning("no runner could be started: %s", error)
                await asyncio.sleep(_RESTART_SECONDS)
        return None

    async def _next_job(self) -> Job | None:
        """Wait for the oldest job that is still queued; None when the store closes."""
        while (job_id := await self._queue.get()) and not self._closing:
            if (job := self._jobs.get(job_id)) and job.status.phase is Phase.QUEUED:
                return job
        return None

    async def _run(self, job_id: str, runner: RunnerProcess) -> None:
        """Run one job, unless it was cancelled, or the store closes, since it left the queue."""
        job = self._jobs.get(job_id)
        if self._closing or job is None or job.status.phase is not Phase.QUEUED:
            return
        try:
            handover = self._input.make_handover(job)
        except NotRunnable as error:
            self._set_state(job, went_away(error))
            return
        record = self._records.open(job_id)
        self._running[job_id] = runner
        limit = handover.max_execution_seconds + self._limits.grace_seconds + _OVERTIME_SECONDS
        overtime = asyncio.get_running_loop().call_later(limit, runner.terminate)
        try:
            self._set_state(job, observe(Observation(place=Place.RUNNING)))
            await runner.hand_over(handover)
            await self._keep_record(job_id, runner, record)
            exit_code = await runner.wait()
            place = Place.DISRUPTED if self._closing else Place.ENDED
            self._conclude(job_id, Observation(place=place, exit_code=exit_code))
        except Exception as error:
            # Whatever happened, the job has an end; the worker's log has the rest.
            if job := self._unfinished(job_id):
                self._set_state(job, broke_off(error))
            if not isinstance(error, OSError):
                raise
        finally:
            overtime.cancel()
            del self._running[job_id]

    async def _keep_record(self, job_id: str, runner: RunnerProcess, record: LiveRecord) -> None:
        """Write the record to its file and to its listeners; its last line makes the job final."""
        parser = RecordParser()
        with self._folder.record(job_id).open("wb", buffering=0) as file:
            async for data in runner.read_record():
                file.write(data)
                events = list(parser.feed(data))
                record.append(events)
                self._note_progress(job_id, newest_progress(events))
                if verdict := verdict_at_end(events):
                    self._conclude(job_id, Observation(verdict=verdict))

    def _unfinished(self, job_id: str) -> Job | None:
        """The job; None where it has ended, and may be deleted since."""
        job = self._jobs.get(job_id)
        return None if job is None or job.is_final else job

    def _conclude(self, job_id: str, seen: Observation) -> None:
        """Make a job final by what was seen, with what the store knows beside it."""
        if (job := self._unfinished(job_id)) is None:
            return
        seen = Observation(
            place=seen.place,
            verdict=seen.verdict,
            exit_code=seen.exit_code,
            cancel_requested=seen.cancel_requested or job.cancel_requested,
            detail=seen.detail or (_STOPPED if self._closing else ""),
            limits=Limits(job.spec.max_execution_seconds, memory_bytes=self._limits.memory_bytes),
        )
        self._set_state(job, observe(seen), seen.verdict)

    def _conclude_interrupted(self, job: Job) -> None:
        """A job that a server before this one ran: its record tells how it ended, if it did."""
        verdict = verdict_at_end(self._folder.read_events(job.id))
        self._conclude(job.id, Observation(Place.DISRUPTED, verdict, detail=_STOPPED))

    def _note_progress(self, job_id: str, progress: Progress | None) -> None:
        """Keep news of it in memory; the record has it, and the job's end writes it down."""
        if progress is not None and (job := self._unfinished(job_id)):
            self._jobs[job_id] = job.model_copy(
                update={"status": job.status.with_progress(progress)}
            )

    def _set_state(self, job: Job, state: State, verdict: Verdict | None = None) -> None:
        status = job.status.with_state(state)
        if verdict is not None:
            status = status.with_verdict(verdict)
        self._save(job.model_copy(update={"status": status}))
        if status.phase.is_final:
            self._records.close(job.id)

    def _save(self, job: Job) -> None:
        self._jobs[job.id] = job
        try:
            self._folder.save(job)
        except OSError as error:
            if not job.is_final:
                raise
            # The disk is full, say. Whoever waits for the job's end learns of it all the same.
            logger.warning("job %s is %s, but not on disk: %s", job.id, job.status.phase, error)

    async def _find_record(self, job_id: str) -> LiveRecord:
        if not (await self.get(job_id)).is_final:
            return self._records.open(job_id)
        record = await self._records.read(job_id)
        # It may have been deleted meanwhile, in the middle of the reading.
        await self.get(job_id)
        return record
