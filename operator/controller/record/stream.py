"""Writes a running job's record into its Redis stream, and rings its readers' bell.

Redis is a cache: while it is away nothing waits for it, and when it is back, or has lost the
stream, the stream is made anew from the copy that the follower holds.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from controller.record.copy import RecordCopy
from qiskit_runtime.cluster.client import is_cancelled
from qiskit_runtime.contract.wire.record_stream import LINES_FIELD, Batch, doorbell, stream_key

EXPIRY_SECONDS = 900
"""A stream that nobody writes to any more goes by itself: its job has ended, or was deleted while
the operator was down. A writer that is away longer makes it anew."""

ENDED_EXPIRY_SECONDS = 60
"""The same of a job whose end is on its status: from then on readers have the Secrets."""

CHECK_SECONDS = 60.0
"""How often a quiet stream is looked at: Redis may have lost it."""

CLOSE_SECONDS = 2.0
"""How long the end of a job waits for Redis. Readers find what it has not in the Secrets."""

_RETRY_SECONDS = 1.0
_GROUP = 32
_BACKLOG_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class StreamWriter:
    """The writer of one job's stream."""

    def __init__(self, redis: Redis, uid: str, name: str) -> None:
        self._redis = redis
        self.name = name
        """The RuntimeJob's."""
        self._key, self._bell = stream_key(uid), doorbell(name)
        self._backlog: list[Batch] = []
        self._backlog_bytes = 0
        self._behind = False
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._caught_up.set()

    def append(self, batch: Batch) -> None:
        """Have these lines written; returns at once."""
        if not batch.lines:
            return
        self._backlog.append(batch)
        self._backlog_bytes += len(batch.lines)
        if self._backlog_bytes > _BACKLOG_BYTES:
            # Redis is slow or away: the copy has it all, compressed.
            self._behind = True
            self._forget_backlog()
        self._caught_up.clear()
        self._changed.set()

    async def run(self, copy: Callable[[], RecordCopy]) -> None:
        """Write until cancelled; ``copy`` gives all lines again."""
        while not is_cancelled():
            await self._wait_for_work()
            try:
                await self._write(copy)
            except (RedisError, OSError) as error:
                logger.warning("%s is behind: %s", self._key, error)
                self._behind = True
                await asyncio.sleep(_RETRY_SECONDS)
                self._changed.set()

    async def close(self) -> None:
        """Wait until Redis has all, for as long as the end of a job can wait."""
        try:
            await asyncio.wait_for(self._caught_up.wait(), CLOSE_SECONDS)
        except TimeoutError:
            logger.warning("%s lacks its end: Redis does not answer", self._key)

    async def _wait_for_work(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), CHECK_SECONDS)
        except TimeoutError:
            self._behind = not await self._is_there()
        self._changed.clear()

    async def _is_there(self) -> bool:
        try:
            return bool(await self._redis.expire(self._key, EXPIRY_SECONDS))
        except (RedisError, OSError):
            return False

    async def retire(self) -> None:
        """Let the stream of a job that has ended go soon."""
        with suppress(RedisError, OSError):
            await self._redis.expire(self._key, ENDED_EXPIRY_SECONDS)

    async def delete(self) -> None:
        """Remove the stream of a job that is deleted."""
        with suppress(RedisError, OSError):
            await self._redis.delete(self._key)

    async def read(self) -> RecordCopy:
        """What the stream holds; nothing where Redis is away or has lost it."""
        copy = RecordCopy()
        with suppress(RedisError, OSError):
            entries: list[Any] = await self._redis.xrange(self._key) or []
            for entry_id, fields in entries:
                batch = Batch.from_entry(entry_id, fields)
                if batch.first <= copy.lines + 1:
                    copy.feed(batch.after(copy.lines).lines)
        return copy

    async def _write(self, copy: Callable[[], RecordCopy]) -> None:
        if self._behind:
            self._forget_backlog()
            self._behind = False
            await self._append_all(copy().batches())
        while self._backlog:
            backlog = self._backlog
            self._forget_backlog()
            await self._append_all(backlog)
        if not self._behind:
            self._caught_up.set()

    def _forget_backlog(self) -> None:
        self._backlog, self._backlog_bytes = [], 0

    async def _append_all(self, batches: Iterable[Batch]) -> None:
        group: list[Batch] = []
        for batch in batches:
            group.append(batch)
            if len(group) == _GROUP:
                await self._append(group)
                group = []
        if group:
            await self._append(group)

    async def _append(self, group: list[Batch]) -> None:
        """Append in one round trip, and ring.

        Raises:
            RedisError: the stream is gone, or Redis refused.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch in group:
                # Only the first line makes a stream: one that was lost must begin with it.
                lost = batch.first > 1
                fields = {LINES_FIELD: batch.lines}
                pipe.xadd(self._key, fields, id=batch.entry_id, nomkstream=lost)  # type: ignore[arg-type]
            pipe.expire(self._key, EXPIRY_SECONDS)
            pipe.publish(self._bell, group[-1].last)
            answers = await pipe.execute(raise_on_error=False)
        for answer in answers[: len(group)]:
            if answer is None:
                raise RedisError("the stream was lost")
            if isinstance(answer, Exception) and not _is_repeat(answer):
                raise answer


def _is_repeat(error: Exception) -> bool:
    """Whether Redis has that line already: its ids only grow."""
    return isinstance(error, ResponseError) and "equal or smaller" in str(error)
