"""The program process as the supervisor holds it: started, ended, reaped, its memory measured.

Standard library only. What runs within it is ``program_process``.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from qiskit_runtime.host.process_tree import IS_LINUX
from runner import memory, processes
from runner.pipes import widen


class Program:
    """One program process; it imports what it needs at once.

    Its working directory is ``folder``, which is also where its temporary files go.

    ``console`` is where it prints into, ``channel`` our end of its channel; neither blocks.
    ``status`` is its exit code (negative: the signal), None while it lives.
    """

    def __init__(self, folder: str) -> None:
        self.console, console = os.pipe()
        widen(self.console)
        self.channel, channel = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "runner.program_process", str(channel.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            pass_fds=[channel.fileno()],
            cwd=folder,
            env=os.environ | {"TMPDIR": folder},
            start_new_session=True,
        )
        os.close(console)
        channel.close()
        os.set_blocking(self.console, False)
        self.channel.setblocking(False)
        self.status: int | None = None
        self.peak_bytes = 0
        self._oom_kills = memory.oom_kills()

    def terminate(self) -> None:
        """Send SIGTERM to its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, if it was not reaped: its number may be another's by then."""
        if self.status is None:
            os.kill(self._process.pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill and reap what is left of it and of all that it started."""
        processes.kill_descendants(self._process.pid)

    def reap(self) -> None:
        """Take in every child that ended: the program, or orphans that it left to us."""
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._process.pid:
                    self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
                    # Kibibytes on Linux, bytes on macOS.
                    unit = 1024 if IS_LINUX else 1
                    self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * unit)

    def measure_memory(self, limit: int) -> int:
        """Bytes that it and its descendants hold, exactly where it may be over the limit."""
        held = memory.held_by_descendants(limit)
        self.peak_bytes = max(self.peak_bytes, held)
        return held

    @property
    def was_oom_killed(self) -> bool:
        """Whether the kernel has killed a process of our cgroup for its memory since the start."""
        return memory.oom_kills() > self._oom_kills
