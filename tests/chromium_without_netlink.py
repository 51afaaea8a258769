#!/usr/bin/env python3
"""Become Chromium, without the kernel's news of the network (netlink); ``tests.chromium`` runs it.

With them Chromium gives up what it is loading (ERR_NETWORK_CHANGED) whenever the machine's network
changes, and so whenever a pod starts or ends. Without a netlink socket it takes the network as
there for good (``AddressTrackerLinux::AbortAndForceOnline`` in its source).

``socket(AF_NETLINK, ...)`` fails here, by a seccomp filter; see seccomp(2).
"""

import ctypes
import errno
import os
import platform
import shutil
import socket
import struct
import sys

_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The names of seccomp(2) for a machine, and the number of its call ``socket``."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
"""BPF: load a word of ``struct seccomp_data``; compare it; answer."""

_CALL, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""The places of those words."""

_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


def _make_filter(architecture: int, call: int) -> bytes:
    """Return the instructions: (code, skip if so, skip if not, operand) each."""
    refuse = _ERROR | errno.EAFNOSUPPORT
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, 5, architecture),
        (_LOAD, 0, 0, _CALL),
        (_JUMP_IF_EQUAL, 0, 3, call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)


def _close_netlink() -> None:
    """Have the filter for this process and all that it becomes or starts.

    Raises:
        OSError: the kernel does not take it.
    """
    code = ctypes.create_string_buffer(_make_filter(*_ARCHITECTURES[platform.machine()]))
    program = ctypes.create_string_buffer(struct.pack("HP", 8, ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    arguments = [(_PR_SET_NO_NEW_PRIVS, 1, 0), (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program)]
    for option, first, second in arguments:
        if prctl(option, ctypes.c_ulong(first), second, 0, 0):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), "prctl")


if __name__ == "__main__":
    if platform.machine() in _ARCHITECTURES:
        _close_netlink()
    os.execv(shutil.which("chromium") or "", ["chromium", *sys.argv[1:]])
