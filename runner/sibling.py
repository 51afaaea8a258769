"""A fork whose parent is the parent of the process that forks: so the zygote's are the server's.

Linux can make one at once. Where a sandbox forbids that, a process between them ends and leaves it
to the server, which adopts orphans; that one is a copy of the zygote's memory for nothing.
"""

import ctypes
import errno
import os
import time

_SYS_CLONE3 = 435
"""The number on all processors that Aer is built for; of Linux 5.3."""

_CLONE_PARENT = 0x8000

_FORBIDDEN = (errno.ENOSYS, errno.EPERM, errno.EINVAL)
"""The errors of systems that know no ``clone3``, or don't allow it, or not with this flag."""

_MOMENT = 0.0005
"""The seconds between two looks whether the process between has ended."""


def fork_sibling() -> bool:
    """Fork; returns True in the new process, whose parent is this one's own.

    As a raw call it runs none of the functions that Python and libraries have called at a fork. So
    it is for a process with one thread, and for a new one that only forks again, or calls ``exec``.

    Raises:
        OSError: the system has no room for it.
    """
    pid, number = _clone()
    if pid >= 0:
        return pid == 0
    if number not in _FORBIDDEN:
        raise OSError(number, os.strerror(number), "clone3")
    return _fork_twice()


def _clone() -> tuple[int, int]:
    """Return a process id, or -1 and the number of the error."""
    # It holds Python's lock meanwhile, as a thread that waited for it would not be in the fork.
    call = ctypes.PyDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    # ``struct clone_args``; the new process sends its end the same signal as this one.
    arguments = (ctypes.c_uint64 * 8)(_CLONE_PARENT)
    pid = call(ctypes.c_long(_SYS_CLONE3), arguments, ctypes.c_size_t(ctypes.sizeof(arguments)))
    return pid, ctypes.get_errno()


def _fork_twice() -> bool:
    if (between := os.fork()) == 0:
        own = os.getpid()
        try:
            if os.fork() == 0:
                # Only then its parent is the right one.
                while os.getppid() == own:
                    time.sleep(_MOMENT)
                return True
        except OSError as error:
            os._exit(error.errno or errno.EAGAIN)
        os._exit(0)
    _, status = os.waitpid(between, 0)
    if number := os.waitstatus_to_exitcode(status):
        raise OSError(number, os.strerror(number), "fork")
    return False
