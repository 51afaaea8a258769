"""The events of a job, one family for all, and the JSON frames that carry them to clients.

The record's parser makes them, the API sends those that concern clients as frames, and clients get
the same classes back. Standard library only: the supervisor imports it.
"""

import json
from dataclasses import dataclass
from typing import Any

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Verdict

NO_LINE = 0
"""The line of an event whose frame does not carry it; a record's lines begin with 1."""


@dataclass(frozen=True, slots=True)
class Console:
    """Bytes that the program printed; ``newline`` says that a newline followed them."""

    line: int
    data: bytes
    newline: bool = True

    @property
    def text(self) -> str:
        """The bytes as text, whatever they are."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Message:
    """A message that the program published, numbered from 1; ``text`` is its JSON, verbatim."""

    line: int
    number: int
    text: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Interim messages ``first`` to ``first + count - 1`` were dropped: the budget was spent."""

    line: int
    first: int
    count: int

    @property
    def last(self) -> int:
        """The number of the last message that was dropped."""
        return self.first + self.count - 1


@dataclass(frozen=True, slots=True)
class ConsoleTruncated:
    """From here on all that the program printed was dropped: the budget was spent."""

    line: int


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """The program reported how far it is."""

    line: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class MalformedLine:
    """A line that no writer writes; ``why`` says what is wrong with it."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The last line. ``intact``: its count and digest match the lines that were read."""

    line: int
    verdict: Verdict
    intact: bool


FrameEvent = Console | Message | Gap | ConsoleTruncated | ProgressEvent
"""Those that clients are sent."""

Event = FrameEvent | MalformedLine | EndEvent


def frame_fields(event: Event) -> dict[str, Any] | None:
    """Return the JSON object of an event's frame; None for an event that is not for clients."""
    match event:
        case Message(number=number, final=final, text=text):
            return {"type": "message", "number": number, "final": final, "text": text}
        case Console(line=line, text=text, newline=newline):
            return {"type": "console", "line": line, "text": text, "newline": newline}
        case Gap(first=first, count=count):
            return {"type": "gap", "first": first, "count": count}
        case ConsoleTruncated():
            return {"type": "cut"}
        case ProgressEvent(progress=progress):
            return {"type": "progress", **progress.fields}
        case _:
            return None


def to_json(event: FrameEvent) -> str:
    """Write an event's frame."""
    return json.dumps(frame_fields(event))


def from_json(frame: str | bytes) -> FrameEvent | None:
    """Read a frame; None where it is of a kind that a later server may have, or is no frame."""
    try:
        return _read_fields(json.loads(frame))
    except (ValueError, RecursionError):
        return None


def _read_fields(fields: Any) -> FrameEvent | None:
    match fields:
        case {"type": "message", "number": int(number), "final": bool(final), "text": str(text)}:
            return Message(NO_LINE, number, text, final)
        case {"type": "console", "line": int(line), "text": str(text), "newline": bool(newline)}:
            return Console(line, text.encode(errors="replace"), newline)
        case {"type": "gap", "first": int(first), "count": int(count)}:
            return Gap(NO_LINE, first, count)
        case {"type": "cut"}:
            return ConsoleTruncated(NO_LINE)
        case {"type": "progress", "done": int() | float(), "total": int() | float()}:
            progress = Progress(fields["done"], fields["total"], fields.get("best"))
            return ProgressEvent(NO_LINE, progress)
        case _:
            return None
