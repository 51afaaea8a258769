"""The return of freed memory to the system, for servers that run for weeks."""

import ctypes


def return_freed_memory() -> None:
    """Give the system back what this process has freed, where the C library is glibc.

    glibc keeps it: the pages of a list of thousands of objects, once decoded, and a buffer of
    256 KiB for each connection by TLS (``asyncio.sslproto``) that was ever open at the same time.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
