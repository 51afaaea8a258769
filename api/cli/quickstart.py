"""``qiskit-runtime quickstart``: a server of its own for a minute, and one job on it, explained."""

import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import click

from api.cli.job_commands import connect
from api.cli.job_view import watch
from api.cli.screen import Screen
from api.settings import PREFIX

START_SECONDS = 60.0
"""How long the server may take to say where it is: a cold disk is slow."""

STOP_SECONDS = 10.0
"""How long it may take to stop before it is killed."""

PROGRAM = "hello-quantum"
PARAMS = '{"greeting": "Hello, quantum world!"}'

NEXT_STEPS = f"""\
What to try next:
  make serve                                          a server that stays
  qiskit-runtime run {PROGRAM} -p greeting=Hi     this job on it, from another terminal
  qiskit-runtime run sample-program -p iterations=3   results that arrive one by one
  qiskit-runtime programs                             what else there is to run"""


class ServerProcess:
    """``qiskit-runtime serve`` on a free port, with a data folder that goes with it."""

    def __init__(self, data: str) -> None:
        self._data = data
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._output = list[str]()
        self.token = secrets.token_urlsafe(32)

    def __enter__(self) -> Self:
        # An interrupt while the process starts would leave it behind, known to nobody.
        with _holding_signals() as held:
            self._process = self._start()
        # It reads to the end, so that the server never waits for a full pipe.
        threading.Thread(target=self._read, daemon=True).start()
        if held:
            self.stop()
            signal.raise_signal(held[0])
        return self

    def _start(self) -> subprocess.Popen[str]:
        # The user's own settings are for the user's own servers.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(PREFIX) and name != "NUM_WORKERS"
        }
        environment["RUNTIME_TOKEN"] = self.token
        serve = ["serve", "--port", "0", "--workers", "1", "--data", self._data]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "api.cli", *serve],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            # A terminal's Ctrl-C is for quickstart, which then stops the server.
            start_new_session=True,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def wait_url(self, screen: Screen) -> str:
        """Return the address that it serves at, once it is printed; shows the wait.

        Raises:
            ClickException: it ended instead, or printed nothing. Its output is in the text.
        """
        started = time.monotonic()
        while (waited := time.monotonic() - started) < START_SECONDS:
            screen.status(f"   {waited:.1f} s")
            try:
                line = self._lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                break
            if found := re.search(r"http://\S+", line):
                screen.print(f"   It serves at {found[0]}, after {waited:.1f} s.")
                return found[0]
        screen.clear_status()
        output = "".join(self._output) or "(it wrote nothing)"
        raise click.ClickException(f"the server did not start. What it wrote:\n{output}")

    def stop(self) -> None:
        """Stop it, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        with self._process.stdout as output:
            for line in output:
                self._output.append(line)
                self._lines.put(line)
        self._lines.put(None)


def quickstart(screen: Screen) -> int:
    """Start a server, run a job on it, show its stream, stop the server; returns the exit code."""
    with _ending_by_exception(), tempfile.TemporaryDirectory(prefix="qiskit-runtime-") as data:
        screen.print(
            "1. Starting a server on a free port, with a temporary data folder ...", "bold"
        )
        with (
            ServerProcess(data) as server,
            connect(server.wait_url(screen), server.token) as client,
        ):
            screen.print(f"2. Posting a job: {PROGRAM} with the parameters {PARAMS}", "bold")
            job = client.run(PROGRAM, params=PARAMS)
            screen.print(f"3. Streaming job {job.id}: what it publishes and prints, live", "bold")
            code = watch(screen, job)
            screen.print("\n4. Stopping the server, and removing its data", "bold")
    screen.print(f"\n{NEXT_STEPS}")
    return code


@contextmanager
def _ending_by_exception() -> Iterator[None]:
    """Have SIGTERM and a closed terminal unwind as Ctrl-C does, so that the server is stopped."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    with _handling({signal.SIGTERM, signal.SIGHUP}, end):
        yield


@contextmanager
def _holding_signals() -> Iterator[list[int]]:
    """Note the signals that would end the command, and do not end it yet."""
    held: list[int] = []
    with _handling(
        {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}, lambda number, _: held.append(number)
    ):
        yield held


@contextmanager
def _handling(numbers: Iterable[int], handler: Callable[[int, object], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
