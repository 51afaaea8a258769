"""Bounds on failed logins: for each peer, and for all peers together.

They hold for one process: with N replicas of the API a guesser has N times as many attempts. Only
failures count, so a person who knows the token is never in the way of the next.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from api.accounts.client_network import find_network

ATTEMPTS_OF_A_PEER, ATTEMPTS_IN_ALL = 10, 100
"""The failed attempts a minute, from one peer and from all."""

MINUTE = 60.0

REMEMBERED_PEERS = 10_000
"""The peers whose failures are remembered, the latest ones."""


class TooManyAttempts(Exception):
    """No attempt is free; ``seconds`` is the time until the next one is."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many failed attempts: try again in {seconds} s")
        self.seconds = seconds


class _Bucket:
    """So many attempts, which come back evenly over a minute."""

    def __init__(self, size: int) -> None:
        self._size, self._left, self._at = size, float(size), -math.inf

    def seconds_until_free(self, now: float) -> float:
        """Return the time until an attempt is free, 0 if one is."""
        self._left = min(self._size, self._left + (now - self._at) * self._size / MINUTE)
        self._at = now
        return max(0.0, (1 - self._left) * MINUTE / self._size)

    def add(self, attempts: int) -> None:
        """Take an attempt (-1), or give it back."""
        self._left = min(self._size, self._left + attempts)


class AttemptBounds:
    """The bounds of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = _Bucket(ATTEMPTS_IN_ALL)
        self._peers: LRUCache[str, _Bucket] = LRUCache(REMEMBERED_PEERS)

    @contextmanager
    def attempt(self, peer: str) -> Iterator[None]:
        """Take an attempt of a peer, an IP address, and give it back unless an error is raised.

        Raises:
            TooManyAttempts: none is free.
        """
        own = self._peers.setdefault(find_network(peer), _Bucket(ATTEMPTS_OF_A_PEER))
        buckets = (self._all, own)
        now = self._clock()
        if wait := max(bucket.seconds_until_free(now) for bucket in buckets):
            raise TooManyAttempts(math.ceil(wait))
        for bucket in buckets:
            bucket.add(-1)
        yield
        for bucket in buckets:
            bucket.add(1)
