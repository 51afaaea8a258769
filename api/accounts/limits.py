"""Rates, and the limits of an instance: what it may have queued, and submit in a second.

They are counted in this process' memory: how often one instance submits, each server of a cluster
counts for itself.
"""

import math
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class InstanceBounds:
    """The limits of each instance; 0 is none."""

    max_queued: int = 0
    jobs_per_second: float = 0


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


class InstanceLimits:
    """The count of every instance's submissions."""

    def __init__(self, bounds: InstanceBounds) -> None:
        self._bounds = bounds
        most = bounds.jobs_per_second
        self._rates = Rates(most, max(1.0, most))
        self._submitting: Counter[Instance] = Counter()

    def check_rate(self, instance: Instance) -> None:
        """Count a submission.

        Raises:
            LimitReached: there were too many in the last second.
        """
        most = self._bounds.jobs_per_second
        if not most:
            return
        if wait := self._rates.take(instance, time.monotonic()):
            raise LimitReached(
                f"instance {instance.name}: at most {most:g} jobs a second are taken"
                " (RUNTIME_INSTANCE_JOBS_PER_SECOND)",
                math.ceil(wait),
            )

    @contextmanager
    def hold_place(self, instance: Instance, queued: int) -> Iterator[None]:
        """Keep a place in the queue for a job that is stored meanwhile; ``queued`` wait already.

        Raises:
            LimitReached: there is none.
        """
        most = self._bounds.max_queued
        waiting = queued + self._submitting[instance]
        if most and waiting >= most:
            raise LimitReached(
                f"instance {instance.name}: {waiting} jobs are queued, and at most {most} may be"
                " (RUNTIME_INSTANCE_MAX_QUEUED); try again when some have run",
                _QUEUE_SECONDS,
            )
        self._submitting[instance] += 1
        try:
            yield
        finally:
            self._submitting[instance] -= 1
            # Zeros would stay for ever.
            self._submitting += Counter()
