"""A store as one of several tenants sees it: every mode keeps what ``accounts.job_view`` needs."""

import pytest

from api.accounts.caller import Caller
from api.accounts.job_view import VisibleJobs
from api.jobstore.base import JobNotFound, JobQuery
from qiskit_runtime.contract.resources.instance import Instance
from tests.jobstore.store_under_test import QUICK, StoreUnderTest, result

pytestmark = pytest.mark.anyio

MINE, MINE_TOO = Instance("tenants", "lab", "vqe"), Instance("tenants", "lab", "Main_2")
THEIRS = Instance("tenants", "other.lab", "vqe")
CALLER = Caller("alice", (MINE, MINE_TOO), "alice")


def labels(instance: Instance) -> dict[str, object]:
    return {"hub": instance.hub, "group": instance.group, "project": instance.project}


async def test_a_view_shows_the_jobs_of_its_instances_alone(jobs: StoreUnderTest):
    """Lists and totals have no other job, and every call with another's id finds none."""
    view = VisibleJobs(jobs.store, CALLER)
    own, events = await jobs.run(QUICK, **labels(MINE))
    second, _ = await jobs.run(QUICK, **labels(MINE_TOO))
    other, _ = await jobs.run(QUICK, **labels(THEIRS))

    page = await view.find(JobQuery(hub="tenants"), 10, 0)
    assert ([job.id for job in page.jobs], page.total) == ([second.id, own.id], 2)
    assert await view.read_result(own.id) == result(events)
    assert (await view.read_events(own.id), await view.read_params(own.id)) == (events, "{}")
    assert [event async for event in view.follow(own.id)] == events
    for call in (view.get, view.read_params, view.read_events, view.read_result, view.cancel):
        with pytest.raises(JobNotFound):
            await call(other.id)
    with pytest.raises(JobNotFound):
        [event async for event in view.follow(other.id)]
    for call in (view.delete, view.discard, view.mark_result_read):
        with pytest.raises(JobNotFound):
            await call(other.id)
    with pytest.raises(JobNotFound):
        await view.set_tags(other.id, ("mine",))
    assert await jobs.store.get(other.id) == other
    await view.delete(own.id)
    with pytest.raises(JobNotFound):
        await jobs.store.get(own.id)


async def test_queued_jobs_are_counted_by_instance(jobs: StoreUnderTest):
    """A job that runs or has ended is not counted, nor is another instance's."""
    crowd = Instance("crowd", "lab", "vqe")
    running = [await jobs.start(**labels(THEIRS)) for _ in range(jobs.slots)]
    waiting = [await jobs.submit(QUICK, **labels(crowd)) for _ in range(3)]

    assert jobs.store.count_queued(crowd) == 3
    assert jobs.store.count_queued(THEIRS) == 0
    await jobs.store.cancel(waiting[0].id)
    await jobs.finish(waiting[0].id)
    assert jobs.store.count_queued(crowd) == 2
    await jobs.stop(*running)
    for job in waiting:
        await jobs.finish(job.id)
    assert jobs.store.count_queued(crowd) == 0
