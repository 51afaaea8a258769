"""Writes what a program prints as console lines of a record. Pure; standard library only.

Used by ``record_writer``; the lines' forms are in ``contract.wire.record_form``.
"""

from collections.abc import Callable, Iterable, Iterator

from qiskit_runtime.contract.wire.record_form import (
    CHUNK_BYTES,
    CONSOLE_BUDGET,
    LINE_OVERHEAD,
    MARK,
    TRACEBACK_BUDGET,
)


class ConsoleWriter:
    """Cuts printed bytes into console lines, within their budget. ``emit`` takes the lines.

    A last line without its newline waits for the rest of it, or for ``flush``.
    """

    def __init__(self, emit: Callable[[Iterable[bytes]], None]) -> None:
        self._emit = emit
        self._partial = b""
        self._left = CONSOLE_BUDGET
        self._mid_line = False
        self._has_traceback = False
        self.is_cut = False
        self.dropped_bytes = 0

    def write(self, data: bytes) -> None:
        """Write the lines that ``data`` completes; after the cut, only count it."""
        if self.is_cut:
            self.dropped_bytes += len(data)
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._mid_line = self._mid_line and not lines
        self._write_lines(_console_lines(lines))
        if len(self._partial) >= CHUNK_BYTES:
            self.flush()

    def traceback(self, text: str) -> None:
        """Write the traceback that ended the program, also after the cut; there is room for one."""
        if self._has_traceback:
            return
        self._has_traceback = True
        lines = _fit_traceback(text.encode(errors="replace").rstrip(b"\n").split(b"\n"))
        # It begins on a line of its own.
        self._emit(_console_lines([b"", *lines] if self._mid_line else lines))
        self._mid_line = False

    @property
    def has_partial_line(self) -> bool:
        """Return whether a line waits for the rest of it."""
        return bool(self._partial)

    def flush(self) -> None:
        """Write the line that has no newline yet."""
        if self._partial:
            data, self._partial = self._partial, b""
            self._mid_line = True
            self._write_lines(_escaped_chunks(data, b"c"))

    def _write_lines(self, lines: Iterator[bytes]) -> None:
        fitting = []
        for line in lines:
            cost = len(line) + LINE_OVERHEAD
            if self.is_cut or cost > self._left:
                self.is_cut = True
                self.dropped_bytes += _printed_bytes(line)
                continue
            self._left -= cost
            fitting.append(line)
        if self.is_cut:
            self.dropped_bytes += len(self._partial)
            self._partial = b""
            fitting.append(MARK + b"x\n")
        self._emit(fitting)


def _fit_traceback(lines: list[bytes]) -> list[bytes]:
    """Return all lines, or the first and the last ones that fit: the end names the exception."""
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
    """Return the number of printed bytes in a console line: its length without the escape."""
    return len(line) - {b"l": 3, b"c": 4}[line[1:2]] if line[:1] == MARK else len(line)


def _escaped_chunks(data: bytes, kind: bytes) -> Iterator[bytes]:
    if not data and kind == b"l":
        yield MARK + b"l" + MARK + b"\n"
    for start in range(0, len(data), CHUNK_BYTES):
        yield MARK + kind + data[start : start + CHUNK_BYTES] + MARK + b"\n"
