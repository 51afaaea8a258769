"""A job's stream that survives lost connections: each frame once, whatever the server repeats.

``job_view`` shows it. The frames are the typed ones of ``/stream/jobs/{id}?logs=true``.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection

from api.cli.client import Client, Refused, Unreachable, explain_refusal

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How long to wait before each try to get a lost stream back; a new frame starts them over."""

TICK_SECONDS = 0.1
"""How often a stream without frames says ``Waiting``."""

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True)
class Console:
    """What the job printed; ``line`` is the number of its line in the record."""

    line: int
    text: str
    newline: bool


@dataclass(frozen=True, slots=True)
class Message:
    """What the job published, as JSON text."""

    number: int
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that the server had no room for."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class ConsoleTruncated:
    """From here on what the job prints is dropped."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the program is: ``done`` of ``total``, and its best value so far."""

    done: float
    total: float
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing came for a moment."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection was lost; the stream goes on where it was."""

    why: str


Frame = Console | Message | Gap | ConsoleTruncated | Progress
StreamEvent = Frame | Waiting | Reconnecting


def follow_job(client: Client, job_id: str, after: int = 0) -> Iterator[StreamEvent]:
    """The job's frames, each once, from the one after message ``after`` to the last."""
    cursor = _Cursor(after)
    failures = 0
    while True:
        seen = cursor.frames
        try:
            with client.open_stream(job_id, cursor.number) as connection:
                yield from _read_frames(connection, cursor)
            return
        except InvalidStatus as error:
            _raise_refusal(error)
            why = f"the server answered {error.response.status_code}"
        except (OSError, WebSocketException, EOFError) as error:
            why = str(error) or type(error).__name__
        failures = 0 if cursor.frames > seen else failures
        if failures == len(RETRY_SECONDS):
            raise Unreachable(
                f"the stream of job {job_id} was lost ({why}); the job goes on without it."
                f" Once the server answers: qiskit-runtime stream {job_id}"
            )
        yield Reconnecting(why)
        time.sleep(RETRY_SECONDS[failures])
        failures += 1


def _raise_refusal(error: InvalidStatus) -> None:
    """A refusal is final; a failure of the server, or too many requests, is worth another try."""
    code = error.response.status_code
    if httpx.codes.is_client_error(code) and code != _TOO_MANY_REQUESTS:
        body = (error.response.body or b"").decode(errors="replace")
        raise Refused(explain_refusal(code, body)) from None


class _Cursor:
    """How far a stream was seen. After a reconnect the server may repeat what it sent before."""

    def __init__(self, after: int) -> None:
        self.number = after
        self.frames = 0
        self._line = 0
        self._cut = False

    def take(self, frame: Frame) -> bool:
        """Whether the frame is new; if so, it is seen now."""
        match frame:
            case Console(line=line):
                is_new, self._line = line > self._line, max(line, self._line)
            case Message(number=number):
                is_new, self.number = number > self.number, max(number, self.number)
            case Gap(first=first, count=count):
                is_new, self.number = first > self.number, max(first + count - 1, self.number)
            case Progress():
                # The newest counts, whatever was seen of it.
                return True
            case ConsoleTruncated():
                is_new, self._cut = not self._cut, True
        self.frames += is_new
        return is_new


def _read_frames(connection: ClientConnection, cursor: _Cursor) -> Iterator[Frame | Waiting]:
    """The new frames, until the server says that there are no more."""
    while True:
        try:
            text = connection.recv(timeout=TICK_SECONDS)
        except TimeoutError:
            yield Waiting()
            continue
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == 1000:
                return
            raise
        frame = parse_frame(text)
        if frame is not None and cursor.take(frame):
            yield frame


def parse_frame(text: str | bytes) -> Frame | None:
    """A typed frame; None for a kind that a later server may have."""
    frame = json.loads(text)
    match frame:
        case {"type": "console", "line": int(line), "text": str(text), "newline": bool(newline)}:
            return Console(line, text, newline)
        case {"type": "message", "number": int(number), "text": str(text), "final": bool(final)}:
            return Message(number, text, final)
        case {"type": "gap", "first": int(first), "count": int(count)}:
            return Gap(first, count)
        case {"type": "cut"}:
            return ConsoleTruncated()
        case {"type": "progress", "done": int() | float(), "total": int() | float()}:
            return Progress(frame["done"], frame["total"], frame.get("best"))
        case _:
            return None
