"""The two ways in which a test's runner comes to be: started as in a pod, or forked as locally."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qiskit_runtime.contract.wire.forking import MAX_PACKET_BYTES, ForkRequest, parse_answer
from qiskit_runtime.host.process_tree import IS_LINUX, adopt_orphans

ROOT = Path(__file__).parents[2]

STARTED, FORKED = "started", "forked"

BOTH_BIRTHS = pytest.mark.parametrize("birth", [STARTED, FORKED], indirect=True)
"""For a promise that depends on how the program process came to be."""

_HIDING = ("PYTHONUNBUFFERED", "QISKIT_TRANSPILER_SEED")
"""Variables of a developer's shell that hide what programs lose: the text of streams that nobody
flushes, and seeds that nobody sets."""

DEFAULT_BIRTH = FORKED if IS_LINUX else STARTED
"""The birth of all other tests' runners: a fork takes a tenth of the time."""


def make_environment(**variables: str) -> dict[str, str]:
    """Return the environment of a test's runner: this one's, without what hides faults."""
    given = {name: value for name, value in os.environ.items() if name not in _HIDING}
    return {**given, "PYTHONPATH": str(ROOT), **variables}


class ForkedProcess:
    """A forked supervisor, used as ``subprocess.Popen`` is."""

    def __init__(self, pid: int, stdin: int, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.stdin = open(stdin, "wb")  # noqa: SIM115  (a descriptor, closed by its user)
        self.stdout, self.stderr = (os.fdopen(one, "rb", buffering=0) for one in (stdout, stderr))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Return the exit code when it has ended."""
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forked runner", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> None:
        """Wait for its end, and close the pipes."""
        self.wait()
        for pipe in (self.stdin, self.stdout, self.stderr):
            with suppress(OSError, AttributeError):
                pipe.close()


class ZygoteUnderTest:
    """A zygote of this process, which becomes the parent of what it forks."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket) -> None:
        self.process, self._connection = process, connection
        self._folder = Path(tempfile.mkdtemp(prefix="zygote-"))
        self._number = 0

    def fork(self, grace: float = 1.0, folder: Path | None = None) -> ForkedProcess:
        """Have a runner forked, with a pipe for each of its standard streams."""
        self._number += 1
        folder = folder or self._folder / str(self._number)
        (stdin, ours_in), (ours_out, stdout), (ours_err, stderr) = (os.pipe() for _ in range(3))
        # No mark: the number is the limit that this process has.
        request = ForkRequest(str(folder), grace, mark=1 << 40)
        socket.send_fds(self._connection, [request.to_packet()], [stdin, stdout, stderr])
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
        answer = parse_answer(self._connection.recv(MAX_PACKET_BYTES))
        if answer.errno:
            for ours in (ours_in, ours_out, ours_err):
                os.close(ours)
            raise OSError(answer.errno, os.strerror(answer.errno))
        return ForkedProcess(answer.pid, ours_in, ours_out, ours_err)

    def close(self) -> int:
        """Close this end of the socket pair, which ends it; returns its exit code."""
        self._connection.close()
        subprocess.run(["rm", "-rf", str(self._folder)], check=True)
        return self.process.wait(20)


@contextmanager
def open_zygote(**variables: str) -> Iterator[ZygoteUnderTest]:
    """A zygote that is ready; it must end when its socket does."""
    adopt_orphans()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner.zygote", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=make_environment(**variables),
        )
    ready = ours.recv(MAX_PACKET_BYTES)
    zygote = ZygoteUnderTest(process, ours)
    try:
        assert ready, "the zygote did not become ready"
        yield zygote
    finally:
        assert zygote.close() in (0, -signal.SIGKILL)
