"""Rings when there is more of a running job's record to read: Redis pub/sub, on one connection.

A ring carries nothing, and one too many does no harm. So every bell also rings when it was tuned
to, or tuned to again after a connection was lost.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from api.jobstore.kubernetes.live_stream import REDIS_ERRORS
from api.jobstore.kubernetes.resource_watch import make_pause
from qiskit_runtime.cluster_api import is_cancelled
from qiskit_runtime.contract.record_stream import doorbell

logger = logging.getLogger(__name__)


class Doorbell:
    """The bells that somebody listens to."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._bells: dict[str, set[Callable[[], None]]] = {}
        self._changed = asyncio.Event()

    @contextmanager
    def listening(self, name: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` when there may be more of this job's record."""
        channel = doorbell(name)
        self._bells.setdefault(channel, set()).add(wake)
        self._changed.set()
        try:
            yield
        finally:
            self._bells[channel].discard(wake)
            if not self._bells[channel]:
                del self._bells[channel]
            self._changed.set()

    async def run(self) -> None:
        """Ring until cancelled."""
        failures = 0
        while True:
            await self._changed.wait()
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.connect()
                    failures = 0
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._ring(pubsub))
                        tasks.create_task(self._tune(pubsub))
            except* REDIS_ERRORS as errors:
                failures += 1
                if failures == 1:
                    logger.warning("no bell rings, Redis is away: %r", errors.exceptions[0])
            await asyncio.sleep(make_pause(failures))
            self._changed.set()

    async def _ring(self, pubsub: PubSub) -> None:
        """Ring until the connection breaks."""
        while not is_cancelled():
            # It waits until there is one.
            message = await pubsub.get_message(timeout=None)
            if message and message["type"] in ("subscribe", "message"):
                for wake in self._bells.get(message["channel"].decode(), ()):
                    wake()

    async def _tune(self, pubsub: PubSub) -> None:
        """Listen to those bells that are wanted."""
        tuned = set[str]()
        while not is_cancelled():
            await self._changed.wait()
            self._changed.clear()
            wanted = set(self._bells)
            if new := wanted - tuned:
                await pubsub.subscribe(*new)
            if old := tuned - wanted:
                await pubsub.unsubscribe(*old)
            tuned = wanted
