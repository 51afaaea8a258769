"""A record in memory that grows, and is followed by any number of listeners.

Every store keeps one for each job that is running or being listened to. Its size is bounded by
the record's. A listener keeps its own place, so a slow one costs a number and holds nobody up.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from qiskit_runtime.contract.wire.record import Event


class LiveRecord:
    """The events of one record so far."""

    def __init__(self, events: Iterable[Event] = (), *, closed: bool = False) -> None:
        self.events = list(events)
        self._closed = closed
        self._changed = asyncio.Event()
        self.error: Exception | None = None
        """Why nothing follows, where something is missing."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing follows."""
        return self._closed

    def append(self, events: Iterable[Event]) -> None:
        """Add events and wake the listeners."""
        self.events.extend(events)
        self._wake()

    def close(self, error: Exception | None = None) -> None:
        """Say that nothing follows; an ``error`` is why not, and what listeners get after all."""
        self._closed, self.error = True, error
        self._wake()

    async def follow(self) -> AsyncIterator[Event]:
        """All events from the first, then those to come, until ``close``; raises its error."""
        place = 0
        while True:
            while place < len(self.events):
                yield self.events[place]
                place += 1
            if self._closed:
                if self.error:
                    raise self.error
                return
            await self._changed.wait()

    def _wake(self) -> None:
        # A fresh event for the next change: no listener has to clear what others wait for.
        self._changed.set()
        self._changed = asyncio.Event()
