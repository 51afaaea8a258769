"""The store of local mode: the jobs' book, their workers, and the data folder.

Everything a client reads is in memory or in a job's own files; the jobs' processes are the only
other thing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from itertools import islice

from cachetools import LRUCache

from api.jobstore.base import (
    JobExists,
    JobFinal,
    JobNotFound,
    JobPage,
    JobQuery,
    JobStore,
    ParamsLost,
)
from api.jobstore.live_record import LiveRecord
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import disk_errors_as_unavailable
from api.jobstore.local.job_book import JobBook
from api.jobstore.local.job_changes import CANCELLED, end_queued, request_cancel
from api.jobstore.local.job_input import InputMaker
from api.jobstore.local.records import Records
from api.jobstore.local.retention import KEEP_ALL, Bounds, Retention
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.session_turns import FindSession, SessionTurns
from api.jobstore.local.workers import Workers
from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.limits import MIB
from qiskit_runtime.contract.resources.backend import BackendSpec, find_backend
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobRequest, digest_params
from qiskit_runtime.contract.resources.resource import make_job_id
from qiskit_runtime.contract.wire.events import Event
from qiskit_runtime.host.process_tree import adopt_orphans

_PARAMS_MEMORY = 16 * MIB
"""The size of the cache of parameters: a list answers with those of 200 jobs."""

_KEPT_PARAMS_CHARACTERS = 1 << 14
"""The longest parameters that are kept there."""

_ENTRY_BYTES = 256
"""What one takes there, besides its characters."""

_READY_SECONDS = 1.0
"""How long it is believed that the disk takes a job, or does not."""


class LocalJobStore(JobStore):
    """Runs at most ``limits.workers`` jobs at once, first come first served."""

    def __init__(
        self,
        folder: DataFolder,
        catalog: Catalog,
        limits: RunnerLimits,
        find_backend: Callable[[str], BackendSpec] = find_backend,
        bounds: Bounds = KEEP_ALL,
        find_session: FindSession | None = None,
    ) -> None:
        self._folder, self._bounds = folder, bounds
        self._records = Records(folder)
        self._book = JobBook(folder, self._note_end)
        job_input = InputMaker(folder, catalog, find_backend, limits)
        self._turns = SessionTurns(self._book, find_session)
        self._workers = Workers(folder, self._book, self._records, job_input, limits, self._turns)
        self._retention = Retention(bounds, self._book, folder, self.delete)
        self._sequence = 0
        # Those of a job never change, and its number is never another's.
        self._params: LRUCache[int, str] = LRUCache(_PARAMS_MEMORY, _weigh)
        self._submitting = asyncio.Lock()
        self._ready_until, self._ready = 0.0, True

    @property
    def is_ready(self) -> bool:
        now = time.monotonic()
        if now >= self._ready_until:
            self._ready_until, self._ready = now + _READY_SECONDS, self._folder.takes_jobs()
        return self._ready

    async def open(self) -> None:
        self._folder.open()
        adopt_orphans()
        self._book.load()
        self._sequence = max((job.sequence for job in self._book.all()), default=0)
        await self._workers.open()
        self._retention.open()

    async def close(self) -> None:
        await self._retention.close()
        await self._workers.close()
        await self._book.close()
        self._folder.close()

    def _note_end(self, job_id: str) -> None:
        self._records.close(job_id)
        self._retention.look()
        if session_id := self._book.get(job_id).spec.session_id:
            self._workers.look_again(session_id)

    async def submit(self, request: JobRequest) -> Job:
        # One at a time, so that jobs are listed in the order of their numbers.
        async with self._submitting:
            if request.id is not None and request.id in self._book:
                return await self._find_same(request, request.id)
            if request.id is not None and self._workers.has(request.id):
                raise StoreUnavailable("the job of this id is just being deleted; try again")
            if self._book.queued >= self._bounds.max_queued:
                raise StorageFull(
                    f"{self._book.queued} jobs are queued, and at most {self._bounds.max_queued}"
                    " may be (--max-queued); try again when some have run"
                )
            self._sequence += 1
            job = Job(
                id=request.id or make_job_id(),
                sequence=self._sequence,
                created=request.admitted or datetime.now(UTC),
                spec=request.spec,
            )
            with disk_errors_as_unavailable():
                await self._book.add(job, request.params, request.source)
            self._workers.queue(job)
            return job

    async def _find_same(self, request: JobRequest, job_id: str) -> Job:
        with suppress(ParamsLost):
            params = await self.read_params(job_id)
            job = await self.get(job_id)
            if request.same_as(job.spec, digest_params(params)):
                return job
        raise JobExists(job_id)

    async def get(self, job_id: str) -> Job:
        return self._book.get(job_id)

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        found = query.choose(self._choose_jobs(query))
        if not query.oldest_first:
            found.reverse()
        return JobPage(found[offset : offset + limit], len(found))

    def _choose_jobs(self, query: JobQuery) -> Iterable[Job]:
        """Return jobs among which are all that match, the oldest first: few, where it may."""
        if query.session_id:
            return self._book.of_session(query.session_id)
        return self._book.all_pending() if query.pending else self._book.all()

    async def find_newest_ended(self, limit: int) -> list[Job]:
        ended = (job for job in self._book.newest_first() if job.is_final)
        return list(islice(ended, limit))

    def all_queued(self) -> Iterable[Job]:
        return self._book.all_queued()

    def stored_bytes(self, instances: frozenset[Instance] | None = None) -> int | None:
        return self._retention.stored_bytes(instances)

    async def read_params(self, job_id: str) -> str:
        job = await self.get(job_id)
        if (known := self._params.get(job.sequence)) is not None:
            return known
        try:
            params = await asyncio.to_thread(self._folder.read_params, job_id)
        except ParamsLost:
            # It may have been deleted meanwhile.
            await self._book.confirm(job_id)
            raise
        if len(params) <= _KEPT_PARAMS_CHARACTERS:
            self._params[job.sequence] = params
        return params

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        record = await self._find_record(job_id)
        async for event in record.follow():
            yield event

    @asynccontextmanager
    async def open_events(self, job_id: str) -> AsyncIterator[list[Event]]:
        # Others find it for as long as somebody has it.
        record = await self._find_record(job_id)
        yield list(record.events)

    async def _find_record(self, job_id: str) -> LiveRecord:
        if not (await self.get(job_id)).is_final:
            return self._records.open(job_id)
        record = await self._records.read(job_id)
        # It may have been deleted meanwhile, in the middle of the reading.
        await self._book.confirm(job_id)
        return record

    async def mark_result_read(self, job_id: str) -> bool:
        with disk_errors_as_unavailable():
            return await self._book.amend(job_id, _mark_read)

    async def set_tags(self, job_id: str, tags: tuple[str, ...]) -> None:
        with disk_errors_as_unavailable():
            await self._book.amend(job_id, lambda job: job.with_tags(tags))

    async def cancel(self, job_id: str) -> None:
        if (await self.get(job_id)).status.phase is Phase.QUEUED:
            await self._book.change(job_id, end_queued(CANCELLED))
        phase = (await self.get(job_id)).status.phase
        if phase in (Phase.COMPLETED, Phase.FAILED):
            raise JobFinal(phase)
        if phase is Phase.RUNNING:
            self._book.note_cancel(job_id)
            self._workers.terminate(job_id)
            with disk_errors_as_unavailable():
                await self._book.change(job_id, request_cancel)

    async def end_refused(self, session_id: str) -> None:
        """End the queued jobs of a session that are never to start, by its state now."""
        for job in self._book.pending_of_session(session_id):
            if job.status.phase is Phase.QUEUED and (end := self._turns.judge(job).end):
                await self._book.change(job.id, end_queued(end))

    async def delete(self, job_id: str) -> None:
        session_id = (await self.get(job_id)).spec.session_id
        with disk_errors_as_unavailable():
            await self._book.delete(job_id)
        self._records.forget(job_id)
        self._workers.look_again(session_id)

    async def discard(self, job_id: str) -> None:
        session_id = (await self.get(job_id)).spec.session_id
        with disk_errors_as_unavailable():
            await self._book.delete(job_id, unfinished=True)
        # Its worker finds no job any more, and stores nothing.
        self._workers.terminate(job_id)
        self._records.close(job_id, JobNotFound(job_id))
        self._records.forget(job_id)
        if not self._workers.has(job_id):
            # A worker looks itself, once the program has ended.
            self._workers.look_again(session_id)


def _mark_read(job: Job) -> Job | None:
    return None if job.result_read else job.model_copy(update={"result_read": True})


def _weigh(params: str) -> int:
    return len(params) + _ENTRY_BYTES
