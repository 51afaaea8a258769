"""Streams in a real Redis, followed by one connection: none missed, none late, whatever joins."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from api.jobstore.kubernetes import live_streams
from api.jobstore.kubernetes.live_streams import LiveStreams, Tail
from qiskit_runtime.contract.wire.record_stream import LINES_FIELD, Batch, stream_key
from tests.jobstore.kubernetes.redis_server import RedisServer, run_redis

pytestmark = pytest.mark.anyio

JOBS = 40


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with run_redis() as server:
        yield server


class Follower:
    """A reader of a stream, as the record's reader uses it."""

    def __init__(self, streams: LiveStreams, uid: str, line: int = 0) -> None:
        self._streams, self._uid = streams, uid
        self._came = asyncio.Event()
        self.line = line

    async def follow_to(self, last: int) -> None:
        """Take entries until this line; each has to follow the one before it."""
        with self._streams.following(self._uid, self.line, self._came.set) as tail:
            await self._take_to(last, tail)

    async def _take_to(self, last: int, tail: Tail) -> None:
        while self.line < last:
            await self._came.wait()
            self._came.clear()
            for batch in tail.take():
                assert batch.first == self.line + 1
                self.line = tail.read_lines = batch.last


async def append(redis: Redis, uid: str, line: int) -> None:
    batch = Batch(b"printed\n", line)
    await redis.xadd(stream_key(uid), {LINES_FIELD: batch.lines}, id=batch.entry_id)


async def test_streams_that_join_are_read_at_once_and_completely(server: RedisServer) -> None:
    """Forty join one after the other while others are read; nobody waits for the long call."""
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    streams.open()
    begun = time.monotonic()
    async with asyncio.timeout(live_streams.BLOCK_SECONDS - 5):
        followers = []
        for number in range(JOBS):
            await append(redis, f"uid-{number}", 1)
            follower = Follower(streams, f"uid-{number}")
            followers.append(asyncio.create_task(follower.follow_to(20)))
            await asyncio.sleep(0.001)
        for line in range(2, 21):
            for number in range(JOBS):
                await append(redis, f"uid-{number}", line)
        await asyncio.gather(*followers)
        # One that joins again, at another line, is not taken for the one that left.
        await Follower(streams, "uid-0", 5).follow_to(20)
        # A call that waits does not hold up the end.
        await streams.close()
    assert time.monotonic() - begun < live_streams.BLOCK_SECONDS - 5
    await redis.aclose()


async def test_streams_that_join_shortly_after_each_other_are_read_at_once(
    server: RedisServer,
) -> None:
    """No joining stream waits for the pause that was meant for the one before it."""
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    streams.open()
    waited = []
    for number in range(12):
        await append(redis, f"uid-{number}", 1)
        begun = time.monotonic()
        await Follower(streams, f"uid-{number}").follow_to(1)
        waited.append(time.monotonic() - begun)
        await asyncio.sleep(0.05)
    await streams.close()
    await redis.aclose()
    assert sorted(waited)[-3] < 0.3, waited


async def test_stream_that_no_operator_wrote_stops_no_other(server: RedisServer) -> None:
    """An entry that can't be read is its own stream's affair."""
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    streams.open()
    await redis.xadd(stream_key("bad"), {"other": b"x"}, id="1-1")
    async with asyncio.timeout(10):
        with streams.following("bad", 0, lambda: None):
            follower = asyncio.create_task(Follower(streams, "good").follow_to(3))
            for line in (1, 2, 3):
                await append(redis, "good", line)
            await follower
    await streams.close()
    await redis.aclose()


async def test_stream_is_followed_again_after_all_have_left(server: RedisServer) -> None:
    """Readers of one stream follow each other, also while nobody follows any."""
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    await append(redis, "uid", 1)
    with streams.following("uid", 0, lambda: None):
        pass
    streams.open()
    async with asyncio.timeout(10):
        await asyncio.sleep(0.2)
        await Follower(streams, "uid").follow_to(1)
        with streams.following("uid", 0, lambda: None):
            follower = asyncio.create_task(Follower(streams, "uid").follow_to(2))
            await asyncio.sleep(0.1)
        await append(redis, "uid", 2)
        await follower
    await streams.close()
    await redis.aclose()


async def test_redis_that_comes_back_empty_is_followed_again(server: RedisServer) -> None:
    """A stream that is written again is read on by its numbers, by the same reader."""
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    streams.open()
    came = asyncio.Event()
    async with asyncio.timeout(20):
        with streams.following("uid", 0, came.set) as tail:
            await append(redis, "uid", 1)
            await came.wait()
            assert [batch.last for batch in tail.take()] == [1]
            tail.read_lines = 1
            server.kill()
            server.start()
            came.clear()
            await redis.connection_pool.disconnect()
            await append(redis, "uid", 1)
            await append(redis, "uid", 2)
            await came.wait()
            assert tail.take()[-1].last == 2
    await streams.close()
    await redis.aclose()


async def test_entry_that_could_not_be_used_is_read_again_when_all_is_quiet(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that lacks lines before an entry gets both once they are there."""
    monkeypatch.setattr(live_streams, "BLOCK_SECONDS", 0.3)
    streams, redis = LiveStreams(server.url), Redis.from_url(server.url)
    streams.open()
    came = asyncio.Event()
    async with asyncio.timeout(20):
        with streams.following("uid", 0, came.set) as tail:
            await append(redis, "uid", 2)
            await came.wait()
            assert [batch.last for batch in tail.take()] == [2]
            await redis.delete(stream_key("uid"))
            await append(redis, "uid", 1)
            await append(redis, "uid", 2)
            lasts: list[int] = []
            while lasts[-2:] != [1, 2]:
                came.clear()
                await came.wait()
                lasts += [batch.last for batch in tail.take()]
    await streams.close()
    await redis.aclose()
