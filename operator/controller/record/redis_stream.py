"""The Redis stream of one running job's record, and the notifications of its readers.

Redis is a cache: while it is away nothing waits for it. When it is back, or has lost the stream,
all of it is written again, from the copy that the pipeline holds.
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
from qiskit_runtime.contract.wire.record_stream import (
    LINES_FIELD,
    Batch,
    notification_channel,
    stream_key,
)
from qiskit_runtime.host.backoff import Backoff

EXPIRY_SECONDS = 900
"""The time to live of a stream since it was written or looked at: the job may have ended, or was
deleted while no operator was there. A writer that is away longer writes it again."""

ENDED_EXPIRY_SECONDS = 60
"""The same of a job whose end is on its status: from then on readers have the Secrets."""

CHECK_SECONDS = 60.0
"""How often a quiet stream is looked at: Redis may have lost it."""

DRAIN_SECONDS = 2.0
"""How long the end of a job waits for Redis. Readers find the rest in the Secrets."""

RETRY_SECONDS = 2.0
"""The longest pause until Redis is tried again."""

BACKLOG_BYTES = 1 << 20
"""The most that waits for Redis; a writer with more to write begins again with the copy."""

_GROUP = 32

logger = logging.getLogger(__name__)


class RedisStream:
    """The writer of one job's stream."""

    def __init__(self, redis: Redis, uid: str, name: str) -> None:
        self._redis = redis
        self.name = name
        """The RuntimeJob's."""
        self._key, self._channel = stream_key(uid), notification_channel(name)
        self._backlog: list[Batch] = []
        self._backlog_bytes = 0
        self._is_behind = False
        self._backoff = Backoff(RETRY_SECONDS / 2, RETRY_SECONDS)
        self._changed = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._caught_up.set()

    def append(self, batch: Batch) -> None:
        """Have these lines written; returns at once."""
        if not batch.lines:
            return
        self._backlog.append(batch)
        self._backlog_bytes += len(batch.lines)
        if self._backlog_bytes > BACKLOG_BYTES:
            # Redis is slow or away: the copy has it all, compressed.
            self._is_behind = True
            self._clear_backlog()
        self._caught_up.clear()
        self._changed.set()

    async def run(self, copy: Callable[[], RecordCopy]) -> None:
        """Write until cancelled; ``copy`` returns all lines that were read so far."""
        while not is_cancelled():
            await self._wait_for_work()
            try:
                await self._write(copy)
                self._backoff.reset()
            except (RedisError, OSError) as error:
                logger.warning("%s is behind: %s", self._key, error)
                self._is_behind = True
                await asyncio.sleep(self._backoff.next_seconds())
                self._changed.set()

    async def drain(self) -> None:
        """Wait until Redis has all, for as long as the end of a job can wait."""
        try:
            await asyncio.wait_for(self._caught_up.wait(), DRAIN_SECONDS)
        except TimeoutError:
            logger.warning("%s lacks its end: Redis does not answer", self._key)

    async def retire(self) -> None:
        """Let the stream of a job that has ended expire soon."""
        with suppress(RedisError, OSError):
            await self._redis.expire(self._key, ENDED_EXPIRY_SECONDS)

    async def delete(self) -> None:
        """Remove the stream of a job that is deleted."""
        with suppress(RedisError, OSError):
            await self._redis.delete(self._key)

    async def read(self) -> RecordCopy:
        """Read what the stream holds: nothing where Redis is away or has lost it."""
        copy = RecordCopy()
        with suppress(RedisError, OSError):
            entries: list[Any] = await self._redis.xrange(self._key) or []
            for entry_id, fields in entries:
                batch = Batch.from_entry(entry_id, fields)
                if batch.first <= copy.lines + 1:
                    copy.feed(batch.after(copy.lines).lines)
        return copy

    async def _wait_for_work(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), CHECK_SECONDS)
        except TimeoutError:
            self._is_behind = not await self._is_there()
        self._changed.clear()

    async def _is_there(self) -> bool:
        try:
            return bool(await self._redis.expire(self._key, EXPIRY_SECONDS))
        except (RedisError, OSError):
            return False

    async def _write(self, copy: Callable[[], RecordCopy]) -> None:
        if self._is_behind:
            self._clear_backlog()
            self._is_behind = False
            await self._append_all(copy().batches())
        while self._backlog:
            backlog = self._backlog
            self._clear_backlog()
            await self._append_all(backlog)
        if not self._is_behind:
            self._caught_up.set()

    def _clear_backlog(self) -> None:
        self._backlog, self._backlog_bytes = [], 0

    async def _append_all(self, batches: Iterable[Batch]) -> None:
        group: list[Batch] = []
        for batch in batches:
            group.append(batch)
            if len(group) == _GROUP:
                await self._append_group(group)
                group = []
        if group:
            await self._append_group(group)

    async def _append_group(self, group: list[Batch]) -> None:
        """Append in one round trip, and notify the readers.

        Raises:
            RedisError: the stream is gone, or Redis refused.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            for batch in group:
                # Only the first line makes a stream: one that was lost must begin with it.
                is_later = batch.first > 1
                fields = {LINES_FIELD: batch.lines}
                pipe.xadd(self._key, fields, id=batch.entry_id, nomkstream=is_later)  # type: ignore[arg-type]  # redis-py's types lack bytes as keys
            pipe.expire(self._key, EXPIRY_SECONDS)
            pipe.publish(self._channel, group[-1].last)
            answers = await pipe.execute(raise_on_error=False)
        for answer in answers[: len(group)]:
            if answer is None:
                raise RedisError("the stream was lost")
            if isinstance(answer, Exception) and not _is_repeat(answer):
                raise answer


def _is_repeat(error: Exception) -> bool:
    """Return whether Redis has that line already: its ids only grow."""
    return isinstance(error, ResponseError) and "equal or smaller" in str(error)
