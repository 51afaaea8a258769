"""The jobs of a store that a caller may see: to it, all others are not there.

Every call is of this one place, so no route can forget to ask whose a job is.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

from api.accounts.caller import Caller, InstanceRefused, ViewerRefused
from api.jobstore.base import JobNotFound, JobPage, JobQuery, JobStore
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobRequest
from qiskit_runtime.contract.wire.events import Event
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers


def view_jobs(store: JobStore, caller: Caller) -> JobStore:
    """Return the store as the caller sees it."""
    return store if caller.is_only_tenant else VisibleJobs(store, caller)


class VisibleJobs(JobStore):
    """A store whose jobs are those of the caller's instances; it is opened and closed elsewhere."""

    def __init__(self, store: JobStore, caller: Caller) -> None:
        self._store, self._caller = store, caller

    @property
    def is_ready(self) -> bool:
        return self._store.is_ready

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def submit(self, request: JobRequest) -> Job:
        if not self._caller.sees(request.spec.instance):
            raise InstanceRefused(f"{request.spec.instance.name} is no instance of this account")
        return await self._store.submit(request)

    async def get(self, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if not self._caller.sees(job.spec.instance):
            raise JobNotFound(job_id)
        return job

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        seen = replace(query, instances=self._caller.visible)
        return await self._store.find(seen, limit, offset)

    def all_queued(self) -> Iterable[Job]:
        queued = self._store.all_queued()
        return (job for job in queued if self._caller.sees(job.spec.instance))

    def stored_bytes(self, instances: frozenset[Instance] | None = None) -> int | None:
        visible = self._caller.visible
        seen = visible if instances is None or visible is None else instances & visible
        return self._store.stored_bytes(instances if seen is None else seen)

    async def find_warm_pods(self) -> PoolNumbers | None:
        return await self._store.find_warm_pods()

    async def read_params(self, job_id: str) -> str:
        await self.get(job_id)
        return await self._store.read_params(job_id)

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        await self.get(job_id)
        async for event in self._store.follow(job_id):
            yield event

    @asynccontextmanager
    async def open_events(self, job_id: str) -> AsyncIterator[list[Event]]:
        await self.get(job_id)
        async with self._store.open_events(job_id) as events:
            yield events

    @asynccontextmanager
    async def open_result(self, job_id: str) -> AsyncIterator[str | None]:
        await self.get(job_id)
        async with self._store.open_result(job_id) as result:
            yield result

    async def mark_result_read(self, job_id: str) -> bool:
        await self.get(job_id)
        if not self._caller.may_change:
            raise ViewerRefused(
                f"the account {self._caller.name} may look: a private job's result is served once,"
                " and not to it"
            )
        return await self._store.mark_result_read(job_id)

    async def set_tags(self, job_id: str, tags: tuple[str, ...]) -> None:
        await self.get(job_id)
        await self._store.set_tags(job_id, tags)

    async def cancel(self, job_id: str) -> None:
        await self.get(job_id)
        await self._store.cancel(job_id)

    async def delete(self, job_id: str) -> None:
        await self.get(job_id)
        await self._store.delete(job_id)

    async def discard(self, job_id: str) -> None:
        await self.get(job_id)
        await self._store.discard(job_id)
