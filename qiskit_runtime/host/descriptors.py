"""Descriptors: what is written to a file or a pipe, and what waits in one. Standard library only.

The pipes are those between the processes of a job, and to the reader of its record.
"""

import fcntl
import os
import sys
import termios
import time
from contextlib import suppress

LINGER_SECONDS = 0.2
"""The time for which the container runtime may hold output that it has read and not yet written."""

DRAIN_SECONDS = 10.0
"""The time that it may take to empty a pipe. Longer, and nobody reads it."""


def readable_bytes(descriptor: int) -> int:
    """Return the number of bytes that wait in a pipe or socket."""
    # A C integer; array, which has them, would be imported for this alone.
    waiting = bytearray(4)
    fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    return int.from_bytes(waiting, sys.byteorder)


def widen(pipe: int) -> None:
    """Give a pipe the largest buffer that any user may have, so that a flood waits less."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a pipe, or a disk that becomes full, may take a part and not say why."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def wait_until_read(pipe: int) -> None:
    """Wait until everything written into ``pipe`` has been read, and a moment longer."""
    until = time.monotonic() + DRAIN_SECONDS
    with suppress(OSError):
        while readable_bytes(pipe) and time.monotonic() < until:
            time.sleep(0.005)
    time.sleep(LINGER_SECONDS)
