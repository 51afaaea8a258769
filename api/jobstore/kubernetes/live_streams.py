"""The records of running jobs in Redis, followed as the operator appends to them.

One connection waits by one ``XREAD BLOCK`` for all streams that somebody follows. A stream that
joins them interrupts the call (``CLIENT UNBLOCK``), which is then made again with it. Measured
with 200 listeners, this costs less than a channel that announces each entry, and its frames are
earlier: under load the answer to one call has the entries that gathered meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from api.resources.redis_client import CALL_SECONDS, REDIS_ERRORS, open_redis
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.client import is_cancelled
from qiskit_runtime.contract.wire.pool_numbers import PoolNumbers, pool_key
from qiskit_runtime.contract.wire.record_stream import ATTEMPT, Batch, stream_key
from qiskit_runtime.host.backoff import Backoff

BLOCK_SECONDS = 15.0
"""After how long without an entry the call is answered all the same: so Redis is known to live."""

_ENTRIES = 64
"""How many entries are read at once: 16 MiB at most, but one of each stream."""

_ENTRIES_OF_ONE = 8

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Tail:
    """The new entries of one stream, kept until its reader takes them."""

    wake: Callable[[], None]
    read_lines: int
    """The lines that the reader has; it keeps this up to date."""

    requested_after: int = 0
    batches: list[Batch] = field(default_factory=list)

    def take(self) -> list[Batch]:
        """Return the entries that came since the last call."""
        batches, self.batches = self.batches, []
        return batches


class LiveStreams:
    """Reads jobs' streams, by their uids."""

    def __init__(self, redis_url: str) -> None:
        self._redis = open_redis(redis_url)
        self._blocking = open_redis(redis_url, answer_seconds=BLOCK_SECONDS + CALL_SECONDS)
        self._tails: dict[str, Tail] = {}
        self._joined = asyncio.Event()
        self._requested: set[Tail] = set()
        self._start_again_at = 0.0

    def open(self) -> None:
        """Begin to follow, as soon as Redis answers."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop following, and disconnect."""
        self._running.cancel()
        # redis-py may swallow the cancellation (see ``is_cancelled``): this ends its waiting call.
        await self._blocking.connection_pool.disconnect()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._redis.aclose()
        await self._blocking.aclose()

    async def read_after(self, uid: str, line: int) -> list[Batch]:
        """Return the next batches that hold more than the record's first ``line`` lines.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                entries: Any = await self._redis.xrange(
                    stream_key(uid), min=f"({ATTEMPT}-{line}", count=_ENTRIES_OF_ONE
                )
        except REDIS_ERRORS as error:
            raise StoreUnavailable("the live streams (Redis) can't be read just now") from error
        return [Batch.from_entry(*entry) for entry in entries]

    async def read_pool(self, namespace: str) -> PoolNumbers | None:
        """Return what the operator has reported of the pods that wait; None where it has not."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return PoolNumbers.parse(await self._redis.get(pool_key(namespace)))
        except REDIS_ERRORS:
            return None

    @contextmanager
    def following(self, uid: str, line: int, wake: Callable[[], None]) -> Iterator[Tail]:
        """Follow a stream after the record's first ``line`` lines; call ``wake`` at each entry."""
        key, tail = stream_key(uid), Tail(wake, line, line)
        self._tails[key] = tail
        self._joined.set()
        try:
            yield tail
        finally:
            # The next reader of this job may have come already.
            if self._tails.get(key) is tail:
                del self._tails[key]

    async def _run(self) -> None:
        backoff = Backoff(first=0.25, longest=10.0)
        while not is_cancelled():
            try:
                async with self._blocking.client() as connection:
                    await self._follow(connection, backoff)
            except Exception as error:  # noqa: BLE001  (nobody else would follow)
                if not (backoff.failures or is_cancelled()):
                    logger.warning("no record is followed, Redis is away: %r", error)
            await asyncio.sleep(backoff.next_seconds())

    async def _follow(self, connection: Redis, backoff: Backoff) -> None:
        """Follow on one connection until it breaks."""
        connection_id = await connection.client_id()
        interrupting = asyncio.create_task(self._interrupt(connection_id))
        try:
            self._start_again()
            while not is_cancelled():
                while not self._tails:
                    self._joined.clear()
                    await self._joined.wait()
                for key, entries in await self._read(connection):
                    self._hand_out(key.decode(), entries)
                backoff.reset()
                if time.monotonic() >= self._start_again_at:
                    self._start_again()
                # The readers' turn: what they take is read before more comes.
                await asyncio.sleep(0)
        finally:
            self._requested = set()
            interrupting.cancel()

    async def _read(self, connection: Redis) -> list[tuple[bytes, Any]]:
        """Wait for entries of all streams that are followed by now."""
        self._joined.clear()
        self._requested = set(self._tails.values())
        answer: Any = await connection.xread(
            {key: f"{ATTEMPT}-{tail.requested_after}" for key, tail in self._tails.items()},
            count=max(1, min(_ENTRIES_OF_ONE, _ENTRIES // len(self._tails))),
            block=int(BLOCK_SECONDS * 1000),
        )
        return list(answer or ())

    def _hand_out(self, key: str, entries: Any) -> None:
        tail = self._tails.get(key)
        if tail is None or tail not in self._requested:
            return
        try:
            tail.batches += [Batch.from_entry(*entry) for entry in entries]
        except (KeyError, ValueError):
            # The other streams go on; the reader of this one asks for it in its own time.
            logger.exception("%s has an entry that no operator of this version writes", key)
            del self._tails[key]
            return
        tail.requested_after = tail.batches[-1].last
        tail.wake()

    def _start_again(self) -> None:
        """Request again what readers could not use: Redis may have lost the lines before it."""
        self._start_again_at = time.monotonic() + BLOCK_SECONDS
        for tail in self._tails.values():
            if not tail.batches:
                tail.requested_after = tail.read_lines

    async def _interrupt(self, connection_id: int) -> None:
        """Interrupt the waiting call whenever it lacks a stream that is followed."""
        while True:
            await self._joined.wait()
            backoff = Backoff(first=0.01, longest=1.0)
            while not self._requested.issuperset(self._tails.values()):
                with suppress(*REDIS_ERRORS):
                    await self._redis.client_unblock(connection_id)
                # The call may not have reached Redis yet: then it is interrupted once more.
                await asyncio.sleep(backoff.next_seconds())
            self._joined.clear()
