"""Memory that was freed goes back to the system."""

import subprocess
import sys

import psutil

from qiskit_runtime.host.memory import return_freed_memory

MIB = 2**20


def test_freed_memory_is_no_longer_resident():
    """Blocks between others that are kept, as the pages of a long list leave them behind."""
    process = psutil.Process()
    blocks = [bytearray(4096) for _ in range(50_000)]
    kept = blocks[::500]
    del blocks
    before = process.memory_info().rss
    return_freed_memory()
    assert before - process.memory_info().rss > 100 * MIB
    assert len(kept) == 100


def test_what_is_loaded_is_left_out_of_collections():
    """It can't become garbage, and a collection does not look at it."""
    program = "from qiskit_runtime.host.memory import *; import gc; leave_out_of_collections();"
    program += "print(gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.split() == [b"True", b"True"]
