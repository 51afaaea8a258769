"""How often an instance submits jobs: counted by one server in memory, by several in their Redis.

While Redis is away each server counts for itself, so nobody waits for it.
"""

import asyncio
import logging
import math
import time

from api.accounts.limits import LimitReached, Rates
from api.settings import ApiSettings
from qiskit_runtime.contract.resources.instance import Instance

CALL_SECONDS = 1.0
"""The time for an answer of Redis."""

AWAY_SECONDS = 2.0
"""For how long Redis is not asked again after it did not answer."""

# The key has the time at which all that was taken is earned again: at most a burst ahead of now.
# It is small, so it may be written where live streams have filled Redis.
_TAKE = """#!lua flags=allow-oom
local seconds, micros = unpack(redis.call("TIME"))
local now, gap, burst = seconds + micros / 1000000, tonumber(ARGV[1]), tonumber(ARGV[2])
local earned = math.max(tonumber(redis.call("GET", KEYS[1]) or "0"), now) + gap
local wait = earned - now - gap * burst
if wait > 0.000001 then return tostring(wait) end
redis.call("SET", KEYS[1], string.format("%.6f", earned), "EX", math.ceil(earned - now))
return "0"
"""

logger = logging.getLogger(__name__)


class SubmissionRates:
    """The rate of each instance, as this server counts it; a second's worth may come at once.

    0 is no limit.
    """

    def __init__(self, per_second: float = 0) -> None:
        self.per_second, self.burst = per_second, max(1.0, per_second)
        self._rates = Rates(per_second, self.burst)

    async def take(self, instance: Instance) -> float:
        """Return 0 and count a submission, or return the seconds until there is room for one."""
        return self._rates.take(instance, time.monotonic())

    async def check(self, instance: Instance) -> None:
        """Count a submission.

        Raises:
            LimitReached: there were too many in the last second.
        """
        if self.per_second and (wait := await self.take(instance)):
            raise LimitReached(
                f"instance {instance.name}: at most {self.per_second:g} jobs a second are taken"
                " (RUNTIME_INSTANCE_JOBS_PER_SECOND)",
                math.ceil(wait),
            )

    async def close(self) -> None:
        """Disconnect from others."""


class SharedSubmissionRates(SubmissionRates):
    """The rates as all servers of a namespace count them together: in one exchange, at once."""

    def __init__(self, per_second: float, redis_url: str, namespace: str) -> None:
        # Local mode is installed without the client library.
        from api.resources.redis_client import REDIS_ERRORS, open_redis

        super().__init__(per_second)
        self._redis, self._errors = open_redis(redis_url, CALL_SECONDS), REDIS_ERRORS
        self._namespace = namespace
        self._away_until = 0.0

    async def take(self, instance: Instance) -> float:
        if time.monotonic() < self._away_until:
            return await super().take(instance)
        name, gap = f"rate:{self._namespace}:{instance.name}", 1 / self.per_second
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return float(await self._redis.eval(_TAKE, 1, name, gap, self.burst))
        except self._errors as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("this server counts submissions for itself: %r", error)
            return await super().take(instance)

    async def close(self) -> None:
        await self._redis.aclose()


def make_submission_rates(settings: ApiSettings) -> SubmissionRates:
    """Return the rates of instances; without accounts there is one tenant, and no limit."""
    per_second = settings.instance_jobs_per_second if settings.has_accounts else 0
    if per_second and settings.namespace:
        url = settings.redis_url.get_secret_value()
        return SharedSubmissionRates(per_second, url, settings.namespace)
    return SubmissionRates(per_second)
