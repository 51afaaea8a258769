"""The pages of the zygote's memory that a job writes to: a fork copies them before its job comes.

A fork shares each page with the zygote until it writes to it, if only to count a reference: then
the kernel copies the page. A small job has 3,000 of them copied, which takes 10 ms. Every fork
begins with the same memory, so they are nearly the same pages for each job, and one fork that
rehearses a job tells which. Where the system can't tell or copy them, each is copied when it is
written to.
"""

import ctypes
import os
import signal
from array import array
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from select import select
from typing import NoReturn

from qiskit_runtime.host.process_tree import close_to_others, open_to_others
from runner.processes import close_all_but, die_with_parent

Places = list[tuple[int, int]]
"""Places in the memory: the address of each, and its number of bytes."""

_PATIENCE = 3.0
"""The seconds for a rehearsal, which takes a tenth of one. The server's patience is longer."""

_MOST_BYTES = 1 << 20
"""The longest answer: a rehearsal tells about a thousand places in 16 bytes each."""

_MADV_POPULATE_WRITE = 23
"""Of Linux 5.14: have pages as if they were written to."""

_PRESENT, _OWN = 1 << 63, 1 << 56
"""Bits of a page in /proc/self/pagemap: it is in memory, and no other process has it."""


def find_written(rehearse: Callable[[], None]) -> Places:
    """Return the places that ``rehearse`` writes to in a fork of this process."""
    told, tell = os.pipe()
    if (pid := os.fork()) == 0:
        _tell_written(rehearse, tell)
    os.close(tell)
    numbers = array("Q")
    try:
        numbers.frombytes(_read_all(told))
    finally:
        os.close(told)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def copy_pages(places: Places) -> None:
    """Have this fork's own copy of each of these places."""
    if places:
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        for address, size in places:
            madvise(address, size, _MADV_POPULATE_WRITE)


def _tell_written(rehearse: Callable[[], None], tell: int) -> NoReturn:
    try:
        die_with_parent()
        close_all_but(tell)
        # Standard error is the server's, and nothing of this is for people.
        os.dup2(1, 2)
        # Its own list of pages would be closed to it too.
        open_to_others()
        areas = [*_list_writable()]
        with Path("/proc/self/pagemap").open("rb", buffering=0) as pagemap:
            close_to_others()
            rehearse()
            own = array("Q", _list_own(areas, pagemap))
        with os.fdopen(tell, "wb") as answer:
            answer.write(own.tobytes())
    finally:
        os._exit(0)


def _read_all(pipe: int) -> bytes:
    """Return all that comes through a pipe; nothing of too much, or where its end is late."""
    data = b""
    while len(data) <= _MOST_BYTES and select([pipe], [], [], _PATIENCE)[0]:
        if not (part := os.read(pipe, 1 << 16)):
            return data
        data += part
    return b""


def _list_writable() -> Iterator[tuple[int, int]]:
    """Yield the begin and the end of each area of memory that this process can write to."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        area, rights, *_ = line.split()
        if rights == "rw-p":
            begin, _, end = area.partition("-")
            yield int(begin, 16), int(end, 16)


def _list_own(areas: list[tuple[int, int]], pagemap: FileIO) -> Iterator[int]:
    """Yield address and size of each row of pages in these areas that this process alone has."""
    # Imported already, after what sets the threads of libraries.
    import numpy

    size = os.sysconf("SC_PAGE_SIZE")
    for begin, end in areas:
        pagemap.seek(begin // size * 8)
        pages = numpy.frombuffer(pagemap.read((end - begin) // size * 8), numpy.uint64)
        own = numpy.flatnonzero((pages & (_PRESENT | _OWN)) == (_PRESENT | _OWN))
        for row in numpy.split(own, numpy.flatnonzero(numpy.diff(own) > 1) + 1):
            if len(row):
                yield begin + int(row[0]) * size
                yield len(row) * size
