"""The program process as the supervisor sees it: started, ended, reaped, its memory measured.

Standard library only. The code that runs in the process is ``program_process``.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from qiskit_runtime.host.process_tree import IS_LINUX
from runner import memory, processes
from runner.channel import SupervisorEnd
from runner.pipes import widen


class Program:
    """The program process of one job. ``folder`` is its working directory and its TMPDIR.

    ``console`` is the pipe that it prints into, ``channel`` the supervisor's end of its channel;
    neither blocks. ``status`` is its exit code (negative: the signal), None while it lives.
    """

    def __init__(self, folder: str) -> None:
        self.console, console = os.pipe()
        widen(self.console)
        connection, channel = socket.socketpair()
        self.channel = SupervisorEnd(connection)
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
        self.status: int | None = None
        self.peak_bytes = 0
        self._oom_kills = memory.oom_kills()

    def terminate(self) -> None:
        """Send SIGTERM to the program's process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process, unless it was reaped: its number may be another's by then."""
        if self.status is None:
            os.kill(self._process.pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill and reap the process and all that it started."""
        processes.kill_descendants(self._process.pid)

    def reap(self) -> None:
        """Reap every child that ended: the program, or orphans that it left to the supervisor."""
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
        """Return the bytes that the job's processes hold, exact where they may exceed ``limit``."""
        held = memory.held_by_descendants(limit)
        self.peak_bytes = max(self.peak_bytes, held)
        return held

    @property
    def was_oom_killed(self) -> bool:
        """Return whether the kernel has killed a process of this cgroup since the start."""
        return memory.oom_kills() > self._oom_kills
