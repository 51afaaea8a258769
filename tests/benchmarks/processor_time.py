"""The CPU time of this process and of all that it has started, also of what has ended since."""

import os
from pathlib import Path

from qiskit_runtime.host.process_tree import descendants

_TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """Return the seconds so far of this process and its descendants, and of what each has reaped.

    What ends is reaped by its parent, or by the server, which adopts what is left: so nothing is
    lost between two calls but what has ended and is not reaped yet.
    """
    own = os.getpid()
    return sum(map(read_seconds, (own, *descendants(own))))


def read_seconds(pid: int) -> float:
    """Return the CPU time of a process and of its reaped children; 0 where it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The name in parentheses may hold anything; the times are the 14th to 17th field.
    return sum(map(int, stat.rpartition(b") ")[2].split()[11:15])) / _TICKS
