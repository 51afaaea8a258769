"""The one parser of records, whose form is in ``record_form``.

The supervisor writes a record with ``runner.record_writer``; the API (local mode) and the operator
read it back with ``RecordParser``, and everything that a client sees is derived from the events. A
message is the JSON text exactly as the program encoded it: it is never decoded here. Standard
library only.
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence

from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    EndEvent,
    Event,
    Gap,
    MalformedLine,
    Message,
    ProgressEvent,
)
from qiskit_runtime.contract.wire.progress import Progress, parse_progress
from qiskit_runtime.contract.wire.record_form import (
    INTERIM_TEXT_BUDGET,
    LINE_OVERHEAD,
    MARK,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    MESSAGE_OVERHEAD,
    RESULT_BUDGET,
)
from qiskit_runtime.contract.wire.verdict import Verdict, checksum, parse_verdict

_FRAME = re.compile(rb"([if]) (\d{1,12}) (\d{1,5}) (\d{1,6})/(\d{1,6}) ([=~])(.*)", re.DOTALL)
_GAP = re.compile(rb"g (\d{1,12}) (\d{1,12})")
_END = re.compile(rb"v ([0-9a-f]{8}) (.*)", re.DOTALL)


def verdict_at_end(events: Sequence[Event]) -> Verdict | None:
    """The verdict that the events end with, if it vouches for all of the record."""
    last = events[-1] if events else None
    return last.verdict if isinstance(last, EndEvent) and last.intact else None


def newest_progress(events: Sequence[Event]) -> Progress | None:
    """Return the last report of progress; None without any."""
    return next((e.progress for e in reversed(events) if isinstance(e, ProgressEvent)), None)


class RecordParser:
    """Reads a record in pieces of any size and yields its events. Never raises.

    Holds at most one line, one frame's chunks (``RESULT_BUDGET``) and one frame's messages
    (``MAX_MESSAGE_BYTES``). A line that no writer writes is a ``MalformedLine``; interim messages
    over ``INTERIM_TEXT_BUDGET`` are a ``Gap``; reading goes on after both.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._line = 0
        self._rest = b""
        self._overlong = False
        self._ended = False
        self._chunks: list[bytes] = []
        self._chunks_bytes = 0
        self._next_chunk: tuple[bytes, ...] | None = None
        self._interim_text_left = INTERIM_TEXT_BUDGET

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events of the lines that ``data`` completes."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._parse_line(line)
        self._rest = rest
        if len(rest) >= MAX_LINE_BYTES:
            self._overlong, self._rest = True, b""

    @property
    def lines(self) -> int:
        """The number of lines that were read."""
        return self._line

    def _parse_line(self, line: bytes) -> Iterator[Event]:
        self._line += 1
        if self._ended:
            yield self._garbage("a line after the verdict")
        elif self._overlong or len(line) >= MAX_LINE_BYTES:
            self._overlong = False
            yield self._garbage(f"a line of {MAX_LINE_BYTES} bytes or more")
        elif line[:2] == MARK + b"v":
            yield self._parse_end(line)
        else:
            self._digest.update(line + b"\n")
            yield from self._parse_entry(line)

    def _parse_entry(self, line: bytes) -> Iterator[Event]:
        kind = line[1:2] if line[:1] == MARK else b""
        if self._next_chunk is not None and kind not in (b"i", b"f"):
            yield self._forget_frame()
        if not kind and line[:1] != MARK:
            yield Console(self._line, line)
        elif kind in (b"l", b"c") and len(line) >= 3 and line.endswith(MARK):
            yield Console(self._line, line[2:-1], newline=kind == b"l")
        elif line == MARK + b"x":
            yield ConsoleTruncated(self._line)
        elif kind == b"g" and (gap := _GAP.fullmatch(line, 1)):
            yield Gap(self._line, int(gap[1]), int(gap[2]))
        elif kind == b"p" and (progress := parse_progress(line[2:])):
            yield ProgressEvent(self._line, progress)
        elif kind in (b"i", b"f") and (frame := _FRAME.fullmatch(line, 1)):
            yield from self._parse_frame(frame)
        else:
            yield self._garbage("a frame of unknown form")

    def _parse_frame(self, frame: re.Match[bytes]) -> Iterator[Event]:
        kind, first, count, index, chunks, encoding, payload = frame.groups()
        header = (kind, first, count, index, chunks, encoding)
        if self._next_chunk is not None and header != self._next_chunk:
            yield self._forget_frame()
        if self._next_chunk is None and index != b"1":
            yield self._garbage("a chunk without those before it")
            return
        self._chunks.append(payload)
        self._chunks_bytes += len(payload) + LINE_OVERHEAD
        if self._chunks_bytes > RESULT_BUDGET:
            yield self._forget_frame("over the budget")
        elif index == chunks:
            body = b"".join(self._chunks)
            self._forget_chunks()
            yield from self._parse_messages(kind == b"f", int(first), int(count), encoding, body)
        else:
            self._next_chunk = (kind, first, count, b"%d" % (int(index) + 1), chunks, encoding)

    def _parse_messages(
        self, final: bool, first: int, count: int, encoding: bytes, body: bytes
    ) -> Iterator[Event]:
        try:
            payload = _inflate(body) if encoding == b"~" else body
            cost = 0 if final else len(payload) + count * MESSAGE_OVERHEAD
            if cost > self._interim_text_left:
                yield Gap(self._line, first, count)
                return
            self._interim_text_left -= cost
            # Never split first: a payload of nothing but marks would be a million times its size.
            is_joined = 1 < count == payload.count(MARK) + 1
            texts = [one.decode() for one in (payload.split(MARK) if is_joined else [payload])]
        except (ValueError, zlib.error) as error:
            yield self._garbage(f"a payload that can't be read: {error}")
            return
        if len(texts) != count or (final and count != 1):
            yield self._garbage("a frame with another number of messages than it says")
            return
        yield from (Message(self._line, first + at, text, final) for at, text in enumerate(texts))

    def _parse_end(self, line: bytes) -> Event:
        fields = _END.fullmatch(line, 1)
        verdict = parse_verdict(fields[2]) if fields else None
        if fields is None or verdict is None or checksum(fields[2]) != fields[1]:
            return self._garbage("a verdict of unknown form")
        self._ended = True
        intact = (verdict.lines, verdict.sha256) == (self._line - 1, self._digest.hexdigest())
        return EndEvent(self._line, verdict, intact)

    def _forget_chunks(self) -> None:
        self._chunks, self._chunks_bytes, self._next_chunk = [], 0, None

    def _forget_frame(self, why: str = "lacks chunks") -> MalformedLine:
        self._forget_chunks()
        return self._garbage(f"a frame {why}")

    def _garbage(self, why: str) -> MalformedLine:
        # Whatever was lost here, the digest can't match any more.
        self._digest.update(b"garbage")
        return MalformedLine(self._line, why)


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(base64.b64decode(body, validate=True), MAX_MESSAGE_BYTES)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError(f"not a whole payload of at most {MAX_MESSAGE_BYTES} bytes")
    return payload
