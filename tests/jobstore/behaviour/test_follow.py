"""Listeners: replay from the first event, live after that, in order and exactly once."""

import asyncio

import pytest

from api.jobstore.base import JobNotFound
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.wire.events import EndEvent, Event, Message
from tests.jobstore.store_under_test import FOR_EVER, QUICK, StoreUnderTest, messages

pytestmark = pytest.mark.anyio

TALKER = """
    import time

    def main(backend, messenger):
        for number in range(60):
            print("line", number)
            messenger.publish(number)
            if number % 10 == 0:
                time.sleep(0.1)
        messenger.publish("bye", final=True)
"""


async def test_listeners_of_any_time_and_pace_get_the_same_events(jobs: StoreUnderTest):
    """Early, midway, late and slow listeners all get every event once, in order."""

    async def follow_slowly(job_id: str) -> list[Event]:
        events = []
        async for event in jobs.store.follow(job_id):
            events.append(event)
            await asyncio.sleep(0.01)
        return events

    job = await jobs.submit(TALKER)
    early = asyncio.create_task(jobs.follow(job.id))
    slow = asyncio.create_task(follow_slowly(job.id))
    await jobs.wait_for_message(job.id, "25")
    midway = asyncio.create_task(jobs.follow(job.id))
    heard = [await early, await midway, await slow, await jobs.follow(job.id)]

    assert messages(heard[0]) == [*map(str, range(60)), '"bye"']
    assert [event.number for event in heard[0] if isinstance(event, Message)] == [*range(1, 62)]
    assert isinstance(heard[0][-1], EndEvent)
    assert all(events == heard[0] for events in heard[1:])
    assert await jobs.store.read_events(job.id) == heard[0]


async def test_two_hundred_listeners_all_get_everything(jobs: StoreUnderTest):
    """200 listeners of one running job, and 200 of it when it has ended, each get every event."""
    job = await jobs.submit(TALKER)

    live = await asyncio.gather(*(jobs.follow(job.id) for _ in range(200)))
    late = await asyncio.gather(*(jobs.follow(job.id) for _ in range(200)))

    assert messages(live[0]) == [*map(str, range(60)), '"bye"']
    assert all(events == live[0] for events in live + late)


async def test_listener_that_stops_reading_slows_nobody(jobs: StoreUnderTest):
    """The job and the other listeners end while one does not read; it then gets all the rest."""
    job = await jobs.submit(TALKER)
    stalled = jobs.store.follow(job.id)
    heard = [await anext(stalled)]

    others = await jobs.follow(job.id)
    assert (await jobs.finish(job.id)).status.phase is Phase.COMPLETED
    heard += [event async for event in stalled]

    assert heard == others


async def test_message_comes_while_the_program_runs(jobs: StoreUnderTest):
    """A listener hears a message, and half a line, long before the job ends."""
    job = await jobs.start("""
        import sys, time

        def main(backend, messenger):
            print("half a line", end="")
            messenger.publish("started")
            print("the other half", end="")
            time.sleep(1000)
    """)

    async with asyncio.timeout(5):
        async for event in jobs.store.follow(job.id):
            if getattr(event, "data", b"") == b"the other half":
                break
    still = await jobs.store.get(job.id)
    await jobs.stop(job)

    assert still.status.phase is Phase.RUNNING


async def test_status_is_final_when_the_listener_hears_the_end(jobs: StoreUnderTest):
    """A listener with the last event reads a final status with the next call, every time."""
    phases = []
    for _ in range(3):
        job = await jobs.submit(QUICK)
        await jobs.follow(job.id)
        phases.append((await jobs.store.get(job.id)).status.phase)

    assert phases == [Phase.COMPLETED] * 3


async def test_listener_of_a_queued_job_waits_and_then_hears_it(jobs: StoreUnderTest):
    """While its job is queued a listener gets nothing; then everything."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    job = await jobs.submit(QUICK)
    listener = asyncio.create_task(jobs.follow(job.id))

    done, _ = await asyncio.wait([listener], timeout=0.5)
    phase = (await jobs.store.get(job.id)).status.phase
    await jobs.stop(*blockers)

    assert not done
    assert phase is Phase.QUEUED
    assert messages(await listener) == ['"done"']


async def test_listener_of_a_queued_job_that_is_cancelled_ends(jobs: StoreUnderTest):
    """A job that never ran ends its listeners without an event."""
    blockers = [await jobs.start() for _ in range(jobs.slots)]
    job = await jobs.submit(QUICK)
    listener = asyncio.create_task(jobs.follow(job.id))
    await asyncio.sleep(0.1)

    await jobs.store.cancel(job.id)
    await jobs.stop(*blockers)

    assert await listener == []
    assert await jobs.follow(job.id) == []
    assert await jobs.store.read_events(job.id) == []


async def test_listener_of_a_deleted_job_keeps_its_place_to_the_end(jobs: StoreUnderTest):
    """A listener during the delete still gets all events; a later one finds no job."""
    job = await jobs.submit(TALKER)
    everything = await jobs.follow(job.id)
    listener = jobs.store.follow(job.id)
    heard = [await anext(listener)]

    await jobs.store.delete(job.id)
    heard += [event async for event in listener]

    assert heard == everything
    with pytest.raises(JobNotFound):
        await anext(jobs.store.follow(job.id))


async def test_listener_that_goes_away_leaves_the_others(jobs: StoreUnderTest):
    """A listener that is cancelled in the middle costs the others nothing."""
    job = await jobs.submit(TALKER)
    going, staying = (asyncio.create_task(jobs.follow(job.id)) for _ in range(2))
    await jobs.wait_for_message(job.id, "10")

    going.cancel()
    heard = await staying

    assert messages(heard) == [*map(str, range(60)), '"bye"']


async def test_events_that_were_read_stay_as_they_were(jobs: StoreUnderTest):
    """A list of the events so far does not grow behind its reader's back."""
    job = await jobs.start()
    so_far = await jobs.store.read_events(job.id)
    before = list(so_far)

    await jobs.stop(job)

    assert so_far == before
    assert len(await jobs.store.read_events(job.id)) > len(before)


async def test_hundred_running_reads_do_not_disturb_a_job(jobs: StoreUnderTest):
    """Reads of the record so far are always a beginning of the whole."""
    job = await jobs.submit(TALKER)
    seen = []
    while not (await jobs.store.get(job.id)).is_final:
        seen.append(await jobs.store.read_events(job.id))
        await asyncio.sleep(0.02)

    whole = await jobs.store.read_events(job.id)

    assert all(part == whole[: len(part)] for part in seen)
    assert len(seen[0]) < len(whole)


async def test_job_that_is_stopped_keeps_what_it_said(jobs: StoreUnderTest):
    """After a cancel the record still has everything up to the end."""
    job = await jobs.start(FOR_EVER)

    await jobs.stop(job)

    assert messages(await jobs.store.read_events(job.id)) == ['"started"']
