"""A job's stream over connections that break, without I/O: each event once, in order.

Both clients drive it: they connect where it says, hand it frames and lost connections, and get
events back.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from qiskit_runtime.client.address import Address
from qiskit_runtime.client.errors import (
    GONE,
    NOT_FOUND,
    Refused,
    StreamLost,
    explain_refusal,
    read_detail,
)
from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    FrameEvent,
    Gap,
    Message,
    ProgressEvent,
    from_json,
)
from qiskit_runtime.host.backoff import Backoff

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.3, 8.0
"""The pauses before tries to get a lost stream back; a connection that holds starts them over."""

TRIES = 6

TICK_SECONDS = 0.1
"""The time without frames after which a stream yields ``Waiting``."""

OPEN_SECONDS = 10.0
"""The time to connect."""

NEVER = float("inf")

AFTER_ALL = 2**31 - 1
"""A number after every message: a stream from there on is silent, and closes as the job ends."""

STREAM_LOSSES = (OSError, WebSocketException, EOFError)
"""The errors of a connection that broke or was refused."""

_TOO_MANY_REQUESTS = 429
_CLOSED_FOR_GOOD = {
    4404: Refused(NOT_FOUND, "the job was deleted"),
    4410: Refused(GONE, "the job's record is not kept any more"),
}
"""The server's close codes after which another connection would get no further."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """No event came for a moment."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection was lost; the stream goes on from its last event."""

    why: str


Notice = Waiting | Reconnecting
StreamEvent = FrameEvent | Notice


class JobStream:
    """The state of one stream: the last event, the failures since, and the end.

    One that is not ``live`` ends when all that was there has come. No connection and no pause lasts
    longer than until ``time.monotonic()`` is at ``deadline``.
    """

    def __init__(
        self,
        address: Address,
        job_id: str,
        after: int = 0,
        deadline: float = NEVER,
        *,
        live: bool = True,
    ) -> None:
        self._address, self._job_id, self._deadline = address, job_id, deadline
        self._live = live
        self._cursor = _Cursor(after)
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self.has_ended = False
        """True after the server's last frame."""
        self.pause = 0.0
        """Seconds to wait before the next connection."""

    @property
    def url(self) -> str:
        """The websocket to connect to next."""
        return self._address.stream_url(self._job_id, self._cursor.number, live=self._live)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of websockets' ``connect`` for the next connection."""
        seconds = min(OPEN_SECONDS, self._seconds_left())
        return {**self._address.stream_options(), "open_timeout": seconds}

    def _seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def take(self, frame: str | bytes | None) -> Iterator[StreamEvent]:
        """Yield the event of a frame, where it is new; ``Waiting`` for a moment without one."""
        if frame is None:
            # The connection holds: a long job may lose any number of them.
            self._backoff.reset()
            yield Waiting()
            return
        event = from_json(frame)
        if event is not None and self._cursor.takes(event):
            self._backoff.reset()
            yield event

    def lose(self, error: Exception) -> Iterator[StreamEvent]:
        """Yield ``Reconnecting`` after a lost connection; nothing where it was the stream's end.

        Raises:
            Refused: the server answered with a 4xx, or closed for good.
            StreamLost: the stream did not come back.
        """
        if isinstance(error, ConnectionClosed) and error.rcvd is not None:
            if error.rcvd.code == 1000:
                self.has_ended, self.pause = True, 0.0
                return
            if refusal := _CLOSED_FOR_GOOD.get(error.rcvd.code):
                raise Refused(refusal.status, refusal.detail) from None
        why = _explain_loss(error)
        if self._backoff.failures == TRIES:
            raise StreamLost(self._job_id, self._cursor.number, why) from None
        self.pause = min(self._backoff.next_seconds(), self._seconds_left())
        self._cursor.rewind()
        yield Reconnecting(why)


def _explain_loss(error: Exception) -> str:
    """A refusal is final; a failure of the server, or too many requests, is worth another try."""
    if not isinstance(error, InvalidStatus):
        return str(error) or type(error).__name__
    code = error.response.status_code
    body = (error.response.body or b"").decode(errors="replace")
    if 400 <= code < 500 and code != _TOO_MANY_REQUESTS:
        raise explain_refusal(code, body) from None
    detail = read_detail(body)
    return f"the server answered {code}" + f": {detail}" * bool(detail)


class _Cursor:
    """The position in a stream. After a reconnect the server repeats all after the last message.

    Console lines and messages have numbers. Progress has none: it is counted since that message.
    """

    def __init__(self, after: int) -> None:
        self.number = after
        self._line = 0
        self._is_cut = False
        self._reports = self._repeated_reports = 0

    def rewind(self) -> None:
        """Expect the events after the last message once more."""
        self._repeated_reports = self._reports

    def takes(self, event: FrameEvent) -> bool:
        """Return whether the event is new, and move behind it."""
        match event:
            case Console(line=line):
                is_new, self._line = line > self._line, max(line, self._line)
                return is_new
            case Message(number=number):
                return self._passes(number, number)
            case Gap(first=first, last=last):
                return self._passes(first, last)
            case ConsoleTruncated():
                is_new, self._is_cut = not self._is_cut, True
                return is_new
            case ProgressEvent():
                is_new = not self._repeated_reports
                self._repeated_reports -= not is_new
                self._reports += is_new
                return is_new

    def _passes(self, first: int, last: int) -> bool:
        is_new = first > self.number
        if is_new:
            self.number, self._reports, self._repeated_reports = last, 0, 0
        return is_new
