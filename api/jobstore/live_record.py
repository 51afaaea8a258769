"""A record in memory that grows, and is followed by any number of listeners.

Every store keeps one for each job that is running or has listeners. Its size is bounded by the
record's. Each listener keeps its own position, so a slow one delays nobody.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from qiskit_runtime.contract.wire.events import Event


class LiveRecord:
    """The events of one record so far."""

    def __init__(self, events: Iterable[Event] = (), *, closed: bool = False) -> None:
        self.events = list(events)
        self._closed = closed
        self._changed = asyncio.Event()
        self.error: Exception | None = None
        """Why the record ends here although events are missing, or None."""

    @property
    def is_closed(self) -> bool:
        """Return whether no more events follow."""
        return self._closed

    def append(self, events: Iterable[Event]) -> None:
        """Add events and wake the listeners."""
        self.events.extend(events)
        self._wake()

    def close(self, error: Exception | None = None) -> None:
        """End the record; listeners get the ``error``, if any, after all its events."""
        self._closed, self.error = True, error
        self._wake()

    async def follow(self) -> AsyncIterator[Event]:
        """Yield all events from the first, then new ones until ``close``; raise its error."""
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
