"""The records of running jobs in Redis, as the operator writes them there."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from api.resources.redis_client import CALL_SECONDS, REDIS_ERRORS
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.wire.record_stream import ATTEMPT, Batch, stream_key

_ENTRIES = 8
"""How many entries are read at once: 2 MiB."""


class LiveStream:
    """Reads jobs' streams."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read_after(self, uid: str, line: int) -> list[Batch]:
        """The next batches that hold more than the record's first ``line`` lines.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                # Its types leave open what of it is text.
                entries: Any = await self._redis.xrange(
                    stream_key(uid), min=f"({ATTEMPT}-{line}", count=_ENTRIES
                )
        except REDIS_ERRORS as error:
            raise StoreUnavailable("the live streams (Redis) can't be read just now") from error
        return [Batch.of_entry(entry_id, fields) for entry_id, fields in entries]
