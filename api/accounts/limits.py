"""Rates, and the limit of what an instance may have queued."""

import math
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from qiskit_runtime.contract.resources.instance import Instance

REMEMBERED = 10_000
"""Those whose latest use of a rate is remembered; others have made none for long."""

_QUEUE_SECONDS = 60
"""The time after which another try makes sense where too many jobs wait."""


class LimitReached(Exception):
    """A limit of an instance is reached: the text names it, and when to try again is beside it."""

    def __init__(self, text: str, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Rate:
    """A rate that is kept in the mean: what was not used in the last seconds is kept as a burst.

    ``time`` is passed in, in seconds. Pure.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, -math.inf

    def take(self, now: float) -> float:
        """Return 0 and count one, or return the seconds until there is room for one."""
        grown = self._left + (now - self._at) * self._per_second
        self._left, self._at = min(self._burst, grown), now
        if self._left < 1:
            return (1 - self._left) / self._per_second
        self._left -= 1
        return 0


class Rates:
    """A rate for each of many: instances, or networks."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._rates: LRUCache[Hashable, Rate] = LRUCache(REMEMBERED)

    def take(self, who: Hashable, now: float) -> float:
        """Return 0 and count one, or return the seconds until there is room for one of theirs."""
        return self._rates.setdefault(who, Rate(self._per_second, self._burst)).take(now)


class QueuePlaces:
    """The places of every instance in the queue: at most ``most``; 0 is no limit."""

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self._submitting: Counter[Instance] = Counter()

    @contextmanager
    def hold(self, instance: Instance, queued: int) -> Iterator[None]:
        """Keep a place in the queue for a job that is stored meanwhile; ``queued`` wait already.

        Raises:
            LimitReached: there is none.
        """
        waiting = queued + self._submitting[instance]
        if self._most and waiting >= self._most:
            raise LimitReached(
                f"instance {instance.name}: {waiting} jobs are queued, and at most {self._most}"
                " may be (RUNTIME_INSTANCE_MAX_QUEUED); try again when some have run",
                _QUEUE_SECONDS,
            )
        self._submitting[instance] += 1
        try:
            yield
        finally:
            self._submitting[instance] -= 1
            # Zeros would stay for ever.
            self._submitting += Counter()
