"""The data that a store keeps and finds again: parameters, jobs by id, listings."""

import asyncio
import hashlib
import json
from contextlib import suppress

import pytest

from api.jobstore.base import JobFinal, JobNotFound, JobQuery
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES
from qiskit_runtime.contract.resources.job import Job
from tests.jobstore.store_under_test import QUICK, StoreUnderTest, result

pytestmark = pytest.mark.anyio

DIGEST = """
    import hashlib

    def main(backend, messenger, text=""):
        return hashlib.sha256(text.encode()).hexdigest()
"""


@pytest.mark.parametrize(
    "params",
    [
        "{}",
        '{"text" :\r\n "a",\r"b":\t1.0e0}\n',
        '{"text": "Grüße, 世界 🐈 \u2028"}',
        '{"text": "\\u00e9\\ud83d\\ude00\\u0000"}',
        '{"big": 123456789012345678901234567890, "a": 1, "a": 2}',
    ],
)
async def test_params_are_kept_verbatim(jobs: StoreUnderTest, params: str):
    """The text that comes back is the one that was submitted, to the byte."""
    job = await jobs.submit(QUICK, params)
    await jobs.store.cancel(job.id)
    await jobs.finish(job.id)

    assert (await jobs.store.read_params(job.id)).encode() == params.encode()


@pytest.mark.parametrize("letter", ["x", "é", "\\n"])
async def test_params_of_the_largest_size_reach_the_program(jobs: StoreUnderTest, letter: str):
    """8 MiB of JSON are kept verbatim and are what the program is called with."""
    count = (MAX_PARAMS_BYTES - len('{"text": ""}')) // len(letter.encode())
    params = f'{{"text": "{letter * count}"}}'

    job, events = await jobs.run(DIGEST, params)

    text = json.loads(params)["text"]
    assert job.status.phase is Phase.COMPLETED
    assert result(events) == f'"{hashlib.sha256(text.encode()).hexdigest()}"'
    assert await jobs.store.read_params(job.id) == params


HOSTILE_IDS = [
    "",
    ".",
    "..",
    "../x",
    "../../etc/passwd",
    "/etc/passwd",
    "%2e%2e%2fx",
    "a" * 300,
    "a/b",
    "a\x00b",
    "a\nb",
    "jöb-世界",
    "\ud800",
    "*",
    "00000000-0000-0000-0000-000000000000",
]


@pytest.mark.parametrize("job_id", HOSTILE_IDS, ids=ascii)
async def test_unknown_and_hostile_ids_are_not_found(jobs: StoreUnderTest, job_id: str):
    """Every method says of every id that is none of its jobs': not found."""
    store = jobs.store

    for method in (store.get, store.read_params, store.read_events, store.cancel, store.delete):
        with pytest.raises(JobNotFound):
            await method(job_id)
    with pytest.raises(JobNotFound):
        await anext(store.follow(job_id))


async def test_backend_that_went_away_is_named(jobs: StoreUnderTest):
    """A job whose backend is not there any more fails and says so."""
    job, _ = await jobs.run(QUICK, backend="sold")

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.UNKNOWN_BACKEND)
    assert "sold" in job.status.message


async def test_program_that_is_not_there_is_named(jobs: StoreUnderTest):
    """A job whose program is not there any more fails and says so."""
    job, events = await jobs.run(QUICK, program_id="never-written")

    assert (job.status.phase, job.status.reason) == (Phase.FAILED, Reason.UNKNOWN_PROGRAM)
    assert "never-written" in job.status.message
    assert events == []


async def submit_cancelled(jobs: StoreUnderTest, count: int, **spec: object) -> list[Job]:
    """Jobs to list, the oldest first; they are cancelled, where they have not ended before."""
    made = []
    for _ in range(count):
        job = await jobs.submit(QUICK, **spec)
        # The operator refuses one of a session that is not there, maybe before it is cancelled.
        with suppress(JobFinal):
            await jobs.store.cancel(job.id)
        made.append(await jobs.finish(job.id))
    return made


async def test_listing_is_newest_first_and_pages_fit_together(jobs: StoreUnderTest):
    """Pages of any size put together are the whole listing, each with the same total."""
    made = await submit_cancelled(jobs, 7, hub="pages")
    query = JobQuery(hub="pages")

    pages = [await jobs.store.find(query, 3, offset) for offset in (0, 3, 6, 9)]

    listed = [job for page in pages for job in page.jobs]
    assert listed == made[::-1]
    assert [len(page.jobs) for page in pages] == [3, 3, 1, 0]
    assert {page.total for page in pages} == {7}


async def test_listing_keeps_its_order_while_jobs_change_state(jobs: StoreUnderTest):
    """A job that starts or ends later than others does not move in the listing."""
    slow = await jobs.start(hub="order")
    quick, _ = await jobs.run(QUICK, hub="order")

    before = await jobs.store.find(JobQuery(hub="order"), 10, 0)
    await jobs.stop(slow)
    after = await jobs.store.find(JobQuery(hub="order"), 10, 0)

    assert [job.id for job in before.jobs] == [quick.id, slow.id]
    assert [job.id for job in after.jobs] == [quick.id, slow.id]


async def test_listing_finds_by_each_filter_and_by_all(jobs: StoreUnderTest):
    """Each field filters alone and together with the others; an unknown value finds nothing."""
    here = {"hub": "filter", "group": "g", "project": "p", "tags": ("red", "round")}
    (one,) = await submit_cancelled(jobs, 1, **here)
    (two,) = await submit_cancelled(
        jobs, 1, hub="filter", group="h", tags=("red",), backend="aer_simulator_stabilizer"
    )

    async def find(**query: object) -> list[str]:
        page = await jobs.store.find(JobQuery(**{"hub": "filter", **query}), 10, 0)
        assert page.total == len(page.jobs)
        return [job.id for job in page.jobs]

    assert await find() == [two.id, one.id]
    assert await find(group="g") == [one.id]
    assert await find(project="p") == [one.id]
    assert await find(project="") == [two.id]
    assert await find(backend="aer_simulator_stabilizer") == [two.id]
    assert await find(program=one.spec.program_id) == [two.id, one.id]
    assert await find(tags=frozenset(["red"])) == [two.id, one.id]
    assert await find(tags=frozenset(["red", "round"])) == [one.id]
    assert await find(tags=frozenset(["blue"])) == []
    assert await find(group="g", project="p", pending=False) == [one.id]
    assert await find(group="g", backend="aer_simulator_stabilizer") == []
    assert await find(program="none") == []


async def test_listing_tells_pending_from_ended(jobs: StoreUnderTest):
    """Queued and running jobs are pending; all others are not."""
    running = [await jobs.start(hub="pending") for _ in range(jobs.slots)]
    queued = await jobs.submit(QUICK, hub="pending")
    (ended,) = await submit_cancelled(jobs, 1, hub="pending")

    pending = await jobs.store.find(JobQuery(hub="pending", pending=True), 10, 0)
    over = await jobs.store.find(JobQuery(hub="pending", pending=False), 10, 0)
    waiting = [job.id for job in jobs.store.all_queued() if job.spec.hub == "pending"]
    everything = (await jobs.store.find(JobQuery(pending=False), 10_000, 0)).jobs
    newest = await jobs.store.find_newest_ended(2)
    await jobs.stop(queued, *running)

    assert waiting == [queued.id]

    assert [job.id for job in pending.jobs] == [queued.id, *(job.id for job in running[::-1])]
    assert [job.id for job in over.jobs] == [ended.id]
    assert newest == everything[:2] and ended in newest


async def test_submitted_job_is_found_with_all_that_was_asked(jobs: StoreUnderTest):
    """The job that submit returns is the one that get returns: same spec, later sequence."""
    spec = {"hub": "ünï", "group": "g", "project": "p", "tags": ("a", "世界")}
    first = await jobs.submit(QUICK, max_execution_seconds=77, **spec)
    second = await jobs.submit(QUICK)
    found = await jobs.store.get(first.id)
    await jobs.stop(first, second)

    assert found.spec == first.spec
    assert (found.spec.hub, found.spec.tags) == ("ünï", ("a", "世界"))
    assert found.spec.max_execution_seconds == 77
    assert second.sequence > first.sequence
    assert second.id != first.id


async def test_tags_change_at_any_time_and_nothing_else_does(jobs: StoreUnderTest):
    """A queued, a running and an ended job take other tags, and are found by them alone."""
    running = [await jobs.start(tags=("old",), hub="tags") for _ in range(jobs.slots)]
    queued = await jobs.submit(QUICK, tags=("old", "kept"), hub="tags")
    await jobs.store.set_tags(queued.id, ("new", "kept"))
    await jobs.store.set_tags(running[0].id, ("new",))
    await jobs.stop(*running)
    ended = await jobs.finish(queued.id)

    await jobs.store.set_tags(ended.id, ("newest", "of all"))

    now = await jobs.store.get(ended.id)
    assert now == ended.with_tags(("newest", "of all"))
    assert now.status == ended.status and now.status.phase is Phase.COMPLETED
    assert await jobs.store.read_result(ended.id) == '"done"'

    async def find(*tags: str) -> set[str]:
        query = JobQuery(hub="tags", tags=frozenset(tags))
        return {job.id for job in (await jobs.store.find(query, 10, 0)).jobs}

    assert await find("new") == {running[0].id}
    assert await find("of all", "newest") == {ended.id}
    assert await find("kept") == set()


async def test_tags_can_be_taken_away(jobs: StoreUnderTest):
    """An empty list is no tags."""
    job, _ = await jobs.run(QUICK, tags=("old",))

    await jobs.store.set_tags(job.id, ())

    assert (await jobs.store.get(job.id)).spec.tags == ()
    with pytest.raises(JobNotFound):
        await jobs.store.set_tags("nobodys", ())


async def test_private_result_is_served_once(jobs: StoreUnderTest):
    """One of ten readers at once gets the result of a private job, and no later one does."""
    job, _ = await jobs.run(QUICK, private=True)

    async def read() -> str | None:
        async with jobs.store.serve_result(job.id) as text:
            return text

    texts = await asyncio.gather(*(read() for _ in range(10)))

    assert sorted(map(str, texts)) == ['"done"'] + ["None"] * 9
    assert await read() is None
    after = await jobs.store.get(job.id)
    assert after.result_read
    assert after.status == job.status


async def test_private_result_is_not_used_up_before_the_end(jobs: StoreUnderTest):
    """A client that asks too early gets nothing, and the result later."""
    job = await jobs.start(
        """
        import time

        def main(backend, messenger):
            messenger.publish("started")
            time.sleep(1)
            return "done"
        """,
        private=True,
    )
    async with jobs.store.serve_result(job.id) as early:
        pass
    await jobs.finish(job.id)
    async with jobs.store.serve_result(job.id) as late:
        pass

    assert (early, late) == (None, '"done"')


async def test_other_results_are_served_to_everybody(jobs: StoreUnderTest):
    """A job that is not private serves its result as often as it is asked."""
    job, _ = await jobs.run(QUICK)

    for _ in range(2):
        async with jobs.store.serve_result(job.id) as text:
            assert text == '"done"'


async def test_listing_by_session_time_and_order(jobs: StoreUnderTest):
    """Each filter leaves out what does not match; the oldest come first if that is asked for."""
    made = await submit_cancelled(jobs, 4, hub="filters")
    [of_session] = await submit_cancelled(jobs, 1, hub="filters", session_id="s-1")

    async def find(**wanted: object) -> list[str]:
        page = await jobs.store.find(JobQuery(hub="filters", **wanted), 10, 0)
        assert page.total == len(page.jobs)
        return [job.id for job in page.jobs]

    every = [job.id for job in (*made, of_session)]
    assert await find(oldest_first=True) == every
    assert await find() == every[::-1]
    assert await find(session_id="s-1") == [of_session.id]
    assert await find(created_after=made[2].created, oldest_first=True) == every[2:]
    assert await find(created_before=made[1].created, oldest_first=True) == every[:2]
    assert await find(created_after=made[1].created, created_before=made[1].created) == [every[1]]
