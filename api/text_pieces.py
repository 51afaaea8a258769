"""Long texts in pieces, so that one that goes to many clients is never whole in memory for each.

JSON strings, and the logs of a job: its record as people read it.
"""

import json
from collections.abc import Iterable, Iterator

from qiskit_runtime.contract.wire.events import Console, ConsoleTruncated, Event, Gap, Message
from qiskit_runtime.contract.wire.record_form import CONSOLE_BUDGET

PIECE = 1 << 14
"""The characters that are sent at once."""


TRACEBACK = "Traceback (most recent call last)"
"""The first words of a traceback, as Python prints it."""


def cut(text: str) -> Iterator[str]:
    """Cut a text into pieces; an empty text is one piece."""
    yield text[:PIECE]
    for at in range(PIECE, len(text), PIECE):
        yield text[at : at + PIECE]


class SmallPieces:
    """Small pieces that are held until they are worth sending."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._size = 0

    def add(self, piece: str) -> str:
        """Hold a piece; returns all that is held once it is ``PIECE`` characters, else nothing."""
        self._held.append(piece)
        self._size += len(piece)
        return self.take() if self._size >= PIECE else ""

    def take(self) -> str:
        """Return what is held, and hold it no more."""
        joined = "".join(self._held)
        self._held, self._size = [], 0
        return joined


def join_small(texts: Iterable[str]) -> Iterator[str]:
    """Return the same text in pieces that are neither large nor many."""
    small = SmallPieces()
    for piece in (piece for text in texts for piece in cut(text)):
        if joined := small.add(piece):
            yield joined
    yield small.take()


def json_pieces(texts: Iterable[str], *, ascii_only: bool = False) -> Iterator[str]:
    """Write texts, one after the other, as one JSON string, in pieces."""
    yield '"'
    for piece in join_small(texts):
        # Each character is escaped alone, so a text may be cut anywhere.
        yield json.dumps(piece, ensure_ascii=ascii_only)[1:-1]
    yield '"'


def log_pieces(events: Iterable[Event]) -> Iterator[str]:
    """Return what was printed, and a line for each message, in the order they happened."""
    at_line_start = True
    for event in events:
        if isinstance(event, Console):
            yield event.data.decode(errors="replace") + "\n" * event.newline
            at_line_start = event.newline
        elif line := _format_line(event):
            # Three pieces: the line may be large, and is not copied into another text.
            yield from ("\n" * (not at_line_start), line, "\n")
            at_line_start = True


def console_pieces(events: Iterable[Event]) -> Iterator[str]:
    """Return what was printed, and where it was cut, without messages."""
    return log_pieces(event for event in events if isinstance(event, Console | ConsoleTruncated))


def find_traceback(events: Iterable[Event]) -> str:
    """Return the last traceback that was printed, to the end of what was; empty without one."""
    lines: list[str] = []
    for event in reversed([event for event in events if isinstance(event, Console)]):
        lines.append(event.text + "\n" * event.newline)
        if event.text.lstrip().startswith(TRACEBACK):
            return "".join(reversed(lines))
    return ""


def _format_line(event: Event) -> str:
    match event:
        case Message(text=text):
            return text
        case ConsoleTruncated():
            return f"[the console is cut here: its limit is {CONSOLE_BUDGET} bytes]"
        case Gap(first=first, count=count):
            return f"[{count} interim results from number {first} on were dropped: over the limit]"
        case _:
            return ""
