"""Polls and forecasts cost no look at the jobs that have ended, however many are kept."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.jobstore.base import JobNotFound, JobQuery
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.runner_process import RunnerLimits
from api.jobstore.local.store import LocalJobStore
from api.queue_forecast import RECENT_JOBS, QueueForecast
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec, JobStatus

pytestmark = pytest.mark.anyio

SPEC = JobSpec(program_id="hello-world", backend=DEFAULT_BACKEND)
ENDED = 300


async def test_forecast_looks_at_those_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Places, the listing of pending jobs and the newest ended ones are right, and cheap."""
    folder = DataFolder(tmp_path)
    folder.open()
    for number in range(1, ENDED + 1):
        now = datetime.now(UTC)
        status = JobStatus(phase=Phase.COMPLETED, started_at=now, finished_at=now)
        job = Job(id=f"ended-{number}", sequence=number, created=now, spec=SPEC, status=status)
        folder.create(job, "{}")
    folder.close()
    store = LocalJobStore(DataFolder(tmp_path), Catalog(), RunnerLimits(workers=0))
    await store.open()
    try:
        queued = [await store.submit(JobRequest(SPEC, "{}")) for _ in range(5)]
        await store.cancel(queued.pop(1).id)
        await store.discard(queued.pop(1).id)
        looks: list[str] = []
        choose = JobQuery.choose

        def note(query: JobQuery, jobs: Iterable[Job]) -> list[Job]:
            given = list(jobs)
            looks.extend(job.id for job in given)
            return choose(query, given)

        monkeypatch.setattr(JobQuery, "choose", note)
        forecast = QueueForecast(store)
        found = [await forecast.find(job) for job in queued]
        newest = await store.find_newest_ended(RECENT_JOBS)
        page = await store.find(JobQuery(pending=True), 2, 1)

        assert [place.position for place in found if place] == [1, 2, 3]
        assert len(newest) == RECENT_JOBS
        assert newest[1].id == f"ended-{ENDED}" and newest[0].status.phase is Phase.CANCELLED
        assert ([job.id for job in page.jobs], page.total) == ([queued[1].id, queued[0].id], 3)
        assert set(looks) == {job.id for job in queued}
    finally:
        await store.close()


async def test_parameters_are_read_from_the_disk_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A list that is asked for again finds short ones in memory; long ones are never kept there."""
    store = LocalJobStore(DataFolder(tmp_path), Catalog(), RunnerLimits(workers=0))
    await store.open()
    try:
        short, long = '{"n": 1}', f'{{"text": "{"x" * 20_000}"}}'
        jobs = {(await store.submit(JobRequest(SPEC, text))).id: text for text in (short, long)}
        reads: list[str] = []
        read = DataFolder.read_params
        monkeypatch.setattr(
            DataFolder, "read_params", lambda self, name: reads.append(name) or read(self, name)
        )
        for _ in range(3):
            assert {name: await store.read_params(name) for name in jobs} == jobs
        assert [reads.count(name) for name in jobs] == [1, 3]
    finally:
        await store.close()


async def test_job_made_again_has_its_own_parameters(tmp_path: Path):
    """The parameters of a deleted job, which are in memory, are not those of its successor."""
    store = LocalJobStore(DataFolder(tmp_path), Catalog(), RunnerLimits(workers=0))
    await store.open()
    try:
        for text in ('{"n": 1}', '{"n": 2}'):
            await store.submit(JobRequest(SPEC, text, id="again"))
            assert await store.read_params("again") == text
            await store.discard("again")
        with pytest.raises(JobNotFound):
            await store.read_params("again")
    finally:
        await store.close()
