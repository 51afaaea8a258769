"""The supervisor's and the program's calls to the system about processes and signals.

Standard library only. Elsewhere than on Linux a job's descendants are found by their process
group, so that one that starts a session of its own outlives its job.
"""

import os
import resource
import signal
from contextlib import suppress

from qiskit_runtime.host.process_tree import (
    IS_LINUX,
    adopt_orphans,
    close_to_others,
    descendants,
    kill,
    prctl,
)

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_RLIMIT_LOCKS = 10
"""A limit that Linux keeps and does not apply, and Python has no name for."""


def become_supervisor() -> None:
    """Shut programs out of this process, and adopt the descendants that they leave behind."""
    # Otherwise a program of the same user could write forged lines to /proc/<pid>/fd/1.
    close_to_others()
    adopt_orphans()
    refuse_privileges()


def refuse_privileges() -> None:
    """Give up setuid programs, also for descendants: a supervisor could not kill one."""
    if IS_LINUX:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)


def open_signal_pipe() -> int:
    """Turn SIGTERM and SIGCHLD into readable bytes, their numbers, for the one loop to serve."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    # A terminal's Ctrl-C reaches the whole group; the process that started us decides what it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return reader


def carry(mark: int) -> None:
    """Mark this process and its descendants for good, so that a server knows those it adopts.

    The mark is a resource limit: those are inherited, and one that was lowered can't be raised
    again without privileges.
    """
    if IS_LINUX:
        # A server that itself runs in a job has a lower mark already.
        with suppress(ValueError, OSError):
            resource.setrlimit(_RLIMIT_LOCKS, (mark, mark))


def close_all_but(*kept: int) -> None:
    """Close every descriptor but the standard streams and these."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (starts faster)
        if (descriptor := int(name)) > 2 and descriptor not in kept:
            # The one of the listing is closed already.
            with suppress(OSError):
                os.close(descriptor)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL."""
    if IS_LINUX:
        parent = os.getppid()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_descendants(group: int) -> None:
    """Kill and reap all processes that a program left behind, also those it forks meanwhile.

    ``group`` is the program's process group.
    """
    while True:
        if IS_LINUX and not _has_children():
            # Orphans are adopted: without a child there is nothing below.
            return
        if os.getpid() == 1:
            # In a pod, every other process is a descendant.
            kill([-1])
        else:
            kill([-group, *descendants(os.getpid())])
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
