"""The mark in Redis by which API servers tell each other how far a kind's changes are known.

It holds an epoch and a version, and the version only grows. Each server puts there the newest
version that its reads may show, or that it has written, and waits until it knows as much itself.

A new mark (Redis was emptied, the key evicted) has another epoch, and a new connection (Redis may
have come back with older data) is another origin. The mark lacks what was written before either:
then a server asks Kubernetes once.
"""

import asyncio
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from api.resources.redis_client import REDIS_ERRORS
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.shared_call import SharedCall

CONNECT_SECONDS = 1.0
"""After how long a connection is given up."""

EXCHANGE_SECONDS = 3.0
"""After how long an exchange is given up; long enough for a server that is short of CPU."""

WRITE_SECONDS = 2.0
"""How long after its last answer a write goes on to try to reach Redis."""

AWAY_SECONDS = 2.0
"""For how long Redis is not asked again by reads after it did not answer."""

# Raises the version; writes only where that changes something. It is small, so it may be written
# where live streams have filled Redis.
_EXCHANGE = """#!lua flags=allow-oom
local stored = redis.call("GET", KEYS[1])
local epoch, version = string.match(stored or "", "^(%x+) (%d+)$")
if not epoch or epoch == ARGV[3] then
  epoch, version, stored = ARGV[2], "0", false
end
if tonumber(ARGV[1]) > tonumber(version) then
  version, stored = ARGV[1], false
end
if not stored then
  redis.call("SET", KEYS[1], epoch .. " " .. version)
end
return {epoch, version}
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest version of all servers since ``origin``: our connection and the mark's epoch."""

    origin: tuple[int, str]
    version: int


class WrittenMark:
    """The mark of one kind; this server publishes how far its ``cache`` is."""

    def __init__(self, redis_url: str, key: str, cache: ResourceCache[Any]) -> None:
        self._key = key
        self._cache = cache
        self._connections = 0
        self._told = 0
        self._disowned = ""
        self._answered = -WRITE_SECONDS
        self._away_until = 0.0
        self._exchange = SharedCall(self._try_exchange)
        self._redis = Redis.from_url(
            redis_url,
            max_connections=1,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=EXCHANGE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._count_connection,
        )

    async def close(self) -> None:
        """Disconnect."""
        await self._exchange.cancel()
        await self._redis.aclose()

    async def ask(self) -> Mark | None:
        """The mark as it is now, or None where Redis does not answer."""
        return None if time.monotonic() < self._away_until else await self._exchange()

    async def tell(self) -> None:
        """Publish the newest version that reads may show here."""
        while self._told < self._cache.newest and await self.ask():
            pass

    async def tell_written(self) -> bool:
        """Publish the version of a write; return whether that succeeded.

        A Redis that answered a moment ago is waited for: it may answer the other servers. One
        failure does not count: the connection may have broken long ago.
        """
        failures = 0
        while self._told < self._cache.newest:
            if await self._exchange():
                continue
            failures += 1
            if failures > 1 and time.monotonic() - self._answered > WRITE_SECONDS:
                return False
            await asyncio.sleep(WRITE_SECONDS / 20)
        return True

    def disown(self, mark: Mark) -> None:
        """Replace the mark: its version is of another cluster, or of one that was restored."""
        logger.warning("%s has a version that Kubernetes does not know: it is replaced", self._key)
        self._disowned = mark.origin[1]

    async def _try_exchange(self) -> Mark | None:
        told = self._cache.newest
        values = (str(told), secrets.token_hex(8), self._disowned)
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS):
                answer: Any = await self._redis.eval(_EXCHANGE, 1, self._key, *values)
        except REDIS_ERRORS as error:
            self._note_failure(error)
            # What was asked may still be answered: never on a connection that is used again.
            with suppress(*REDIS_ERRORS):
                await self._redis.connection_pool.disconnect()
            return None
        self._answered, self._away_until, self._told = time.monotonic(), 0.0, told
        return Mark((self._connections, answer[0].decode()), int(answer[1]))

    def _note_failure(self, error: Exception) -> None:
        if not self._away_until:
            logger.warning("%s: reads ask Kubernetes, Redis is away: %r", self._key, error)
        self._away_until = time.monotonic() + AWAY_SECONDS

    async def _count_connection(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        self._connections += 1
