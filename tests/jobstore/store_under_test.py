"""A store as its tests use it: programs are given as source, and waiting has an end.

``modes`` has one of each kind; the local one is here, as a process of its own opens it too.
"""

import asyncio
import hashlib
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from api.jobstore.base import JobStore
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.session_turns import FindSession
from api.jobstore.local.store import LocalJobStore, RunnerLimits
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.wire.events import Console, Event, Message

POLL_SECONDS = 0.02

QUICK = """
    def main(backend, messenger):
        return "done"
"""
"""The shortest program with a result."""

FOR_EVER = """
    import time

    def main(backend, messenger):
        messenger.publish("started")
        while True:
            time.sleep(1)
"""
"""Publishes that it runs, and never ends unless it is stopped."""


@dataclass(frozen=True)
class StoreUnderTest:
    """An open store.

    ``install`` makes a program of a source and returns its id; ``slots`` is how many jobs run at
    once; ``patience`` is after how many seconds a test gives up on a job.
    """

    store: JobStore
    install: Callable[[str], Awaitable[str]]
    slots: int
    patience: float

    async def submit(self, source: str, params: str = "{}", **spec: object) -> Job:
        """Queue a job of this program."""
        program = await self.install(textwrap.dedent(source))
        asked = {"program_id": program, "backend": DEFAULT_BACKEND, **spec}
        return await self.store.submit(JobRequest(JobSpec.model_validate(asked), params))

    async def submit_source(self, source: ProgramSource, params: str = "{}") -> Job:
        """Queue a job that brings its own program, which no catalog has."""
        spec = JobSpec(program_id="my-own", program_version="7", backend=DEFAULT_BACKEND)
        return await self.store.submit(JobRequest(spec, params, source=source))

    async def finish(self, job_id: str) -> Job:
        """Return the job once it is final."""
        return await self.wait_for(job_id, *(phase for phase in Phase if phase.is_final))

    async def wait_for(self, job_id: str, *phases: Phase) -> Job:
        """Return the job once it is in one of these phases."""
        async with asyncio.timeout(self.patience):
            # As clients do.
            while (job := await self.store.get(job_id)).status.phase not in phases:  # noqa: ASYNC110  (as a client polls)
                await asyncio.sleep(POLL_SECONDS)
        return job

    async def wait_for_message(self, job_id: str, text: str) -> None:
        """Return when this message has come."""
        async with asyncio.timeout(self.patience):
            async for event in self.store.follow(job_id):
                if isinstance(event, Message) and event.text == text:
                    return
        raise AssertionError(f"the job ended without the message {text}")

    async def follow(self, job_id: str) -> list[Event]:
        """Return all events that a listener gets, to the end."""
        async with asyncio.timeout(self.patience):
            return [event async for event in self.store.follow(job_id)]

    async def start(self, source: str = FOR_EVER, **spec: object) -> Job:
        """Return a job that runs and has published ``"started"``."""
        job = await self.submit(source, **spec)
        await self.wait_for_message(job.id, '"started"')
        return await self.store.get(job.id)

    async def stop(self, *jobs: Job) -> None:
        """Cancel jobs that are not needed any more, and wait for their ends."""
        for job in jobs:
            await self.store.cancel(job.id)
        for job in jobs:
            await self.finish(job.id)

    async def run(self, source: str, params: str = "{}", **spec: object) -> tuple[Job, list[Event]]:
        """Return a job that has ended, and the events of its record."""
        job = await self.submit(source, params, **spec)
        await self.finish(job.id)
        return await self.store.get(job.id), await self.store.read_events(job.id)


def messages(events: list[Event]) -> list[str]:
    """The JSON texts of the messages, the final one among them."""
    return [event.text for event in events if isinstance(event, Message)]


def result(events: list[Event]) -> str | None:
    """The JSON text of the final message."""
    return next(
        (event.text for event in events if isinstance(event, Message) and event.final), None
    )


def printed(events: list[Event]) -> str:
    """The console."""
    lines = [event for event in events if isinstance(event, Console)]
    return "".join(line.data.decode() + "\n" * line.newline for line in lines)


def name_program(source: str) -> str:
    """The id of a test's program: the same source is the same program."""
    return "p" + hashlib.sha256(source.encode()).hexdigest()[:16]


def program_writer(folder: Path) -> Callable[[str], Awaitable[str]]:
    """An ``install`` that writes programs into a folder that a catalog reads."""

    async def install(source: str) -> str:
        name = name_program(source)
        metadata = folder / name / f"{name}.json"
        if not metadata.exists():
            (folder / name).mkdir(exist_ok=True)
            (folder / name / f"{name}.py").write_text(source)
            metadata.write_text(f'{{"name": "{name}", "description": ""}}')
        return name

    return install


def make_local_store(
    folder: Path, limits: RunnerLimits, find_session: FindSession | None = None
) -> LocalJobStore:
    """A store over ``folder/data`` that runs the programs in ``folder/programs``; not yet open."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    data, catalog = DataFolder(folder / "data"), Catalog([programs])
    return LocalJobStore(data, catalog, limits, find_session=find_session)


@asynccontextmanager
async def open_local_store(
    folder: Path, limits: RunnerLimits | None = None, find_session: FindSession | None = None
) -> AsyncIterator[StoreUnderTest]:
    """A local store; again over the same folder it is the store after a restart."""
    limits = limits or RunnerLimits(workers=2)
    store = make_local_store(folder, limits, find_session)
    await store.open()
    try:
        yield StoreUnderTest(store, program_writer(folder / "programs"), limits.workers, 60.0)
    finally:
        await store.close()
