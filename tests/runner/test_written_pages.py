"""The pages that a rehearsal writes to, and their copies in a fork."""

import mmap
import os
import resource
import time

import pytest

from qiskit_runtime.host.process_tree import IS_LINUX
from runner import written_pages
from runner.written_pages import copy_pages, find_written

pytestmark = pytest.mark.skipif(not IS_LINUX, reason="only Linux tells")

PAGE = mmap.PAGESIZE


@pytest.fixture
def memory():
    """100 pages that are written to, with the address of the first."""
    with mmap.mmap(-1, 100 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        area.write(b"x" * 100 * PAGE)
        yield area


def write(memory, *pages):
    """Write to these pages."""
    for page in pages:
        memory[page * PAGE] = 1


def find_address(memory):
    """Return the address of the area: the memory of this size that is its own."""
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def find_pages(memory, places):
    """Return the numbers of the area's pages in these places."""
    first = find_address(memory)
    return [
        (address - first) // PAGE + number
        for address, size in places
        for number in range(size // PAGE)
        if first <= address < first + 100 * PAGE
    ]


def test_pages_that_are_written_to_are_found(memory):
    """Each of them, and none that is only read."""
    places = find_written(lambda: write(memory, 3, 4, 5, 40))
    assert find_pages(memory, places) == [3, 4, 5, 40]


def test_copied_pages_are_written_to_without_a_fault(memory):
    """A fork has its own copy before it writes, and what is in it is the same."""
    places = find_written(lambda: write(memory, *range(0, 100, 2)))
    told, tell = os.pipe()
    if os.fork() == 0:
        copy_pages(places)
        same = memory[:] == b"x" * 100 * PAGE
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        write(memory, *range(0, 100, 2))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        os.write(tell, b"%d %d" % (same, faults))
        os._exit(0)
    os.wait()
    same, faults = map(int, os.read(told, 100).split())
    assert same == 1 and faults < 25
    for pipe in (told, tell):
        os.close(pipe)


def test_rehearsal_that_fails_finds_nothing(memory):
    """It is said nowhere: a fork copies pages when it writes to them."""
    assert find_written(lambda: 1 / 0) == []


def test_rehearsal_that_hangs_finds_nothing(monkeypatch):
    """The zygote waits for it for a moment, and ends it."""
    monkeypatch.setattr(written_pages, "_PATIENCE", 0.2)
    begin = time.monotonic()
    assert find_written(lambda: time.sleep(60)) == []
    assert time.monotonic() - begin < 20


def test_nothing_to_copy_is_no_error():
    """A place that is none is left alone."""
    copy_pages([])
    copy_pages([(PAGE, PAGE)])
