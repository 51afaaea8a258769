"""The bounds of connections: their time, their number, and which is closed first.

uvicorn has none of these, and connections come from anybody: authentication is later.
"""

import asyncio
import logging
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The time limits of a client, in seconds."""

    request_seconds: float
    """For a request's head, and again for its body, which has more time for its size."""
    send_seconds: float
    """For a client to take what was sent."""


@dataclass(slots=True)
class OpenConnections:
    """The open connections: at most ``limit``, a tenth of them kept for other than websockets.

    If there are more, those are closed first that have never sent a whole request, then those that
    rest between two requests; the oldest of each first. One that is being answered stays.
    """

    limit: int
    _members: set["Connection"] = field(default_factory=set)
    _listeners: set["Connection"] = field(default_factory=set)
    # Dicts, for their order.
    _new: dict["Connection", None] = field(default_factory=dict)
    _resting: dict["Connection", None] = field(default_factory=dict)

    def enter(self, connection: "Connection") -> bool:
        """Take a new connection in; return False if all others are being answered."""
        if len(self._members) >= self.limit:
            if (oldest := next(iter(self._new or self._resting), None)) is None:
                logger.warning("all %d connections are busy: a new one is refused", self.limit)
                return False
            logger.warning("over %d connections: the oldest that waits is closed", self.limit)
            self.leave(oldest)
            oldest.transport.abort()
        self._members.add(connection)
        self._new[connection] = None
        return True

    def rest(self, connection: "Connection") -> None:
        """Note that a connection was answered, and rests until its next request."""
        self._resting[connection] = None

    def answer(self, connection: "Connection") -> None:
        """Note that a connection has sent a whole request."""
        self._new.pop(connection, None)
        self._resting.pop(connection, None)

    def leave(self, connection: "Connection") -> None:
        """Forget a connection."""
        self._members.discard(connection)
        self._listeners.discard(connection)
        for waiting in (self._new, self._resting):
            waiting.pop(connection, None)

    @property
    def has_listeners_place(self) -> bool:
        """Return whether one more connection may become a websocket."""
        return len(self._listeners) < self.limit - self.limit // 10

    def listen(self, connection: "Connection") -> None:
        """Take in a websocket."""
        self._members.add(connection)
        self._listeners.add(connection)


class Connection(asyncio.Protocol):
    """A connection that drops a client which reads nothing of what was sent.

    ``close`` alone would wait for such a client for ever.
    """

    bounds: Bounds
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _check: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_checking()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_checking()
        super().connection_lost(exc)

    def _check_later(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._check = self.loop.call_later(self.bounds.send_seconds, self._check_progress, unsent)

    def _check_progress(self, unsent: int) -> None:
        if self.transport.get_write_buffer_size() < unsent:
            self._check_later()
        else:
            self.transport.abort()

    def _stop_checking(self) -> None:
        if self._check is not None:
            self._check.cancel()
            self._check = None
