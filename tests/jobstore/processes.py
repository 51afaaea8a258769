"""Questions to the system about processes, for tests of local mode."""

import asyncio
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path


def children(besides: Collection[int] = ()) -> list[int]:
    """The processes below this one, supervisors and their programs, but for those of others."""
    return [pid for pid in children_of(os.getpid()) if pid not in besides]


def children_of(pid: int) -> Iterator[int]:
    """All that descend from a process."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from children_of(child)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


async def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that no store tells of."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  (the system has no event for it)
            await asyncio.sleep(0.02)
