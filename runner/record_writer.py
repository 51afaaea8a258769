"""Writes a record within its budgets. Pure; standard library only.

Used by the supervisor. ``contract.wire.record_form`` describes the format.
"""

from collections.abc import Callable, Iterable

from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_form import LINE_OVERHEAD, MARK, PROGRESS_BUDGET
from qiskit_runtime.contract.wire.verdict import Verdict, checksum
from runner.console_writer import ConsoleWriter
from runner.message_writer import MessageWriter

try:
    # Python's own, of 3.11: hashlib loads OpenSSL, a tenth of a supervisor's start and 4 MiB.
    from _sha256 import sha256  # type: ignore[import-not-found]  # (private, has no stubs)
except ImportError:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]  # (of 3.12)
    except ImportError:
        from hashlib import sha256


class RecordWriter:
    """Turns what a program prints, publishes and reports into the lines of one record.

    ``write`` is called with whole lines, one or more at a time, in order. A batch of messages and
    a printed line without its newline wait until ``flush``, or until another entry follows them.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._digest = sha256()
        self._lines = 0
        self._console = ConsoleWriter(self._emit)
        self._messages = MessageWriter(self._emit)
        self._progress_left = PROGRESS_BUDGET

    def console(self, data: bytes) -> None:
        """Write what the program printed."""
        if not self._console.is_cut:
            self._messages.flush()
        self._console.write(data)

    def message(self, text: bytes, *, final: bool = False) -> None:
        """Write a message's JSON text; an interim one without room is dropped.

        Raises:
            ResultTooLarge: the final result does not fit; nothing of it was written.
        """
        self._console.flush()
        if final:
            self._messages.final(text)
        else:
            self._messages.interim(text)

    def drop(self) -> None:
        """Count an interim message over ``MAX_MESSAGE_BYTES`` as dropped."""
        self.flush()
        self._messages.drop()

    def progress(self, progress: Progress) -> None:
        """Write a report of progress, while their budget lasts; the caller limits their rate."""
        line = MARK + b"p " + progress.to_json().encode() + b"\n"
        if len(line) + LINE_OVERHEAD <= self._progress_left:
            self._progress_left -= len(line) + LINE_OVERHEAD
            self.flush()
            self._emit([line])

    def traceback(self, text: str) -> None:
        """Write the traceback that ended the program."""
        self.flush()
        self._console.traceback(text)

    @property
    def has_final(self) -> bool:
        """Return whether the final result is written."""
        return self._messages.has_final

    @property
    def pending(self) -> bool:
        """Return whether something waits for ``flush``."""
        return self._messages.has_batch or self._console.has_partial_line

    def flush(self) -> None:
        """Write what waits: a batch of messages, or a line that has no newline yet."""
        self._messages.flush()
        self._console.flush()

    def finish(self, verdict: Verdict) -> Verdict:
        """Write the last line; returns the verdict in it, completed with the writer's counts."""
        self.flush()
        self._messages.write_gap()
        complete = verdict._replace(
            final=self.has_final,
            lines=self._lines,
            sha256=self._digest.hexdigest(),
            messages=self._messages.published,
            dropped_messages=self._messages.dropped,
            dropped_console_bytes=self._console.dropped_bytes,
        )
        text = complete.to_json().encode()
        self._emit([MARK + b"v %b %b\n" % (checksum(text), text)])
        return complete

    def _emit(self, lines: Iterable[bytes]) -> None:
        lines = list(lines)
        if lines:
            data = b"".join(lines)
            self._lines += len(lines)
            self._digest.update(data)
            self._write(data)
