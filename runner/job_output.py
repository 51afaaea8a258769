"""The way of a job's output into its record: console, messages and progress, in order and in time.

Used by the supervisor. Standard library only.
"""

import os
import time
from collections.abc import Callable

from qiskit_runtime.contract.wire.progress import Progress, parse_progress
from qiskit_runtime.contract.wire.verdict import Verdict
from qiskit_runtime.host.descriptors import readable_bytes
from runner.channel import READ_BYTES, ChannelBroken, Kind, pack
from runner.message_writer import ResultTooLarge
from runner.record_writer import RecordWriter

BATCH_SECONDS = 0.05
"""Messages that come faster than 20 a second share a frame."""

PROGRESS_SECONDS = 1.0
"""The time between two reports of progress in the record, or a hundredth of the job's time so far
where that is longer: a bar looks as smooth, and a job of a week has as few as its budget takes."""


class ProgressPace:
    """Keeps the newest report of progress until it is time to write it. Pure.

    ``started`` is the job's start.
    """

    def __init__(self) -> None:
        self.started = 0.0
        self._newest: Progress | None = None
        self._due_at = 0.0

    def report(self, payload: bytes) -> None:
        """Take a report; one that can't be parsed changes nothing."""
        self._newest = parse_progress(payload) or self._newest

    @property
    def due_at(self) -> float | None:
        """Return the time to write the newest report, or None where it is written."""
        return None if self._newest is None else self._due_at

    def take(self, now: float, *, at_end: bool = False) -> Progress | None:
        """Return the report to write now, if any."""
        if self._newest is None or (now < self._due_at and not at_end):
            return None
        progress, self._newest = self._newest, None
        self._due_at = now + max(PROGRESS_SECONDS, (now - self.started) / 100)
        return progress


class JobOutput:
    """Writes a job's record from the pipe that the program prints into and from its packets.

    ``console`` is the reading end of that pipe, and does not block. A packet's entry comes after
    what was printed before the packet: the pipe is drained first.
    """

    def __init__(self, console: int, write: Callable[[bytes], None]) -> None:
        self._console = console
        self._writer = RecordWriter(write)
        self._flush_at: float | None = None
        self._flushed_at = 0.0
        self._progress = ProgressPace()

    def begin(self, now: float) -> None:
        """Count the job's time from now on."""
        self._progress.started = now

    def read_console(self) -> bool:
        """Write what was printed; returns False where the pipe is at its end."""
        try:
            data = os.read(self._console, READ_BYTES)
        except BlockingIOError:
            # A message that came in the same round had the pipe drained.
            return True
        if data:
            self._writer.console(data)
            self._plan_flush()
        return bool(data)

    def write_message(self, kind: Kind, payload: bytes) -> bytes:
        """Write the message of a packet; returns the packet that answers it.

        Raises:
            ChannelBroken: it is not UTF-8, or comes after the final result.
        """
        self._drain_console()
        if self._writer.has_final:
            raise ChannelBroken("a message after the final result")
        if kind is Kind.OVERSIZE:
            self._writer.drop()
        else:
            try:
                payload.decode()
                self._writer.message(payload, final=kind is Kind.FINAL)
            except UnicodeDecodeError as error:
                raise ChannelBroken(f"a message that is not UTF-8: {error.reason}") from error
            except ResultTooLarge as error:
                return pack(Kind.REFUSED, str(error).encode())
        self._plan_flush()
        return pack(Kind.ACCEPTED)

    def write_traceback(self, payload: bytes) -> None:
        """Write the traceback of a packet."""
        self._drain_console()
        self._writer.traceback(payload.decode(errors="replace"))

    def write_progress(self, payload: bytes) -> None:
        """Write the report of a packet, now or when it is time for it."""
        self._progress.report(payload)
        self._write_progress(time.monotonic())

    @property
    def due_at(self) -> float | None:
        """Return the time at which ``keep_time`` has something to write, or None."""
        moments = (self._flush_at, self._progress.due_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def keep_time(self, now: float) -> None:
        """Write what is due by now."""
        if self._flush_at is not None and now >= self._flush_at:
            self._flush(now)
        self._write_progress(now)

    def read_rest(self) -> None:
        """Write what the program left in the pipe, and its last report of progress."""
        self._drain_console()
        self._write_progress(time.monotonic(), at_end=True)

    def finish(self, verdict: Verdict) -> Verdict:
        """Write the record's last line; returns the verdict in it."""
        return self._writer.finish(verdict)

    def _drain_console(self) -> None:
        """Read what was printed before now, and no more: another thread may never stop printing."""
        left = readable_bytes(self._console)
        while left > 0:
            data = os.read(self._console, min(left, READ_BYTES))
            left -= len(data)
            self._writer.console(data)

    def _plan_flush(self) -> None:
        """Flush now if the last flush is long enough ago, else when it will be."""
        if not self._writer.pending:
            return
        now = time.monotonic()
        if now - self._flushed_at >= BATCH_SECONDS:
            self._flush(now)
        elif self._flush_at is None:
            self._flush_at = self._flushed_at + BATCH_SECONDS

    def _flush(self, now: float) -> None:
        self._writer.flush()
        self._flush_at, self._flushed_at = None, now

    def _write_progress(self, now: float, *, at_end: bool = False) -> None:
        if progress := self._progress.take(now, at_end=at_end):
            self._drain_console()
            self._writer.progress(progress)
