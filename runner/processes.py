"""What the supervisor does about processes. Standard library only.

Elsewhere than on Linux a job's descendants are found by their process group, so that one that
starts a session of its own outlives its job.
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
    """Shut programs out of this process, and adopt the descendants that they leave behind.

    Without the first, a program of the same user could write forged lines through
    ``/proc/<pid>/fd/1``. The last shuts out setuid programs, which this process could not kill.
    """
    if IS_LINUX:
        close_to_others()
        adopt_orphans()
        prctl(_PR_SET_NO_NEW_PRIVS, 1)


def carry(mark: int) -> None:
    """Mark this process and all that descend from it, for good.

    Whoever started it knows them by that when it adopts them. Limits are inherited, and what was
    lowered can't be raised again without privileges.
    """
    if IS_LINUX:
        # A server that runs in a job of another has a lower mark already.
        with suppress(ValueError, OSError):
            resource.setrlimit(_RLIMIT_LOCKS, (mark, mark))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL."""
    if IS_LINUX:
        parent = os.getppid()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_descendants(group: int) -> None:
    """Kill and reap all that a program left behind, also what it forks meanwhile.

    ``group`` is the program's process group. As PID 1 of a pod there is nothing but descendants;
    on a user's machine only this process's own are touched.
    """
    while True:
        if os.getpid() == 1:
            kill([-1])
        else:
            kill([-group, *descendants(os.getpid())])
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
