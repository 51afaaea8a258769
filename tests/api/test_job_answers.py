"""Large parameters in answers: those in memory at once are bounded, also for one instance."""

import asyncio
import json

import pytest

from api.job_answers import LARGE, LARGE_AT_ONCE, LARGE_OF_ONE, JobAnswers
from api.jobstore.base import JobPage
from api.text_pieces import PIECE
from qiskit_runtime.contract.resources.job import JobRequest, JobSpec
from tests.api.fake_store import FakeStore


async def add_large(store, hub):
    """Keep a job of an instance, with parameters that take their turn."""
    spec = JobSpec(program_id="p", backend="b", hub=hub, group="g", project="p")
    return await store.submit(JobRequest(spec, f'{{"a": "{"x" * LARGE}"}}'))


async def begin(answers, job):
    """Return a reader of the job's answer that has read its beginning, and reads no more."""
    pieces = await answers.write(job)
    async with asyncio.timeout(0.2):
        await anext(pieces)
    return pieces


@pytest.mark.anyio
async def test_slow_readers_of_one_instance_leave_room_for_others():
    """Half of the turns are the most that it has; what others read comes at once and whole."""
    store = FakeStore()
    bobs, alices = await add_large(store, "bob"), await add_large(store, "alice")
    answers = JobAnswers(store)
    slow = [await begin(answers, bobs) for _ in range(LARGE_OF_ONE)]
    with pytest.raises(TimeoutError):
        await begin(answers, bobs)

    text = "".join([piece async for piece in await begin(answers, alices)])

    assert text.endswith("}") and text.count("x") >= LARGE
    # As soon as one of them has gone, the next has its turn.
    await slow.pop().aclose()
    slow.append(await begin(answers, bobs))
    for reader in slow:
        await reader.aclose()


@pytest.mark.anyio
async def test_all_instances_together_have_so_many_in_memory():
    """However many they are: memory is bounded."""
    store = FakeStore()
    *jobs, late = [await add_large(store, f"hub-{n}") for n in range(LARGE_AT_ONCE + 1)]
    answers = JobAnswers(store)
    slow = [await begin(answers, job) for job in jobs]
    with pytest.raises(TimeoutError):
        await begin(answers, late)
    for reader in slow:
        await reader.aclose()


@pytest.mark.anyio
async def test_page_of_small_jobs_is_sent_in_few_pieces():
    """Each piece is a write to a socket: 200 of them cost more than the jobs; the text is whole."""
    store = FakeStore()
    spec = JobSpec(program_id="p", backend="b")
    jobs = [await store.submit(JobRequest(spec, f'{{"n": {n}}}')) for n in range(200)]
    pieces = [piece async for piece in JobAnswers(store).write_page(JobPage(jobs, 300))]
    page = json.loads("".join(pieces))
    assert [job["params"] for job in page["jobs"]] == [[f'{{"n": {n}}}'] for n in range(200)]
    assert (page["count"], page["total"]) == (200, 300)
    assert len(pieces) <= 1 + len("".join(pieces)) / PIECE
