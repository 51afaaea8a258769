"""The writer of a record's Redis stream, on a real Redis that is killed, emptied and slow."""

import asyncio

import pytest
from redis.asyncio import Redis

from controller.record import redis_stream as stream_module
from controller.record.copy import RecordCopy
from controller.record.redis_stream import RedisStream
from qiskit_runtime.contract.wire.record_stream import Batch, notification_channel, stream_key
from tests.jobstore.kubernetes.redis_server import run_redis

pytestmark = pytest.mark.anyio

KEY = stream_key("u")


@pytest.fixture
def server():
    """A Redis of its own."""
    with run_redis() as server:
        yield server


class Written:
    """A stream, the copy that it is written from, and a client to look at it."""

    def __init__(self, url):
        self.client = Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
        self.copy = RecordCopy()
        self.stream = RedisStream(self.client, "u", "j")
        self.running = asyncio.create_task(self.stream.run(lambda: self.copy))

    def feed(self, *lines):
        """Read lines, and have them appended."""
        for line in lines:
            self.stream.append(self.copy.feed(line))

    async def entries(self):
        """The ids and lines in Redis."""
        found = await self.client.xrange(KEY)
        return [(entry_id.decode(), fields[b"lines"]) for entry_id, fields in found]

    async def until(self, holds):
        """Wait until a question about the entries is answered with yes."""
        async with asyncio.timeout(10):
            while True:
                try:
                    if holds(await self.entries()):
                        return
                except OSError:
                    pass
                await asyncio.sleep(0.02)


@pytest.fixture
async def written(server, monkeypatch):
    """A writer that retries and looks quickly."""
    monkeypatch.setattr(stream_module, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(stream_module, "DRAIN_SECONDS", 0.3)
    written = Written(server.url)
    yield written
    written.running.cancel()
    await asyncio.gather(written.running, return_exceptions=True)
    await written.client.aclose()


def lines_of(entries):
    """All lines, in order."""
    return b"".join(lines for _, lines in entries)


async def test_lines_are_entries_by_their_numbers(written):
    """Each batch is one entry, its id the attempt and its last line; its key expires."""
    written.feed(b"1\n2\n", b"3\n")
    await written.stream.drain()
    assert await written.entries() == [("1-2", b"1\n2\n"), ("1-3", b"3\n")]
    assert 0 < await written.client.ttl(KEY) <= stream_module.EXPIRY_SECONDS
    written.stream.append(Batch(b"", 3))
    assert len(await written.entries()) == 2


async def test_readers_are_notified_of_the_last_line(written):
    """The channel of the job says how far its stream is."""
    listener = written.client.pubsub()
    await listener.subscribe(notification_channel("j"))
    written.feed(b"1\n", b"2\n")
    async with asyncio.timeout(5):
        while (await listener.get_message(True, 1) or {}).get("data") != b"2":
            pass
    await listener.aclose()


async def test_repeat_changes_nothing(written):
    """Two writers of one record, or one that reads its log again, leave each line once."""
    written.feed(b"1\n2\n", b"3\n")
    await written.stream.drain()
    again = RedisStream(written.client, "u", "j")
    running = asyncio.create_task(again.run(lambda: written.copy))
    again.append(Batch(b"1\n2\n", 2))
    again.append(Batch(b"3\n", 3))
    await again.drain()
    assert lines_of(await written.entries()) == b"1\n2\n3\n"
    running.cancel()


async def test_stream_that_was_lost_is_written_again_from_its_first_line(written):
    """A later line makes no stream: readers would take it for the beginning."""
    written.feed(b"1\n", b"2\n")
    await written.stream.drain()
    await written.client.delete(KEY)
    written.feed(b"3\n")
    await written.until(lambda entries: lines_of(entries) == b"1\n2\n3\n")


async def test_loss_is_found_without_a_new_line(written, monkeypatch):
    """A quiet stream is looked at now and then."""
    monkeypatch.setattr(stream_module, "CHECK_SECONDS", 0.05)
    written.feed(b"1\n")
    await written.stream.drain()
    await written.client.delete(KEY)
    await written.until(lambda entries: lines_of(entries) == b"1\n")


async def test_redis_that_was_away_gets_all_when_it_is_back(written, server):
    """Nothing waits for it meanwhile, and what waits for it is bounded."""
    written.feed(b"1\n")
    await written.stream.drain()
    server.kill()
    await asyncio.gather(*[written.client.connection_pool.disconnect()], return_exceptions=True)
    line = b"x" * 1000 + b"\n"
    written.feed(*[line] * 1500)
    assert written.stream._backlog_bytes <= stream_module.BACKLOG_BYTES
    await written.stream.drain()
    assert await RedisStream(written.client, "u", "j").read() is not None
    await written.stream.delete()
    await written.stream.retire()
    server.start()
    await written.until(lambda entries: lines_of(entries) == b"1\n" + line * 1500)


async def test_stream_is_read_as_a_copy(written):
    """A record whose log is gone may be in Redis; batches that overlap count once."""
    written.feed(b"1\n2\n", b"3\n")
    await written.stream.drain()
    await written.client.xadd(KEY, {"lines": b"3\n4\n"}, id="1-4")
    await written.client.xadd(KEY, {"lines": b"9\n"}, id="1-9")
    copy = await written.stream.read()
    assert (copy.lines, b"".join(batch.lines for batch in copy.batches())) == (4, b"1\n2\n3\n4\n")


async def test_many_batches_go_in_several_round_trips(written):
    """A burst is appended in groups, in order."""
    written.feed(*[b"%d\n" % number for number in range(100)])
    await written.stream.drain()
    assert len(await written.entries()) == 100


async def test_stream_goes_with_its_job(written):
    """Soon after its end, at once when the job is deleted."""
    written.feed(b"1\n")
    await written.stream.drain()
    await written.stream.retire()
    assert await written.client.ttl(KEY) <= stream_module.ENDED_EXPIRY_SECONDS
    await written.stream.delete()
    assert await written.entries() == []
