"""The store of Kubernetes mode: a job is a RuntimeJob, which the operator runs.

What a client polls is answered from memory; all that changes something, and what was never read
before, asks the Kubernetes API.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
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
    StorageFull,
    StoreUnavailable,
    is_same_request,
)
from api.jobstore.kubernetes.doorbell import Doorbell
from api.jobstore.kubernetes.job_cache import JobCache
from api.jobstore.kubernetes.job_params import JobParams
from api.jobstore.kubernetes.job_resources import Conflict, JobResources
from api.jobstore.kubernetes.live_stream import LiveStream, open_redis
from api.jobstore.kubernetes.record_reader import RecordReaders, Sources
from api.jobstore.kubernetes.resource_watch import ResourceWatch
from qiskit_runtime.cluster_api import ClusterApi
from qiskit_runtime.contract.job import Job, JobSpec
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.program import ProgramSource
from qiskit_runtime.contract.record import Event
from qiskit_runtime.contract.resource import is_name, make_job_id
from qiskit_runtime.contract.runtimejob import RuntimeJob, build_runtimejob, parse_runtimejob
from qiskit_runtime.contract.stored_params import ParamsFrom, ProgramFrom

OPEN_SECONDS = 5.0
"""How long ``open`` waits for the first list of jobs; until it comes, listings are refused."""

MIB = 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where jobs and their live streams are; ``storage_budget`` is in bytes."""

    namespace: str
    redis_url: str
    storage_budget: int


class KubernetesJobStore(JobStore):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(
        self, settings: ClusterSettings, connect: Callable[[], Awaitable[client.ApiClient]]
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()
        self._latest = datetime.min.replace(tzinfo=UTC)
        self._cache = JobCache()

    @property
    def is_ready(self) -> bool:
        return self._watch.is_fresh

    async def open(self) -> None:
        self._client = await self._connect()
        self._redis = open_redis(self._settings.redis_url)
        api = ClusterApi(self._client)
        self._resources = JobResources(api, self._settings.namespace)
        self._params = JobParams(self._resources)
        self._watch = ResourceWatch(api, self._resources.jobs_path, self._cache)
        doorbell = Doorbell(self._redis)
        sources = Sources(self._cache, self._resources, LiveStream(self._redis), doorbell)
        self._readers = RecordReaders(sources)
        self._keep(self._watch.run())
        self._keep(doorbell.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._watch.synced.wait(), OPEN_SECONDS)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._client.close()

    async def submit(
        self,
        spec: JobSpec,
        params: str,
        job_id: str | None = None,
        source: ProgramSource | None = None,
    ) -> Job:
        encoded = params.encode()
        if job_id is None or self._cache.find(job_id) is None:
            self._check_room(len(encoded) + (len(source.data) if source else 0))
        name = job_id or make_job_id()
        job = Job(id=name, sequence=0, created=self._now(), spec=spec)
        reference = ParamsFrom.of(f"{name}-params", encoded)
        program = ProgramFrom.of(reference.secret_name, source) if source else None
        found = await self._create(job, reference, program, repeatable=job_id is not None)
        try:
            if found.program == program:
                await self._params.write(found, params, source)
        except StoreUnavailable:
            if job_id is None:
                # Nobody will know it. Where this fails too, the operator ends it: no input came.
                self._keep(self._withdraw(found))
            raise
        return found.job

    async def get(self, job_id: str) -> Job:
        return (await self._find(job_id)).job

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        if not self._watch.synced.is_set():
            raise StoreUnavailable("the jobs were not read from Kubernetes yet")
        jobs = (found.job for found in self._cache.newest_first())
        matching = [job for job in jobs if query.matches(job)]
        return JobPage(matching[offset : offset + limit], len(matching))

    async def read_params(self, job_id: str) -> str:
        found = await self._find(job_id)
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
            yield list(reader.record.events)

    @asynccontextmanager
    async def open_result(self, job_id: str) -> AsyncIterator[str | None]:
        found = await self._find(job_id)
        if found.job.is_final and not found.result_in_record:
            yield found.result
        else:
            async with super().open_result(job_id) as result:
                yield result

    async def cancel(self, job_id: str) -> None:
        found = await self._find(job_id)
        if not found.job.is_final:
            manifest = await self._resources.request_cancel(job_id)
            if manifest is None:
                raise JobNotFound(job_id)
            self._cache.put(manifest)
            found = parse_runtimejob(manifest)
        if found.job.status.phase in (Phase.COMPLETED, Phase.FAILED):
            raise JobFinal(found.job.status.phase)

    async def delete(self, job_id: str) -> None:
        found = await self._find(job_id)
        if not found.job.is_final:
            # What another server said of it may be newer.
            found = await self._refresh(job_id)
        if not found.job.is_final:
            raise JobNotFinal(job_id)
        await self._resources.delete_job(job_id, found.uid)
        self._cache.bury(job_id, found.uid)

    # Submission.

    def _check_room(self, size: int) -> None:
        taken, budget = self._cache.stored_bytes, self._settings.storage_budget
        if taken + size > budget:
            raise StorageFull(
                f"parameters and records take {taken / MIB:.1f} MiB of at most {budget / MIB:.0f}"
                f" (RUNTIME_STORAGE_BUDGET_MIB), and these are {size / MIB:.1f} MiB more"
            )

    def _now(self) -> datetime:
        """The time, later than any before: jobs are ordered by it."""
        self._latest = max(datetime.now(UTC), self._latest + timedelta(microseconds=1))
        return self._latest

    async def _create(
        self, job: Job, params: ParamsFrom, program: ProgramFrom | None, *, repeatable: bool
    ) -> RuntimeJob:
        try:
            manifest = await self._resources.create_job(build_runtimejob(job, params, program))
        except Conflict:
            if not repeatable:
                raise StoreUnavailable("the new job's id is taken; try again") from None
            return await self._find_same(job, params, program)
        self._cache.put(manifest)
        return parse_runtimejob(manifest)

    async def _find_same(
        self, job: Job, params: ParamsFrom, program: ProgramFrom | None
    ) -> RuntimeJob:
        """The job that an earlier submission of the same made."""
        try:
            found = await self._refresh(job.id)
        except JobNotFound:
            raise StoreUnavailable("the job of this id is just being deleted; try again") from None
        if not is_same_request(found.job.spec, job.spec) or found.params != params:
            raise JobExists(job.id)
        if found.job.status.reason is Reason.INPUT_LOST or not await self._is_stored(
            found, program
        ):
            # That submission broke off, and the job never ran: this one is in its place.
            await self._resources.delete_job(job.id, found.uid)
            self._cache.bury(job.id, found.uid)
            return await self._create(job, params, program, repeatable=True)
        return found

    async def _is_stored(self, found: RuntimeJob, program: ProgramFrom | None) -> bool:
        """Whether the job can do without this submission's source: its program may have changed."""
        if found.program == program:
            return True
        try:
            await self._params.read(found)
        except ParamsLost:
            return False
        return True

    async def _withdraw(self, found: RuntimeJob) -> None:
        self._cache.bury(found.job.id, found.uid)
        with suppress(StoreUnavailable):
            await self._resources.delete_job(found.job.id, found.uid)

    # Finding.

    async def _find(self, job_id: str) -> RuntimeJob:
        """The job, from memory; one that is not there may have come a moment ago."""
        return self._cache.find(job_id) or await self._refresh(job_id)

    async def _refresh(self, job_id: str) -> RuntimeJob:
        if not is_name(job_id):
            raise JobNotFound(job_id)
        manifest = await self._resources.get_job(job_id)
        if manifest is not None:
            self._cache.put(manifest)
        if manifest is None or (found := self._cache.find(job_id)) is None:
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
