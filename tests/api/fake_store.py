"""A JobStore in memory whose jobs are what they are: for tests that need thousands of them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from api.jobstore.base import JobFinal, JobNotFinal, JobNotFound, JobPage, JobQuery, JobStore
from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import make_job_id
from qiskit_runtime.contract.wire.events import Console, Event, Message

EVENTS: tuple[Event, ...] = (
    Console(1, b"printed \xff"),
    Message(2, 1, '{"a": 1}'),
    Message(3, 2, '"end"', final=True),
)
"""The record of every job that has ended."""

ENDS = (
    State(Phase.COMPLETED),
    State(Phase.FAILED, Reason.PROGRAM_ERROR, "ValueError: no"),
    State(Phase.CANCELLED, Reason.RAN_TOO_LONG, "ran too long"),
    State(Phase.RUNNING),
    State(Phase.QUEUED),
)
"""What becomes of the jobs, in turn, as soon as they are submitted."""


class FakeStore(JobStore):
    """Keeps jobs, and runs nothing."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.params: dict[str, str] = {}
        self._sequence = 0

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def submit(self, request: JobRequest) -> Job:
        if request.id in self.jobs:
            return self.jobs[request.id]
        self._sequence += 1
        job = Job(
            id=request.id or make_job_id(),
            sequence=self._sequence,
            created=datetime.now(UTC),
            spec=request.spec,
        )
        self.params[job.id] = request.params
        return self._set_state(job, ENDS[self._sequence % len(ENDS)])

    async def end_refused(self, session_id: str) -> None:
        """No job here is of a session."""

    async def add(self, phase: Phase) -> Job:
        """A job of the library's program that has come to this phase."""
        job = await self.submit(
            JobRequest(JobSpec(program_id="hello-quantum", backend="aer_simulator"))
        )
        return self._set_state(job, next(end for end in ENDS if end.phase is phase))

    async def get(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise JobNotFound(job_id)
        return self.jobs[job_id]

    async def find(self, query: JobQuery, limit: int, offset: int) -> JobPage:
        jobs = list(self.jobs.values())
        ordered = jobs if query.oldest_first else reversed(jobs)
        found = query.choose(ordered)
        return JobPage(found[offset : offset + limit], len(found))

    def all_queued(self) -> Iterable[Job]:
        return (job for job in self.jobs.values() if job.status.phase is Phase.QUEUED)

    async def read_params(self, job_id: str) -> str:
        await self.get(job_id)
        return self.params[job_id]

    async def follow(self, job_id: str) -> AsyncIterator[Event]:
        for event in await self.read_events(job_id):
            yield event

    @asynccontextmanager
    async def open_events(self, job_id: str) -> AsyncIterator[list[Event]]:
        yield list(EVENTS) if (await self.get(job_id)).is_final else []

    async def cancel(self, job_id: str) -> None:
        job = await self.get(job_id)
        if job.status.phase in (Phase.COMPLETED, Phase.FAILED):
            raise JobFinal(job.status.phase)
        if not job.is_final:
            self._set_state(job, State(Phase.CANCELLED, Reason.CANCELLED_BY_USER, "cancelled"))

    async def delete(self, job_id: str) -> None:
        if not (await self.get(job_id)).is_final:
            raise JobNotFinal(job_id)
        del self.jobs[job_id], self.params[job_id]

    async def mark_result_read(self, job_id: str) -> bool:
        job = await self.get(job_id)
        self.jobs[job_id] = job.model_copy(update={"result_read": True})
        return not job.result_read

    async def set_tags(self, job_id: str, tags: tuple[str, ...]) -> None:
        self.jobs[job_id] = (await self.get(job_id)).with_tags(tags)

    async def discard(self, job_id: str) -> None:
        await self.get(job_id)
        del self.jobs[job_id], self.params[job_id]

    def _set_state(self, job: Job, state: State) -> Job:
        status = JobStatus().with_state(state)
        self.jobs[job.id] = job.model_copy(update={"status": status})
        return self.jobs[job.id]
