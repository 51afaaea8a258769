"""A record in memory: every listener gets each event once and in order, at its own pace."""

import asyncio

import pytest

from api.jobstore.live_record import LiveRecord
from qiskit_runtime.contract.wire.events import Console, Event

pytestmark = pytest.mark.anyio

EVENTS: list[Event] = [Console(number, b"line %d" % number) for number in range(1, 101)]


async def collect(record: LiveRecord, pause: int = 0) -> list[Event]:
    """All events; after each the others have their turn ``pause`` times."""
    heard = []
    async for event in record.follow():
        heard.append(event)
        for _ in range(pause):
            await asyncio.sleep(0)
    return heard


async def test_closed_record_is_replayed_and_ends():
    """A record that is complete is given as it is."""
    assert await collect(LiveRecord(EVENTS, closed=True)) == EVENTS


async def test_listeners_of_every_pace_hear_all_appends_once_and_in_order():
    """Appends of any size meet listeners of any pace, also such as come in the middle."""
    record = LiveRecord()
    listeners = [asyncio.create_task(collect(record, pause)) for pause in (0, 1, 2, 7)]
    for place in range(0, 100, 5):
        record.append(EVENTS[place : place + 5])
        listeners.append(asyncio.create_task(collect(record, place % 3)))
        await asyncio.sleep(0)
    record.close()

    assert all(heard == EVENTS for heard in await asyncio.gather(*listeners))


async def test_append_and_close_in_one_moment_lose_nothing():
    """A listener that waits hears what was appended just before the close."""
    record = LiveRecord()
    listener = asyncio.create_task(collect(record))
    await asyncio.sleep(0)
    record.append(EVENTS)
    record.append([])
    record.close()

    assert await listener == EVENTS
