"""The program's output: what it prints, publishes and reports, sent to the supervisor in order.

Used by the program process. stdout and stderr are one buffered stream; messages, reports of
progress and what is known of the job are packets. What was printed before a packet is in the
console's pipe before it: the stream is flushed first.
"""

import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeGuard

from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES
from runner.channel import Kind, pack, receive
from runner.message_writer import ResultTooLarge

_FLUSH_SECONDS = 0.1
"""The time that what a program printed may wait in a buffer before it is streamed."""


class ProgramOutput:
    """Sends packets over ``connection``, from any thread. ``flush`` flushes the console."""

    def __init__(self, connection: socket.socket, flush: Callable[[], None]) -> None:
        self.flush = flush
        self._connection = connection
        self._send_lock = threading.Lock()
        self._progress_lock = threading.Lock()
        self._newest: Progress | None = None
        self._process = os.getpid()

    def start_flushing(self) -> None:
        """Flush the console and send the newest report of progress ten times a second."""
        threading.Thread(target=self._keep_flushing, name="console-flush", daemon=True).start()

    def send(self, kind: Kind, payload: bytes = b"") -> None:
        """Send one packet; a large one is many pieces, and nothing comes between them."""
        with self._send_lock:
            self._connection.sendall(pack(kind, payload))

    def send_fields(self, kind: Kind, fields: dict[str, str]) -> None:
        """Send one packet of named texts."""
        self.send(kind, json.dumps(fields).encode())

    def publish(self, text: str, final: bool) -> None:
        """Send a message, and wait until it has its place in the record.

        Raises:
            ResultTooLarge: it is the final result, and over a limit.
            ChannelBroken: the supervisor ended.
        """
        message = text.encode()
        self.flush()
        self.send_progress()
        if len(message) <= MAX_MESSAGE_BYTES:
            self.send(Kind.FINAL if final else Kind.INTERIM, message)
        elif final:
            raise ResultTooLarge(
                f"the final result is {len(message)} bytes of JSON;"
                f" at most {MAX_MESSAGE_BYTES} are kept"
            )
        else:
            self.send(Kind.OVERSIZE)
        answer, reason = receive(self._connection.fileno())
        if answer is Kind.REFUSED:
            raise ResultTooLarge(reason.decode())

    def report(self, progress: Progress) -> None:
        """Keep a report of progress in place of the last one, to be sent later.

        A program may make millions of them, also in a signal's handler: so nothing is sent here,
        and no lock is taken.
        """
        self._newest = progress

    def send_progress(self) -> None:
        """Send the newest report, if it was not sent; never from a fork."""
        if self._newest is None or os.getpid() != self._process:
            return
        with self._progress_lock:
            progress, self._newest = self._newest, None
            if progress is not None:
                self.flush()
                # The supervisor may have ended, or the program has closed its channel.
                with suppress(OSError):
                    self.send(Kind.PROGRESS, progress.to_json().encode())

    def send_circuits(self, circuits: CircuitMetrics | None) -> None:
        """Send the metrics of the circuits that ran, if any did; never from a fork."""
        if circuits is not None and os.getpid() == self._process:
            # As for a report of progress.
            with suppress(OSError):
                self.send(Kind.CIRCUITS, json.dumps(circuits).encode())

    def _keep_flushing(self) -> None:
        while True:
            time.sleep(_FLUSH_SECONDS)
            self.flush()
            self.send_progress()


def open_console() -> Callable[[], None]:
    """Make stdout and stderr one buffered stream: what is printed keeps its order, and is fast.

    Returns its flush, which works also while the program has put another stream in its place. It
    flushes that too where it leads to the console, as a wrapper of ``sys.stdout.buffer`` does.
    """
    raw = io.BufferedWriter(io.FileIO(1, "wb", closefd=False), 1 << 16)
    console = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace")
    sys.stdout = sys.stderr = console
    # Programs put these back after they have redirected something.
    sys.__stdout__ = sys.__stderr__ = console  # type: ignore[misc]  # (constants, says typeshed)

    def flush() -> None:
        # The program may have closed it: then there is nothing left to keep in order.
        with suppress(ValueError, OSError):
            console.flush()
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name, None)
            if stream is not console and _leads_to_console(stream):
                with suppress(Exception):  # what is below may be the program's own
                    stream.flush()

    return flush


def _leads_to_console(stream: object) -> TypeGuard[io.TextIOWrapper]:
    # No other type, as its methods would be the program's, called from any thread.
    if type(stream) is not io.TextIOWrapper:
        return False
    with suppress(Exception):
        return stream.fileno() in (1, 2)
    return False
