"""The usage of instances: a sum over ended jobs that many clients share."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.jobstore.base import JobPage
from api.usage import FRESH_SECONDS_PER_JOB, MAX_FRESH_SECONDS, PERIOD, UsageMeter, add_up
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from tests.api.fake_store import FakeStore

NOW = datetime.now(UTC)
ONE, OTHER = Instance("h", "g", "one"), Instance("h", "g", "other")


def make_job(instance, seconds, age=timedelta()):
    """Return an ended job of so many seconds; None is one that never ran."""
    created = NOW - age
    finished = None if seconds is None else created + timedelta(seconds=seconds)
    labels = {"hub": instance.hub, "group": instance.group, "project": instance.project}
    return Job(
        id="job",
        sequence=1,
        created=created,
        spec=JobSpec(program_id="p", backend="b", **labels),
        status=JobStatus(
            phase=Phase.COMPLETED, started_at=finished and created, finished_at=finished
        ),
    )


class EndedJobs(FakeStore):
    """A store of these ended jobs that counts how often they are looked at."""

    def __init__(self, ended):
        super().__init__()
        self.ended, self.looks = ended, 0

    async def find(self, query, limit, offset):
        assert query.pending is False
        self.looks += 1
        await asyncio.sleep(0)
        return JobPage(self.ended[offset : offset + limit], len(self.ended))


def test_seconds_are_added_up_by_instance():
    """Old jobs, and those that never ran, add nothing."""
    jobs = [
        make_job(ONE, 1),
        make_job(ONE, 2.5),
        make_job(OTHER, 10),
        make_job(ONE, None),
        make_job(ONE, 100, age=PERIOD + timedelta(seconds=1)),
    ]
    assert add_up(jobs, NOW - PERIOD) == {ONE: 3.5, OTHER: 10}


@pytest.mark.anyio
async def test_usage_is_that_of_the_instances_asked_for():
    """None is all of them; one without jobs has none."""
    meter = UsageMeter(EndedJobs([make_job(ONE, 1), make_job(OTHER, 2)]))
    assert await meter.read_seconds(frozenset({ONE})) == 1
    assert await meter.read_seconds(frozenset({Instance("a", "b", "c")})) == 0
    assert await meter.read_seconds(None) == 3


@pytest.mark.anyio
async def test_the_more_jobs_the_longer_a_sum_is_believed(monkeypatch):
    """A hundred clients share a look at 20,000 jobs; ten seconds later there is another."""
    clock = [1000.0]
    monkeypatch.setattr("api.usage.time.monotonic", lambda: clock[0])
    store = EndedJobs([make_job(ONE, 1)] * 20_000)
    meter = UsageMeter(store)
    found = await asyncio.gather(*(meter.read_seconds(frozenset({ONE})) for _ in range(100)))
    assert set(found) == {20_000} and store.looks == 1

    store.ended = store.ended[:1000]
    clock[0] += MAX_FRESH_SECONDS - 0.01
    assert await meter.read_seconds(None) == 20_000
    clock[0] += 0.01
    assert await meter.read_seconds(None) == 1000
    clock[0] += 1000 * FRESH_SECONDS_PER_JOB
    store.ended = []
    assert await meter.read_seconds(None) == 0
    store.ended = [make_job(ONE, 7)]
    assert await meter.read_seconds(None) == 7
