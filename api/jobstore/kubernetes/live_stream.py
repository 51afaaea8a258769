"""The records of running jobs in Redis, as the operator writes them there."""

import asyncio
import socket
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from api.jobstore.base import StoreUnavailable
from qiskit_runtime.contract.record_stream import ATTEMPT, Batch, stream_key

CALL_SECONDS = 4.0
"""After how long a read is given up."""

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""How a call can fail."""

_ENTRIES = 8
"""How many entries are read at once: 2 MiB."""

_CONNECTIONS = 16

_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A server that went away without a word is noticed after 30 s, also where nothing is sent."""


def open_redis(url: str) -> Redis:
    """A client that connects when it is needed. Its callers try again by themselves."""
    options: dict[Any, int] = {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    }
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=CALL_SECONDS,
        socket_connect_timeout=2,
        socket_timeout=3,
        socket_keepalive=True,
        socket_keepalive_options=options,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


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
