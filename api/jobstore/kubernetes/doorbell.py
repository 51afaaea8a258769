"""Rings when there is more of a running job's record to read: Redis pub/sub, on one connection.

A ring carries nothing, and one too many does no harm. So all bells also ring when the connection
was made, or made again after it was lost.

One task subscribes to the bells of all jobs and reads. To subscribe to single ones while another
task reads is more than redis-py bears when the connection breaks: it was seen to wait for ever.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from qiskit_runtime.cluster.client import is_cancelled
from qiskit_runtime.contract.wire.record_stream import doorbell
from qiskit_runtime.host.backoff import Backoff

SUBSCRIBE_SECONDS = 5.0
"""How long it may take to connect and subscribe."""

QUIET_SECONDS = 15.0
"""After how long without a ring the server is asked whether it is there, and has to answer."""

logger = logging.getLogger(__name__)


class Doorbell:
    """The bells that somebody listens to."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._bells: dict[str, set[Callable[[], None]]] = {}

    @contextmanager
    def listening(self, name: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` when there may be more of this job's record."""
        channel = doorbell(name)
        self._bells.setdefault(channel, set()).add(wake)
        # What was rung before is not rung again.
        wake()
        try:
            yield
        finally:
            self._bells[channel].discard(wake)
            if not self._bells[channel]:
                del self._bells[channel]

    async def run(self) -> None:
        """Ring until cancelled."""
        backoff = Backoff(first=0.25, longest=10.0)
        while not is_cancelled():
            try:
                pubsub = self._redis.pubsub()
                try:
                    async with asyncio.timeout(SUBSCRIBE_SECONDS):
                        await pubsub.psubscribe(doorbell("*"))
                    backoff.reset()
                    await self._ring(pubsub)
                finally:
                    async with asyncio.timeout(SUBSCRIBE_SECONDS):
                        await pubsub.aclose()  # type: ignore[no-untyped-call]  # (ships no type)
            except Exception as error:  # noqa: BLE001  (nobody else would ring)
                if backoff.failures == 0:
                    logger.warning("no bell rings, Redis is away: %r", error)
            await asyncio.sleep(backoff.next_seconds())

    async def _ring(self, pubsub: PubSub) -> None:
        """Ring until the connection breaks, or falls silent."""
        is_asked = False
        while not is_cancelled():
            message = await pubsub.get_message(timeout=QUIET_SECONDS)
            if message is None:
                if is_asked:
                    raise TimeoutError("Redis does not answer")
                await pubsub.ping()
                is_asked = True
                continue
            is_asked = False
            if message["type"] == "psubscribe":
                for channel in list(self._bells):
                    self._wake(channel)
            elif message["type"] == "pmessage":
                self._wake(message["channel"].decode())

    def _wake(self, channel: str) -> None:
        for wake in list(self._bells.get(channel, ())):
            wake()
