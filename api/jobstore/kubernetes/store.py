"""The store of Kubernetes mode: a job is a RuntimeJob, which the operator runs.

Polls are answered from memory; changes, and reads of data that was never read before, ask the
Kubernetes API. ``watched_kind`` keeps the memory as new as the newest write.
"""

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes.aio import client

from api.jobstore.base import (
    JobExists,
    JobFinal,
    JobNotFinal,
    JobNotFound,
    JobPage,
    JobQuery,
    JobStore,
    ParamsLost,
)
from api.jobstore.kubernetes.job_params import JobParams
from api.jobstore.kubernetes.job_secrets import JobSecrets
from api.jobstore.kubernetes.live_streams import LiveStreams
from api.jobstore.kubernetes.record_reader import RecordReaders, RecordSources
from api.jobstore.kubernetes.room import Room
from api.jobstore.kubernetes.slim_job import PENDING, name_group, parse_slim
from api.resources.watched_kind import WatchedKind
from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import Conflict
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobRequest
from qiskit_runtime.contract.resources.resource import RESULT_READ, make_job_id
from qiskit_runtime.contract.resources.runtimejob import (
    PLURAL,
    Manifest,
    RuntimeJob,
    build_runtimejob,
    parse_runtimejob,
)
from qiskit_runtime.contract.resources.stored_params import ParamsFrom, ProgramFrom
from qiskit_runtime.contract.resources.stored_totals import StoredTotals
from qiskit_runtime.contract.wire.events import Event
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Addresses and bounds of the store."""

    namespace: str
    redis_url: str
    room: Room


class KubernetesJobStore(JobStore):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(
        self, settings: ClusterSettings, connect: Callable[[], Awaitable[client.ApiClient]]
    ) -> None:
        self._settings = settings
        self._tasks: set[asyncio.Task[None]] = set()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._totals = StoredTotals()
        self._cache = ResourceCache(parse_slim, group_of=name_group, swapped=self._totals.swap)
        self._kind = WatchedKind(
            settings.namespace, PLURAL, self._cache, settings.redis_url, connect
        )

    @property
    def is_ready(self) -> bool:
        return self._kind.is_ready

    async def open(self) -> None:
        secrets = JobSecrets(await self._kind.open(), self._settings.namespace)
        self._params = JobParams(secrets)
        self._streams = LiveStreams(self._settings.redis_url)
        self._readers = RecordReaders(RecordSources(self._kind, secrets, self._streams))
        self._streams.open()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._kind.close()
        await self._streams.close()

    async def submit(self, request: JobRequest) -> Job:
        encoded, source = request.params.encode(), request.source
        if request.id is None or self._cache.find(request.id) is None:
            size = len(encoded) + (len(source.data) if source else 0)
            self._settings.room.check(self._totals, request.spec.instance, size)
        name = request.id or make_job_id()
        created = request.admitted or self._now()
        job = Job(id=name, sequence=0, created=created, spec=request.spec)
        params = ParamsFrom.from_bytes(f"{name}-params", encoded)
        program = ProgramFrom.from_source(params.secret_name, source) if source else None
        found = await self._create(request, job, params, program)
        try:
            if found.program == program:
                await self._params.write(found, request.params, source)
        except (StoreUnavailable, StorageFull):
            if request.id is None:
                # Nobody will know it. Where this fails too, the operator ends it: no input came.
                self._keep(self._withdraw(found))
            raise
        return found.job

    async def get(self, job_id: str) -> Job:
        return (await self._find(job_id)).job

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        await self._kind.catch_up()
        chosen = self._cache.group(PENDING) if query.pending else self._cache.all()
        matching = query.choose(found.job for found in chosen)
        matching.sort(key=_age, reverse=not query.oldest_first)
        return JobPage(matching[offset : offset + limit], len(matching))

    async def find_newest_ended(self, limit: int) -> list[Job]:
        ended = (found.job for found in self._cache.all() if found.job.is_final)
        return heapq.nlargest(limit, ended, key=_age)

    def all_queued(self) -> Iterable[Job]:
        pending = (found.job for found in self._cache.group(PENDING))
        return (job for job in pending if job.status.phase is Phase.QUEUED)

    def stored_bytes(self, instances: frozenset[Instance] | None = None) -> int | None:
        if instances is None:
            return self._totals.count_bytes()
        return sum(map(self._totals.count_bytes, instances))

    async def find_warm_pods(self) -> PoolNumbers | None:
        return await self._streams.read_pool(self._settings.namespace)

    async def read_params(self, job_id: str) -> str:
        # They never change: a job in memory is new enough, however old.
        found = self._cache.find(job_id) or await self._refresh(job_id)
        try:
            return await self._params.read(found)
        except ParamsLost:
            # It may have been deleted meanwhile.
            await self._refresh(job_id)
            raise

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        with self._readers.open(await self._find(job_id)) as reader:
            reader.start()
            async for event in reader.record.follow():
                yield event

    @asynccontextmanager
    async def open_events(self, job_id: str) -> AsyncIterator[list[Event]]:
        with self._readers.open(await self._find(job_id)) as reader:
            await reader.catch_up()
            events = list(reader.record.events)
            await self._kind.tell()
            yield events

    @asynccontextmanager
    async def open_result(self, job_id: str) -> AsyncIterator[str | None]:
        found = await self._find(job_id)
        if found.job.is_final and not found.result_in_record:
            yield found.result
        else:
            async with super().open_result(job_id) as result:
                yield result

    async def mark_result_read(self, job_id: str) -> bool:
        found = await self._find(job_id)
        while not found.job.result_read:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            # Refused where another server has changed the job since: then it is looked at again.
            version = {"resourceVersion": str(found.version), "annotations": {RESULT_READ: now}}
            with suppress(Conflict):
                await self._patch(job_id, {"metadata": version})
                return True
            found = await self._refresh(job_id)
        return False

    async def set_tags(self, job_id: str, tags: tuple[str, ...]) -> None:
        await self._find(job_id)
        await self._patch(job_id, {"spec": {"tags": list(tags)}})

    async def cancel(self, job_id: str) -> None:
        found = await self._find(job_id)
        if not found.job.is_final:
            found = await self._patch(job_id, {"spec": {"cancelRequested": True}})
        if found.job.status.phase in (Phase.COMPLETED, Phase.FAILED):
            raise JobFinal(found.job.status.phase)

    async def delete(self, job_id: str) -> None:
        found = await self._find(job_id)
        if not found.job.is_final:
            # Another server may have seen a newer version.
            found = await self._refresh(job_id)
        if not found.job.is_final:
            raise JobNotFinal(job_id)
        await self._kind.delete(job_id, found.uid)

    async def discard(self, job_id: str) -> None:
        # What the job owns goes with it: its pod is told to end.
        await self._kind.delete(job_id, (await self._find(job_id)).uid)

    async def _patch(self, job_id: str, patch: Manifest) -> RuntimeJob:
        manifest = await self._kind.patch(job_id, patch)
        if manifest is None:
            raise JobNotFound(job_id)
        return parse_runtimejob(manifest)

    # Submission.

    def _now(self) -> datetime:
        """The time, later than any before: jobs are ordered by it."""
        self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
        return self._latest

    async def _create(
        self, request: JobRequest, job: Job, params: ParamsFrom, program: ProgramFrom | None
    ) -> RuntimeJob:
        try:
            manifest = await self._kind.create(build_runtimejob(job, params, program))
        except Conflict:
            if request.id is None:
                raise StoreUnavailable("the new job's id is taken; try again") from None
            return await self._find_same(request, job, params, program)
        return parse_runtimejob(manifest)

    async def _find_same(
        self, request: JobRequest, job: Job, params: ParamsFrom, program: ProgramFrom | None
    ) -> RuntimeJob:
        """Return the job that an earlier submission of the same request made."""
        try:
            found = await self._refresh(job.id)
        except JobNotFound:
            raise StoreUnavailable("the job of this id is just being deleted; try again") from None
        if found.params != params or not request.same_as(found.job.spec, params.sha256):
            raise JobExists(job.id)
        if found.job.status.reason is Reason.INPUT_LOST or not await self._is_stored(
            found, program
        ):
            # That submission broke off, and the job never ran: this one is in its place.
            await self._kind.delete(job.id, found.uid)
            return await self._create(request, job, params, program)
        return found

    async def _is_stored(self, found: RuntimeJob, program: ProgramFrom | None) -> bool:
        """Return whether the job has its input already; the program may have changed since."""
        if found.program == program:
            return True
        try:
            await self._params.read(found)
        except ParamsLost:
            return False
        return True

    async def _withdraw(self, found: RuntimeJob) -> None:
        with suppress(StoreUnavailable):
            await self._kind.delete(found.job.id, found.uid)

    # Finding.

    async def _find(self, job_id: str) -> RuntimeJob:
        """The job, from memory; one that is not there may have come a moment ago."""
        await self._kind.catch_up()
        return self._cache.find(job_id) or await self._refresh(job_id)

    async def _refresh(self, job_id: str) -> RuntimeJob:
        await self._kind.fetch(job_id)
        if (found := self._cache.find(job_id)) is None:
            raise JobNotFound(job_id)
        return found

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("%s failed", task.get_coro(), exc_info=error)


def _age(job: Job) -> tuple[int, str]:
    return job.sequence, job.id
