"""Memory that was freed goes back to the system."""

import psutil

from qiskit_runtime.host.freed_memory import return_freed_memory

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
