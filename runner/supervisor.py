"""The supervisor: starts the program process, writes the record, and says how it ended.

``python -m runner`` runs one. It owns the output: the program prints into a pipe and publishes
over the channel, and only this process writes record lines, so that they keep their order and a
program can't forge them. Standard library only: it takes little memory and is up at once, while
the program process still imports Qiskit.
"""

import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.job_input import JobInput, parse_job_input
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict, is_version_map
from runner import processes
from runner.channel import ChannelBroken, Kind, PacketReader, pack, read_fields, read_seed
from runner.pipes import open_signal_pipe, readable_bytes
from runner.program import Program
from runner.program_end import ProgramEnd
from runner.progress_pace import ProgressPace
from runner.record_writer import RecordWriter, ResultTooLarge

BATCH_SECONDS = 0.05
"""Messages that come faster than 20 a second share a frame."""

MEMORY_CHECK_SECONDS = 0.2
"""How often a job's memory is looked at where it has a limit of its own."""

_READ_BYTES = 1 << 18


class Supervisor:
    """Runs one job. ``write`` takes record lines; ``grace_seconds`` is from SIGTERM to SIGKILL."""

    def __init__(
        self, write: Callable[[bytes], None], grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._writer = RecordWriter(write)
        self._grace_seconds = grace_seconds
        self._selector = selectors.DefaultSelector()
        self._packets = PacketReader()
        self._to_program = memoryview(b"")
        self._job: JobInput | None = None
        self._started = time.monotonic()
        self._flush_at: float | None = None
        self._flushed_at = 0.0
        self._memory_check_at: float | None = None
        self._kill_at: float | None = None
        self._ending: Outcome | None = None
        self._error: dict[str, str] = {}
        self._versions: dict[str, str] | None = None
        self._seed: int | None = None
        self._progress = ProgressPace()

    def start(self, folder: str) -> None:
        """Start the program process, its working directory ``folder``; it imports what it needs."""
        processes.become_supervisor()
        self._signals = open_signal_pipe()
        self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
        self._program = Program(folder)
        self._console, self._channel = self._program.console, self._program.channel
        self._selector.register(self._console, selectors.EVENT_READ, self._read_console)
        self._selector.register(self._channel, selectors.EVENT_READ, self._use_channel)

    def hand_over(self, job: JobInput) -> None:
        """Give the program process its job; the time it may take begins."""
        # The parameters may be large, and only the program process reads them.
        self._job = replace(job, params="")
        self._started = self._progress.started = time.monotonic()
        if job.memory_bytes:
            self._memory_check_at = self._started
        self._to_program = memoryview(pack(Kind.JOB, job.to_line()))
        if self._channel in self._selector.get_map():
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(self._channel, both, self._use_channel)

    def watch_input(self, descriptor: int) -> None:
        """Take the hand-over from this descriptor; its end: whoever started us is gone."""
        received = bytearray()

        def read() -> None:
            data = os.read(descriptor, _READ_BYTES)
            if not data:
                self._selector.unregister(descriptor)
                self.terminate()
            elif self._job is None:
                received.extend(data)
                if received.endswith(b"\n"):
                    self.hand_over(parse_job_input(bytes(received)))
                    received.clear()

        self._selector.register(descriptor, selectors.EVENT_READ, read)

    def terminate(self) -> None:
        """End the program: SIGTERM now, SIGKILL after the grace time."""
        self._end(Outcome.TERMINATED)

    def run(self) -> Verdict:
        """Serve until the program has ended; returns its verdict, written where there was a job."""
        try:
            while self._program.status is None:
                for key, _ in self._selector.select(self._next_moment()):
                    key.data()
                self._keep_time()
        finally:
            # Also where no job could be read, or nobody reads the record any more.
            self._program.kill_all()
        self._read_rest()
        verdict = self._judge(self._program.status)
        return self._writer.finish(verdict) if self._job else verdict

    # What can happen, each called from the loop.

    def _read_console(self) -> None:
        try:
            data = os.read(self._console, _READ_BYTES)
        except BlockingIOError:
            # A message that came in the same round had it drained.
            return
        if data:
            self._writer.console(data)
            self._plan_flush()
        else:
            self._selector.unregister(self._console)

    def _use_channel(self) -> None:
        self._send_rest()
        try:
            data = self._channel.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._selector.unregister(self._channel)
            return
        try:
            for kind, payload in self._packets.feed(data):
                self._take(kind, payload)
        except ChannelBroken as error:
            self._error = {"message": f"the program wrote to its supervisor's channel: {error}"}
            self._selector.unregister(self._channel)
            self._program.kill()

    def _send_rest(self) -> None:
        try:
            if self._to_program:
                self._to_program = self._to_program[self._channel.send(self._to_program) :]
        except BlockingIOError:
            return
        except OSError:
            # It ended, or closed its side, before it had read its job.
            self._to_program = memoryview(b"")
        if not self._to_program:
            self._selector.modify(self._channel, selectors.EVENT_READ, self._use_channel)

    def _take(self, kind: Kind, payload: bytes) -> None:
        """Act on one packet of the program process."""
        match kind:
            case Kind.INTERIM | Kind.FINAL | Kind.OVERSIZE:
                self._drain_console()
                self._answer(self._record_message(kind, payload))
            case Kind.TRACEBACK:
                self._drain_console()
                self._writer.traceback(payload.decode(errors="replace"))
            case Kind.ERROR:
                self._error = read_fields(payload)
            case Kind.VERSIONS:
                self._versions = read_fields(payload)
            case Kind.SEED:
                self._seed = read_seed(payload)
            case Kind.PROGRESS:
                self._progress.report(payload)
                self._write_progress(time.monotonic())
            case _:
                raise ChannelBroken(f"a packet of kind {kind.name}")

    def _record_message(self, kind: Kind, payload: bytes) -> bytes:
        """Write a message; returns the answer to it."""
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

    def _answer(self, packet: bytes) -> None:
        # The program waits for it, so the socket's buffer has room; one that does not is broken.
        with suppress(OSError):
            self._channel.send(packet)

    def _drain_console(self) -> None:
        """Read what the program printed before now, and no more: another thread may never stop."""
        left = readable_bytes(self._console)
        while left > 0:
            data = os.read(self._console, min(left, _READ_BYTES))
            left -= len(data)
            self._writer.console(data)

    # Time.

    def _plan_flush(self) -> None:
        """Flush now if the last one is long enough ago, else when it will be."""
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
        """Write the newest report, if one waits and its time has come."""
        if progress := self._progress.take(now, at_end=at_end):
            self._drain_console()
            self._writer.progress(progress)

    def _next_moment(self) -> float | None:
        """Seconds until something is due."""
        moments = [self._flush_at, self._memory_check_at, self._kill_at]
        moments += [self._deadline(), self._progress.due_at]
        due = [moment for moment in moments if moment is not None]
        return max(min(due) - time.monotonic(), 0) if due else None

    def _deadline(self) -> float | None:
        if self._job is None or self._ending:
            return None
        return self._started + self._job.max_execution_seconds

    def _keep_time(self) -> None:
        now = time.monotonic()
        if self._flush_at is not None and now >= self._flush_at:
            self._flush(now)
        self._write_progress(now)
        if self._memory_check_at is not None and now >= self._memory_check_at:
            self._check_memory(now)
        if (deadline := self._deadline()) is not None and now >= deadline:
            self._end(Outcome.OVER_TIME)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._program.kill()

    def _check_memory(self, now: float) -> None:
        limit = self._job.memory_bytes if self._job else 0
        over = self._program.measure_memory(limit) > limit
        # With hundreds of processes it takes long, and most of the time is to be the program's.
        self._memory_check_at = now + max(MEMORY_CHECK_SECONDS, 6 * (time.monotonic() - now))
        if over:
            self._memory_check_at = None
            self._ending = Outcome.OUT_OF_MEMORY
            self._program.kill()

    # The end.

    def _end(self, outcome: Outcome) -> None:
        if self._ending is None and self._program.status is None:
            self._ending = outcome
            self._kill_at = time.monotonic() + self._grace_seconds
            self._program.terminate()

    def _take_signals(self) -> None:
        numbers = os.read(self._signals, 1024)
        self._program.reap()
        if signal.SIGTERM in numbers:
            self.terminate()

    def _read_rest(self) -> None:
        """Read what is still in the pipes; nobody is left to write into them."""
        while self._channel in self._selector.get_map() and readable_bytes(self._channel.fileno()):
            self._use_channel()
        self._drain_console()
        self._write_progress(time.monotonic(), at_end=True)

    def _judge(self, status: int) -> Verdict:
        """The verdict; the writer adds what it counted."""
        end = ProgramEnd(status, self._ending, self._error, self._program.was_oom_killed)
        # What the hand-over says, the program process can't change.
        handed = self._job.versions if self._job else {}
        versions = (self._versions or {}) | handed
        return replace(
            end.verdict(),
            peak_memory_bytes=self._program.peak_bytes or None,
            seconds=round(time.monotonic() - self._started, 3),
            versions=(versions if is_version_map(versions) else handed) or None,
            seed=self._seed,
        )
