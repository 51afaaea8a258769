"""The client of Redis, as the API's stores make it."""

import socket
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CALL_SECONDS = 4.0
"""After how long a read is given up."""

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""How a call can fail."""

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
