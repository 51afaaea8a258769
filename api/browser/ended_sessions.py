"""The sessions that people have ended, until they would have ended by themselves.

A cookie is signed and says itself how long it is good for, so an end has to be remembered: by one
server in memory, by several in the Redis that they share.
"""

import asyncio
import logging
import time

from cachetools import TTLCache

REMEMBERED_ENDS = 100_000
"""The ends that one server remembers, the latest ones."""

CALL_SECONDS = 1.0
"""The time for an answer of Redis."""

AWAY_SECONDS = 2.0
"""For how long Redis is not asked again after it did not answer."""

# It is small, so it may be written where live streams have filled Redis.
_ADD = """#!lua flags=allow-oom
return redis.call("SET", KEYS[1], "", "EX", ARGV[1])
"""

logger = logging.getLogger(__name__)


class EndedSessions:
    """The ends that this server knows of; ``seconds`` is the longest life of a session."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._numbers: TTLCache[str, None] = TTLCache(REMEMBERED_ENDS, seconds)

    async def add(self, number: str) -> None:
        """Remember that a session has ended."""
        self._numbers[number] = None

    async def has(self, number: str) -> bool:
        """Return whether a session has ended."""
        return number in self._numbers

    async def close(self) -> None:
        """Disconnect from others."""


class SharedEndedSessions(EndedSessions):
    """The ends of all servers that share a Redis.

    While Redis is away, an end holds at the server where it was made, and all other sessions go on.
    """

    def __init__(self, seconds: int, redis_url: str) -> None:
        # Local mode is installed without the client library.
        from api.resources.redis_client import REDIS_ERRORS, open_redis

        super().__init__(seconds)
        self._redis, self._errors = open_redis(redis_url, CALL_SECONDS), REDIS_ERRORS
        self._away_until = 0.0

    async def add(self, number: str) -> None:
        await super().add(number)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._redis.eval(_ADD, 1, _name(number), self._seconds)
        except self._errors as error:
            logger.warning("other servers don't know that a session has ended: %r", error)

    async def has(self, number: str) -> bool:
        if await super().has(number):
            return True
        if time.monotonic() < self._away_until:
            return False
        try:
            async with asyncio.timeout(CALL_SECONDS):
                found = await self._redis.get(_name(number)) is not None
        except self._errors as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("a session may have been ended at another server: %r", error)
            return False
        if found:
            await super().add(number)
        return found

    async def close(self) -> None:
        await self._redis.aclose()


def _name(number: str) -> str:
    return f"logged-out:{number}"
