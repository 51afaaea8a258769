"""The program process as the supervisor sees it: started, ended, reaped, its memory measured.

Standard library only. The code that runs in the process is ``program_process``.
"""

import os
import signal
import sys
from contextlib import suppress

from qiskit_runtime.host.descriptors import widen
from qiskit_runtime.host.process_tree import IS_LINUX
from runner import memory, processes
from runner.channel import SupervisorEnd


class Program:
    """The program process of one job: a child of this process, and the leader of its own group.

    ``console`` is the reading end of the pipe that it prints into, ``channel`` the supervisor's end
    of its channel, both as descriptors; neither blocks. ``status`` is its exit code (negative: the
    signal), None while it lives.
    """

    def __init__(self, pid: int, console: int, channel: int) -> None:
        self._pid = pid
        self.console, self.channel = console, SupervisorEnd(channel)
        os.set_blocking(console, False)
        self.status: int | None = None
        self.peak_bytes = 0
        self.count_oom_kills()

    def count_oom_kills(self) -> None:
        """Count the kernel's OOM kills from now on: those before the job are none of its own."""
        self._oom_kills = memory.oom_kills()

    def terminate(self) -> None:
        """Send SIGTERM to the program's process group."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process, unless it was reaped: its number may be another's by then."""
        if self.status is None:
            os.kill(self._pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill and reap the process and all that it started."""
        processes.kill_descendants(self._pid)

    def reap(self) -> None:
        """Reap every child that ended: the program, or orphans that it left to the supervisor."""
        with suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._pid:
                    self.status = os.waitstatus_to_exitcode(status)
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


def start_program(folder: str) -> Program:
    """Start a program process, whose working directory and TMPDIR is ``folder``."""
    # Imported here: the supervisor of a process that was forked for it is up sooner without.
    import socket
    import subprocess

    reader, console = os.pipe()
    widen(reader)
    connection, channel = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "runner.program_process", str(channel.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=console,
        stderr=console,
        pass_fds=[channel.fileno()],
        cwd=folder,
        env=os.environ | {"TMPDIR": folder},
        start_new_session=True,
    )
    # Program reaps it; otherwise Popen would say that it still runs.
    process.returncode = 0
    os.close(console)
    channel.close()
    return Program(process.pid, reader, connection.detach())
