"""The client of Redis for the API's stores."""

import socket
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CALL_SECONDS = 4.0
"""After how long a read is given up."""

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""The exceptions of a call that failed."""

_CONNECTIONS = 16

_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A server that vanished is noticed after 30 s, even where nothing is sent."""


def open_redis(url: str, answer_seconds: float = 3.0) -> Redis:
    """Return a client that connects when it is needed, and does not retry: its callers do."""
    options: dict[Any, int] = {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    }
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=CALL_SECONDS,
        socket_connect_timeout=2,
        socket_timeout=answer_seconds,
        socket_keepalive=True,
        socket_keepalive_options=options,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)
