"""What the supervisor does with pipes and signals, below its loop. Standard library only."""

import array
import fcntl
import os
import signal
import termios
from contextlib import suppress


def readable_bytes(descriptor: int) -> int:
    """How many bytes wait in a pipe or socket."""
    waiting = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, waiting)
    return waiting[0]


def widen(pipe: int) -> None:
    """Give a pipe the largest buffer that any user may have, so that a flood waits less."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def write_all(data: bytes) -> None:
    """Write record lines to stdout."""
    while data:
        data = data[os.write(1, data) :]


def open_signal_pipe() -> int:
    """Turn SIGTERM and SIGCHLD into readable bytes, their numbers, for the one loop to serve."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    # A terminal's Ctrl-C reaches the whole group; whoever started us tells us what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return reader
