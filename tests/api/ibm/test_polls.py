"""Polls in today's dialect: those of a job that was submitted just now wait for its end."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.main import create_app
from api.routes.ibm import jobs as routes
from api.settings import ApiSettings
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.lifecycle import Phase
from tests.api.fake_store import FakeStore

pytestmark = pytest.mark.anyio


class SlowStore(FakeStore):
    """Its running jobs end when ``finish`` is set, or their record can't be read."""

    def __init__(self):
        super().__init__()
        self.began, self.finish = asyncio.Event(), asyncio.Event()
        self.followers, self.is_readable = 0, True

    async def follow(self, job_id):
        """The events, once the job has ended."""
        self.followers += 1
        self.began.set()
        if not self.is_readable:
            raise StoreUnavailable("not now")
        await self.finish.wait()
        job = await self.get(job_id)
        self.jobs[job_id] = job.model_copy(
            update={"status": job.status.model_copy(update={"phase": Phase.COMPLETED})}
        )
        for event in await self.read_events(job_id):
            yield event


@pytest.fixture
async def store(monkeypatch):
    """A store in memory; its jobs count as submitted just now for longer than a test takes."""
    monkeypatch.setattr(routes, "FRESH_SECONDS", 600.0)
    return SlowStore()


@pytest.fixture
async def poll(store, tmp_path):
    """Poll a job as the official client does; returns its status."""
    app = create_app(ApiSettings(data=tmp_path), store)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as client:

        async def poll(job, **query):
            query = {"exclude_params": "true"} | query
            answer = await client.get(f"/experimental/jobs/{job.id}", params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()["state"]["status"]

        yield poll


async def test_first_poll_sees_the_end_of_a_short_job(store, poll, monkeypatch):
    """The answer comes with the end, and not before it."""
    monkeypatch.setattr(routes, "WAIT_SECONDS", 60.0)
    answer = asyncio.create_task(poll(await store.add(Phase.RUNNING)))
    await store.began.wait()
    assert not answer.done()
    store.finish.set()
    assert await answer == "Completed"


async def test_poll_of_a_longer_job_is_answered(store, poll, monkeypatch):
    """It waits for a while only."""
    monkeypatch.setattr(routes, "WAIT_SECONDS", 0.02)
    assert await poll(await store.add(Phase.RUNNING)) == "Running"
    assert store.followers == 1


async def test_poll_is_answered_where_the_record_can_not_be_read(store, poll):
    """The status alone needs no record."""
    store.is_readable = False
    assert await poll(await store.add(Phase.QUEUED)) == "Queued"


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.QUEUED, Phase.COMPLETED])
async def test_other_polls_do_not_wait(store, poll, phase):
    """A job that was submitted a while ago, or has ended, is answered from memory."""
    job = await store.add(phase)
    age = timedelta(seconds=0 if job.is_final else routes.FRESH_SECONDS)
    store.jobs[job.id] = job.model_copy(update={"created": datetime.now(UTC) - age})
    assert await poll(job) == phase
    assert await poll(job, exclude_params="false") == phase
    assert store.followers == 0
