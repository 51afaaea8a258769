"""The interface of every store of jobs, in local mode and on Kubernetes; the routes know only this.

One behaviour suite (``tests/jobstore``) holds every implementation to the words below.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobRequest, digest_params
from qiskit_runtime.contract.wire.events import Event, Message
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers


class JobNotFound(LookupError):
    """No job has this id."""


class JobNotFinal(Exception):
    """The job is still queued or running; this needs one that has ended."""


class JobFinal(Exception):
    """The job has completed or failed, nothing is left to cancel. The text names its phase."""


class ParamsLost(Exception):
    """The job's parameters can't be read any more; the text says why."""


class RecordGone(Exception):
    """The job's record can't be read any more; the text says why."""


class JobExists(Exception):
    """There is a job with this id, and it was asked for something else."""


def may_show(job: Job, event: Event) -> bool:
    """Return whether an event is for all who may see the job: a private job's result is not."""
    return not (job.spec.private and isinstance(event, Message) and event.final)


NO_LIMIT = 2**31 - 1
"""A page of jobs that has all of them."""


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A filter of jobs, and their order. None matches any.

    ``pending`` is queued or running, else ended; the times are inclusive, and have an offset.
    """

    pending: bool | None = None
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    program: str | None = None
    backend: str | None = None
    tags: frozenset[str] = field(default_factory=frozenset)
    session_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    oldest_first: bool = False
    instances: frozenset[Instance] | None = None
    """The instances whose jobs match."""
    phases: frozenset[Phase] | None = None
    text: str = ""
    """A part of the id, program, backend, tags or message; upper and lower case are the same."""

    def choose(self, jobs: Iterable[Job]) -> list[Job]:
        """Return those jobs that match, in the same order. They must have all of several tags."""
        for condition in self._list_conditions():
            jobs = filter(condition, jobs)
        return list(jobs)

    def _list_conditions(self) -> Iterator[Callable[[Job], bool]]:
        """Yield the conditions that the query sets: each is asked of tens of thousands of jobs."""
        if self.pending is not None:
            yield lambda job: job.is_final is not self.pending
        same = ("hub", "group", "project", "backend", "session_id")
        wanted = {"program_id": self.program, **{name: getattr(self, name) for name in same}}
        yield from (_equals(name, value) for name, value in wanted.items() if value is not None)
        if (instances := self.instances) is not None:
            yield lambda job: job.spec.instance in instances
        if self.tags:
            yield lambda job: self.tags <= set(job.spec.tags)
        if (begin := self.created_after) is not None:
            yield lambda job: job.created >= begin
        if (end := self.created_before) is not None:
            yield lambda job: job.created <= end
        if (phases := self.phases) is not None:
            yield lambda job: job.status.phase in phases
        if self.text:
            yield self._has_text

    def _has_text(self, job: Job) -> bool:
        spec, wanted = job.spec, self.text.lower()
        texts = (job.id, spec.program_id, spec.backend, *spec.tags, job.status.message)
        return any(wanted in text.lower() for text in texts)


def _equals(name: str, value: str) -> Callable[[Job], bool]:
    """Return the condition that a field of the spec has this value."""
    read = attrgetter(f"spec.{name}")
    return lambda job: bool(read(job) == value)


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of a listing, and how many jobs the whole listing has."""

    jobs: list[Job]
    total: int


class JobStore(ABC):
    """Keeps jobs and has them run.

    A job that ``submit`` returned reaches a final phase without anybody's help, and stays there.
    All methods that take an id raise ``JobNotFound`` where there is no such job.
    """

    @property
    def is_ready(self) -> bool:
        """Return whether reads here are up to date, for a load balancer's probe."""
        return True

    @abstractmethod
    async def open(self) -> None:
        """Take up the jobs that are there and see that the queued ones run."""

    @abstractmethod
    async def close(self) -> None:
        """Stop, and leave nothing running that this store would have to watch."""

    @abstractmethod
    async def submit(self, request: JobRequest) -> Job:
        """Keep a job and its parameters' JSON text, verbatim, and queue it.

        A request that has an id can be repeated: if the job of that id exists and is the same
        request's, it is returned as it is now. A job that brings a source runs it, even if the
        program changes meanwhile.

        Raises:
            JobExists: the job of this id was submitted by another request.
            StorageFull: there is no room for the parameters.
            StoreUnavailable: it could not be kept; there is no such job then, or it fails unless
                the submission is repeated.
        """

    async def find_repeated(self, request: JobRequest) -> Job | None:
        """Return the job that an earlier submission of the same request made.

        None also where that is uncertain, as for a job whose input was lost: ``submit`` decides
        then.
        """
        if request.id is None:
            return None
        try:
            job, params = await self.get(request.id), await self.read_params(request.id)
        except (JobNotFound, ParamsLost):
            return None
        is_same = request.same_as(job.spec, digest_params(params))
        return job if is_same and job.status.reason is not Reason.INPUT_LOST else None

    @abstractmethod
    async def get(self, job_id: str) -> Job:
        """The job as it is now. Cheap: clients poll it."""

    @abstractmethod
    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        """A page of the jobs that match, newest first unless the query says otherwise.

        Their order does not change.
        """

    async def find_newest_ended(self, limit: int) -> list[Job]:
        """The ended jobs that were submitted last, newest first. Cheap where it can be."""
        return (await self.find(JobQuery(pending=False), limit, 0)).jobs

    @abstractmethod
    def all_queued(self) -> Iterable[Job]:
        """The queued jobs, in no order. From memory, without waiting."""

    def count_queued(self, instance: Instance) -> int:
        """The number of queued jobs of an instance. From memory, without waiting."""
        return sum(job.spec.instance == instance for job in self.all_queued())

    def stored_bytes(self, instances: frozenset[Instance] | None = None) -> int | None:  # noqa: ARG002  (for the stores that count)
        """The bytes that the jobs of these instances, or all, take; None where nobody counts."""
        return None

    async def find_warm_pods(self) -> PoolNumbers | None:
        """The pods that were started ahead of jobs; None where there are none, or nobody knows."""
        return None

    @abstractmethod
    async def read_params(self, job_id: str) -> str:
        """The parameters as they were submitted.

        Raises:
            ParamsLost: they can't be read any more. The job is there all the same.
        """

    @abstractmethod
    def follow(self, job_id: str) -> AsyncIterator[Event]:
        """The events of the job's record from the first, then live; ends when the job is final.

        Every caller gets each event once and in order, however late or slow it is; a slow one
        holds nobody up. While the job is queued there is nothing, so the iterator waits.

        Raises:
            RecordGone: what follows can't be read any more.
        """

    @abstractmethod
    def open_events(self, job_id: str) -> AbstractAsyncContextManager[list[Event]]:
        """The events of the job's record so far: once in memory for all who have them open.

        Raises:
            RecordGone: they can't be read any more.
            StoreUnavailable: they can't be read just now.
        """

    async def read_events(self, job_id: str) -> list[Event]:
        """The same, for one reader."""
        async with self.open_events(job_id) as events:
            return events

    @asynccontextmanager
    async def open_result(self, job_id: str) -> AsyncIterator[str | None]:
        """Yield the final result's JSON text, verbatim, or None before it. Raises as above."""
        async with self.open_events(job_id) as events:
            messages = (event for event in events if isinstance(event, Message))
            yield next((message.text for message in messages if message.final), None)

    async def read_result(self, job_id: str) -> str | None:
        """The same, for one reader."""
        async with self.open_result(job_id) as result:
            return result

    @asynccontextmanager
    async def serve_result(self, job_id: str) -> AsyncIterator[str | None]:
        """Yield the final result for a client; a private job's once, after its end.

        It is stored that it was served before it is: a client that loses the answer gets no other.
        """
        job = await self.get(job_id)
        if not job.spec.private:
            async with self.open_result(job_id) as result:
                yield result
            return
        may_serve = job.is_final and not job.result_read
        text = await self.read_result(job_id) if may_serve else None
        yield text if text is not None and await self.mark_result_read(job_id) else None

    @abstractmethod
    async def mark_result_read(self, job_id: str) -> bool:
        """Note for ever that an ended job's result was read; return whether it is the first time.

        Of several callers at once, on whichever servers, one is the first.
        """

    @abstractmethod
    async def set_tags(self, job_id: str, tags: tuple[str, ...]) -> None:
        """Replace the tags of a job, also of one that has ended; nothing else of it changes."""

    @abstractmethod
    async def cancel(self, job_id: str) -> None:
        """Have a queued or running job end as Cancelled; one that is cancelled already stays so.

        A running program gets SIGTERM and, a few seconds later, SIGKILL.

        Raises:
            JobFinal: it has completed or failed.
        """

    @abstractmethod
    async def delete(self, job_id: str) -> None:
        """Forget an ended job and all its data.

        Raises:
            JobNotFinal: it has not ended.
        """

    @abstractmethod
    async def discard(self, job_id: str) -> None:
        """Forget a job and all its data, whatever its phase.

        When this returns no method knows it; the program of one that runs gets SIGTERM and, a few
        seconds later, SIGKILL. Its listeners get JobNotFound after the events so far.
        """
