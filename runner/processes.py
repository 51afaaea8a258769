"""What the supervisor asks of the system about processes. Standard library only.

Linux does it all; elsewhere a job's descendants are found by their process group, so that one
that starts a session of its own outlives its job.
"""

import ctypes
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

IS_LINUX = sys.platform == "linux"


def become_supervisor() -> None:
    """Shut programs out of this process, and adopt the descendants that they leave behind.

    Without the first, a program of the same user could write forged lines through
    ``/proc/<pid>/fd/1``. The last shuts out setuid programs, which this process could not kill.
    """
    if IS_LINUX:
        _prctl(_PR_SET_DUMPABLE, 0)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)


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
    # By everybody's parent: many kernels are built without /proc/<pid>/task/<tid>/children.
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        children[_parent(folder)].append(int(folder.name))
    parents = [pid]
    while parents:
        below = children[parents.pop()]
        yield from below
        parents += below


def _parent(folder: Path) -> int:
    try:
        # The name in parentheses may hold anything; after it come the state and the parent.
        return int((folder / "stat").read_bytes().rpartition(b") ")[2].split()[1])
    except OSError:
        # It ended since the folder was listed.
        return 0


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
    # Gone already, or (macOS) a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
