"""The supervisor: starts the program process, writes the record, and judges how the job ended.

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
from typing import TYPE_CHECKING

from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.contract.wire.job_input import JobInput, parse_job_input
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict, is_version_map
from qiskit_runtime.host.descriptors import readable_bytes
from runner import processes
from runner.channel import (
    READ_BYTES,
    ChannelBroken,
    Kind,
    pack,
    read_circuits,
    read_fields,
    read_seed,
)
from runner.exit_status import ExitStatus
from runner.job_output import JobOutput
from runner.program import Program

if TYPE_CHECKING:
    # Only a pod's supervisor has one: a local one is up sooner without.
    from runner.handover_port import HandoverPort

MEMORY_CHECK_SECONDS = 0.2
"""The time between two looks at a job's memory, where the job has a limit of its own."""


class Supervisor:
    """Runs one job: calls ``start`` for its program process at once, and waits for the job.

    ``write`` takes the record's lines; ``grace_seconds`` is the time from SIGTERM to SIGKILL.
    """

    def __init__(
        self,
        start: Callable[[], Program],
        write: Callable[[bytes], None],
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        processes.become_supervisor()
        self._signals = processes.open_signal_pipe()
        self._program = start()
        self._channel = self._program.channel
        self._output = JobOutput(self._program.console, write)
        self._grace_seconds = grace_seconds
        self._job: JobInput | None = None
        self._started = time.monotonic()
        self._memory_check_at: float | None = None
        self._kill_at: float | None = None
        self._stopped_for: Outcome | None = None
        self._error: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._seed: int | None = None
        self._circuits: CircuitMetrics | None = None
        self._when_ready: Callable[[], None] | None = None
        self._port: HandoverPort | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._signals, selectors.EVENT_READ, self._take_signals)
        self._selector.register(self._program.console, selectors.EVENT_READ, self._read_console)
        self._selector.register(self._channel, selectors.EVENT_READ, self._use_channel)
        # One that was forked for this supervisor may have ended before there was a signal pipe.
        self._program.reap()

    def start_job(self, job: JobInput) -> None:
        """Send the program process its job; the time it may take begins."""
        # The parameters may be large, and only the program process reads them.
        self._job = job._replace(params="")
        self._started = time.monotonic()
        self._program.count_oom_kills()
        self._output.begin(self._started)
        if job.memory_bytes:
            self._memory_check_at = self._started
        if self._channel.is_open:
            self._channel.send(pack(Kind.JOB, job.to_line()))
            self._watch_channel()

    def watch_input(self, descriptor: int) -> None:
        """Read the job from this descriptor, whose end (the caller is gone) ends the job."""
        received = bytearray()

        def read() -> None:
            data = os.read(descriptor, READ_BYTES)
            if not data:
                self._selector.unregister(descriptor)
                self._stop(Outcome.TERMINATED)
            elif self._job is None and self._stopped_for is None:
                received.extend(data)
                if received.endswith(b"\n"):
                    self.start_job(parse_job_input(bytes(received)))
                    received.clear()

        self._selector.register(descriptor, selectors.EVENT_READ, read)

    def watch_port(self, port: "HandoverPort", read: Callable[[], JobInput]) -> None:
        """Open a port when the program process is ready, and start the job that comes over it.

        ``read`` reads the input that the port has taken.
        """
        self._port = port
        self._when_ready = lambda: port.open(
            self._selector, self._may_take, lambda: self.start_job(read())
        )

    @property
    def has_job(self) -> bool:
        """Return whether a job has come."""
        return self._job is not None

    def run(self) -> Verdict:
        """Serve until the program has ended; returns its verdict, written where there was a job."""
        try:
            while self._program.status is None:
                for key, _ in self._selector.select(self._seconds_until_due()):
                    key.data()
                self._keep_time()
        finally:
            # Also where no job could be read, or nobody reads the record any more.
            self._close_port()
            self._program.kill_all()
        self._read_rest()
        verdict = self._judge(self._program.status)
        return self._output.finish(verdict) if self._job else verdict

    # The events of the loop.

    def _take_signals(self) -> None:
        numbers = b""
        with suppress(BlockingIOError):
            numbers = os.read(self._signals, 1024)
        self._program.reap()
        if self._program.status is not None:
            self._close_port()
        if signal.SIGTERM in numbers:
            self._stop(Outcome.TERMINATED)

    def _may_take(self) -> bool:
        """Return whether a job may still come: not once this runner is about to end."""
        # A signal may be here that the loop has not come to yet.
        self._take_signals()
        is_ending = self._stopped_for is not None or self._program.status is not None
        return self._channel.is_open and not is_ending

    def _close_port(self) -> None:
        """Take no job any more: its input goes to another pod."""
        self._when_ready = None
        if self._port is not None:
            self._port.close()

    def _read_console(self) -> None:
        if not self._output.read_console():
            self._selector.unregister(self._program.console)

    def _use_channel(self) -> None:
        self._channel.send_rest()
        try:
            for kind, payload in self._channel.receive():
                self._take_packet(kind, payload)
        except ChannelBroken as error:
            self._error = {"message": f"the program wrote to its supervisor's channel: {error}"}
            self._channel.is_open = False
            self._program.kill()
        self._watch_channel()

    def _watch_channel(self) -> None:
        """Serve the channel while it is open: what arrives, and room for what is to be sent."""
        if not self._channel.is_open:
            self._selector.unregister(self._channel)
            self._close_port()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE * self._channel.has_unsent)
        self._selector.modify(self._channel, events, self._use_channel)

    def _take_packet(self, kind: Kind, payload: bytes) -> None:
        match kind:
            case Kind.INTERIM | Kind.FINAL | Kind.OVERSIZE:
                self._channel.answer(self._output.write_message(kind, payload))
            case Kind.TRACEBACK:
                self._output.write_traceback(payload)
            case Kind.PROGRESS:
                self._output.write_progress(payload)
            case Kind.ERROR:
                self._error = read_fields(payload)
            case Kind.VERSIONS:
                self._versions = read_fields(payload)
                if self._when_ready:
                    self._when_ready()
                    self._when_ready = None
            case Kind.SEED:
                self._seed = read_seed(payload)
            case Kind.CIRCUITS:
                self._circuits = read_circuits(payload)
            case _:
                raise ChannelBroken(f"a packet of kind {kind.name}")

    def _read_rest(self) -> None:
        """Read what is still in channel and pipe; nobody is left to write into them."""
        while self._channel.is_open and readable_bytes(self._channel.fileno()):
            self._use_channel()
        self._output.read_rest()

    # The limits of time and memory.

    def _seconds_until_due(self) -> float | None:
        """Return the seconds until ``_keep_time`` has something to do, or None."""
        moments = (self._output.due_at, self._memory_check_at, self._kill_at, self._deadline())
        due = [moment for moment in moments if moment is not None]
        return max(min(due) - time.monotonic(), 0) if due else None

    def _keep_time(self) -> None:
        now = time.monotonic()
        self._output.keep_time(now)
        if self._memory_check_at is not None and now >= self._memory_check_at:
            self._check_memory(now)
        if (deadline := self._deadline()) is not None and now >= deadline:
            self._stop(Outcome.OVER_TIME)
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            self._program.kill()

    def _deadline(self) -> float | None:
        if self._job is None or self._stopped_for:
            return None
        return self._started + self._job.max_execution_seconds

    def _check_memory(self, now: float) -> None:
        limit = self._job.memory_bytes if self._job else 0
        over = self._program.measure_memory(limit) > limit
        # It takes long with hundreds of processes: leave most of the time to the program.
        self._memory_check_at = now + max(MEMORY_CHECK_SECONDS, 6 * (time.monotonic() - now))
        if over:
            self._memory_check_at = None
            self._stopped_for = Outcome.OUT_OF_MEMORY
            self._program.kill()

    def _stop(self, outcome: Outcome) -> None:
        """Stop the program for this reason: SIGTERM now, SIGKILL after the grace time."""
        self._close_port()
        if self._stopped_for is None and self._program.status is None:
            self._stopped_for = outcome
            self._kill_at = time.monotonic() + self._grace_seconds
            self._program.terminate()

    # The verdict.

    def _judge(self, code: int) -> Verdict:
        """Return the verdict; the record's writer adds what it counted."""
        end = ExitStatus(code, self._stopped_for, self._error, self._program.was_oom_killed)
        # The program process can't change the versions of the job input.
        known = self._job.versions if self._job else {}
        versions = self._versions | known
        return end.verdict()._replace(
            peak_memory_bytes=self._program.peak_bytes or None,
            seconds=round(time.monotonic() - self._started, 3),
            versions=(versions if is_version_map(versions) else known) or None,
            seed=self._seed,
            circuits=self._circuits,
        )
