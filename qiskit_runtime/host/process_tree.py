"""Calls to the system about processes and their descendants, for server and supervisor.

Standard library only. Elsewhere than on Linux a process's descendants are unknown.
"""

import ctypes
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

IS_LINUX = sys.platform == "linux"


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, in place of PID 1."""
    if IS_LINUX:
        prctl(_PR_SET_CHILD_SUBREAPER, 1)


def close_to_others() -> None:
    """Keep other processes of the user, as programs are, out of this one's memory and files.

    Its environment is closed to them too. On Linux only.
    """
    if IS_LINUX:
        prctl(_PR_SET_DUMPABLE, 0)


def open_to_others() -> None:
    """Take ``close_to_others`` back, which a fork inherits."""
    if IS_LINUX:
        prctl(_PR_SET_DUMPABLE, 1)


def prctl(option: int, value: int) -> None:
    """Set an option of this process, one of ``PR_SET_...``."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl")


def list_children() -> dict[int, list[int]]:
    """Return the children of every process at this moment; nothing on other systems than Linux."""
    # From every process's parent: many kernels lack /proc/<pid>/task/<tid>/children.
    children: dict[int, list[int]] = defaultdict(list)
    if not IS_LINUX:
        return children
    # Without pathlib, whose import is a tenth of a supervisor's start.
    for name in os.listdir("/proc"):  # noqa: PTH208  (starts faster)
        if name.isdecimal():
            children[_parent(name)].append(int(name))
    return children


def descendants(*pids: int) -> Iterator[int]:
    """Yield the process ids below these at this moment."""
    children = list_children()
    parents = list(pids)
    while parents:
        below = children[parents.pop()]
        yield from below
        parents += below


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  (starts faster)
            # The name in parentheses may hold anything; after it come the state and the parent.
            return int(file.read().rpartition(b") ")[2].split()[1])
    except OSError:
        # The process ended after the folder was listed.
        return 0


def kill(pids: Iterable[int]) -> None:
    """Send SIGKILL to each of them; a negative number is a process group."""
    for pid in pids:
        # It ended already, or (macOS) is a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
