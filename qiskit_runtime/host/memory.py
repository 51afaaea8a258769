"""The memory of servers that run for weeks: what is loaded, and what was freed."""

import ctypes
import gc


def leave_out_of_collections() -> None:
    """Have garbage collections look at nothing that is in memory now: it stays anyway.

    A collection of all that the operator imports takes 70 ms, in which it answers nothing.
    """
    gc.collect()
    gc.freeze()


def return_freed_memory() -> None:
    """Give the system back what this process has freed, where the C library is glibc.

    glibc keeps it: the pages of a list of thousands of objects, once decoded, and a buffer of
    256 KiB for each connection by TLS (``asyncio.sslproto``) that was ever open at the same time.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
