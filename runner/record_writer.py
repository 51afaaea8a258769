"""Writes a record within its budgets. Used by the supervisor alone; the format is in ``record``."""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record import (
    CHUNK_BYTES,
    CONSOLE_BUDGET,
    INTERIM_BUDGET,
    INTERIM_TEXT_BUDGET,
    KIB,
    LINE_OVERHEAD,
    MARK,
    MESSAGE_OVERHEAD,
    PROGRESS_BUDGET,
    RESULT_BUDGET,
    TRACEBACK_BUDGET,
)
from qiskit_runtime.contract.wire.verdict import Verdict, checksum

BATCH_BYTES = 64 * KIB
"""Interim messages that wait for one frame, at most, with their overhead."""

VERBATIM_BYTES = 1 * KIB
"""A larger payload is compressed."""

_CONTROL = re.compile(rb"[\x00-\x1f]")


class ResultTooLarge(ValueError):
    """The final result does not fit into the record; the text says how large it is and may be."""


class RecordWriter:
    """Turns what a program prints and publishes into record lines, within the budgets.

    Pure: ``write`` is called with whole lines, one or more at a time, in order. Interim messages
    wait in a batch until ``flush`` or until something else must be written after them.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._lines = 0
        self._partial = b""
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._published = 0
        self._gap = 0
        self._dropped_messages = 0
        self._dropped_console_bytes = 0
        self._console_left = CONSOLE_BUDGET
        self._interim_left = INTERIM_BUDGET
        self._interim_text_left = INTERIM_TEXT_BUDGET
        self._progress_left = PROGRESS_BUDGET
        self._cut = False
        self._mid_line = False
        self._has_traceback = False
        self.has_final = False

    def console(self, data: bytes) -> None:
        """Write what the program printed; a last line without its newline waits for the rest."""
        if self._cut:
            self._dropped_console_bytes += len(data)
            return
        self._flush_batch()
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._mid_line = self._mid_line and not lines
        self._write_console(_console_lines(lines))
        if len(self._partial) >= CHUNK_BYTES:
            self._flush_partial()

    def message(self, text: bytes, *, final: bool = False) -> None:
        """Write a message's JSON text; drop an interim one that there is no room for.

        Raises:
            ResultTooLarge: the final result does not fit; nothing of it was written.
        """
        self._flush_partial()
        if final:
            self._write_final(text)
            return
        cost = len(text) + 1 + MESSAGE_OVERHEAD
        if self._batch_bytes + cost > BATCH_BYTES or MARK in text:
            self._flush_batch()
        self._batch.append(text)
        self._batch_bytes += cost
        if self._batch_bytes > BATCH_BYTES or MARK in text:
            self._flush_batch()

    def drop(self) -> None:
        """Count an interim message over ``MAX_MESSAGE_BYTES`` as dropped."""
        self.flush()
        self._note_gap(1)

    def progress(self, progress: Progress) -> None:
        """Write how far the program is; whoever calls sees that it does not come too often."""
        line = MARK + b"p " + progress.to_json().encode() + b"\n"
        if len(line) + LINE_OVERHEAD <= self._progress_left:
            self._progress_left -= len(line) + LINE_OVERHEAD
            self.flush()
            self._emit([line])

    def traceback(self, text: str) -> None:
        """Write the traceback that ended the program, also after a cut; there is room for one."""
        if self._has_traceback:
            return
        self._has_traceback = True
        self.flush()
        lines = _fit_traceback(text.encode(errors="replace").rstrip(b"\n").split(b"\n"))
        # It begins on a line of its own.
        self._emit(_console_lines([b"", *lines] if self._mid_line else lines))
        self._mid_line = False

    @property
    def pending(self) -> bool:
        """Whether something waits for ``flush``."""
        return bool(self._batch or self._partial)

    def flush(self) -> None:
        """Write what waits: a batch of messages, or a line that has no newline yet."""
        self._flush_batch()
        self._flush_partial()

    def finish(self, verdict: Verdict) -> Verdict:
        """Write the last line: the verdict, completed with what the writer counted."""
        self.flush()
        self._write_gap()
        complete = replace(
            verdict,
            final=self.has_final,
            lines=self._lines,
            sha256=self._digest.hexdigest(),
            messages=self._published,
            dropped_messages=self._dropped_messages,
            dropped_console_bytes=self._dropped_console_bytes,
        )
        text = complete.to_json().encode()
        self._emit([MARK + b"v %b %b\n" % (checksum(text), text)])
        return complete

    def _write_console(self, lines: Iterator[bytes]) -> None:
        fitting = []
        for line in lines:
            cost = len(line) + LINE_OVERHEAD
            if self._cut or cost > self._console_left:
                self._cut = True
                self._dropped_console_bytes += _printed_bytes(line)
                continue
            self._console_left -= cost
            fitting.append(line)
        if self._cut:
            self._dropped_console_bytes += len(self._partial)
            self._partial = b""
            fitting.append(MARK + b"x\n")
        self._emit(fitting)

    def _flush_partial(self) -> None:
        if self._partial:
            data, self._partial = self._partial, b""
            self._mid_line = True
            self._write_console(_escaped_chunks(data, b"c"))

    def _flush_batch(self) -> None:
        if not self._batch:
            return
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        # Between two of them is a mark.
        size = sum(map(len, batch)) + len(batch) * (MESSAGE_OVERHEAD + 1) - 1
        first = self._published + 1
        frames = _frames(b"i", first, batch)
        # The gap before it, should there be one, has room in the same cost.
        cost = _cost(frames) + (2 * LINE_OVERHEAD if self._gap else 0)
        if cost > self._interim_left or size > self._interim_text_left:
            self._note_gap(len(batch))
            return
        self._interim_left -= cost
        self._interim_text_left -= size
        self._write_gap()
        self._emit(frames)
        self._published += len(batch)

    def _note_gap(self, count: int) -> None:
        self._gap += count
        self._dropped_messages += count
        self._published += count

    def _write_final(self, text: bytes) -> None:
        self._flush_batch()
        frames = _frames(b"f", self._published + 1, [text])
        if _cost(frames) > RESULT_BUDGET:
            raise ResultTooLarge(
                f"the final result is {len(text)} bytes of JSON and {_cost(frames)} bytes"
                f" compressed and framed; at most {RESULT_BUDGET} are kept"
            )
        self._write_gap()
        self._emit(frames)
        self._published += 1
        self.has_final = True

    def _write_gap(self) -> None:
        if self._gap:
            first = self._published - self._gap + 1
            self._emit([MARK + b"g %d %d\n" % (first, self._gap)])
            self._gap = 0

    def _emit(self, lines: Iterable[bytes]) -> None:
        lines = list(lines)
        if lines:
            data = b"".join(lines)
            self._lines += len(lines)
            self._digest.update(data)
            self._write(data)


def _fit_traceback(lines: list[bytes]) -> list[bytes]:
    """All lines, or the first and the last ones that fit: the end names the exception."""
    lines = [line[:CHUNK_BYTES] for line in lines]
    left = TRACEBACK_BUDGET - sum(len(line) + 2 * LINE_OVERHEAD for line in lines)
    if left >= 0:
        return lines
    head, tail, left = [lines[0], b"  [...]"], [], TRACEBACK_BUDGET - 2 * CHUNK_BYTES
    for line in reversed(lines[1:]):
        left -= len(line) + 2 * LINE_OVERHEAD
        if left < 0:
            break
        tail.append(line)
    return head + tail[::-1]


def _console_lines(lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        if len(line) < CHUNK_BYTES and line[:1] != MARK and line[-1:] != b"\r":
            yield line + b"\n"
        else:
            whole, rest = len(line) // CHUNK_BYTES * CHUNK_BYTES, len(line) % CHUNK_BYTES
            yield from _escaped_chunks(line[:whole], b"c")
            yield from _escaped_chunks(line[whole:] if rest else b"", b"l")


def _printed_bytes(line: bytes) -> int:
    """How much of what was printed a console line stands for: without its escape."""
    return len(line) - {b"l": 3, b"c": 4}[line[1:2]] if line[:1] == MARK else len(line)


def _escaped_chunks(data: bytes, kind: bytes) -> Iterator[bytes]:
    if not data and kind == b"l":
        yield MARK + b"l" + MARK + b"\n"
    for start in range(0, len(data), CHUNK_BYTES):
        yield MARK + kind + data[start : start + CHUNK_BYTES] + MARK + b"\n"


def _frames(kind: bytes, first: int, messages: list[bytes]) -> list[bytes]:
    """The lines of one frame: its payload encoded, and cut into chunks."""
    payload, encoding = MARK.join(messages), b"="
    if len(payload) > VERBATIM_BYTES or any(_CONTROL.search(text) for text in messages):
        # Level 1: a program waits for it; the higher ones gain a tenth at thrice the time.
        payload, encoding = base64.b64encode(zlib.compress(payload, 1)), b"~"
    chunks = [payload[at : at + CHUNK_BYTES] for at in range(0, len(payload), CHUNK_BYTES)] or [b""]
    head = MARK + b"%b %d %d" % (kind, first, len(messages))
    return [
        head + b" %d/%d %b%b\n" % (index, len(chunks), encoding, chunk)
        for index, chunk in enumerate(chunks, start=1)
    ]


def _cost(lines: list[bytes]) -> int:
    return sum(len(line) + LINE_OVERHEAD for line in lines)
