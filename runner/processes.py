"""What the supervisor asks of the system about processes. Standard library only.

Linux does it all; elsewhere a job's descendants are found by their process group, so that one
that starts a session of its own outlives its job.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

IS_LINUX = sys.platform == "linux"


def become_supervisor() -> None:
    """Shut programs out of this process, and adopt the descendants that they leave behind.

    Without the first, a program of the same user could write forged lines through
    ``/proc/<pid>/fd/1``.
    """
    if IS_LINUX:
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL."""
    if IS_LINUX:
        parent = os.getppid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")


def descendants(pid: int) -> Iterator[int]:
    """The process ids below ``pid`` at this moment; none where the system does not tell."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            ids = children.read_text().split()
        except OSError:
            continue
        for child in map(int, ids):
            yield child
            yield from descendants(child)


def kill_descendants(group: int) -> None:
    """Kill and reap all that a program left behind, also what it forks meanwhile.

    ``group`` is the program's process group. As PID 1 of a pod there is nothing but descendants;
    on a user's machine only this process's own are touched.
    """
    while True:
        if os.getpid() == 1:
            _kill(-1)
        else:
            _kill(-group)
            for pid in list(descendants(os.getpid())):
                _kill(pid)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Gone already, or (macOS) a group of zombies.
        pass
