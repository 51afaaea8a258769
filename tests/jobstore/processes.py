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


def find_runners(besides: Collection[int] = ()) -> dict[int, int]:
    """The program processes of the supervisors that this process is the parent of, by those."""
    names = ("forked_supervisor.py", "runner")
    supervisors = [pid for name in names for pid in find_children(name, besides)]
    return {pid: program for pid in supervisors for program in children_of(pid)}


def find_children(name: str, besides: Collection[int] = ()) -> list[int]:
    """The children of this process that run a file or module of this name, but for others'."""
    found = []
    for task in Path("/proc/self/task").glob("*/children"):
        for pid in task.read_text().split():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if any(word.rpartition("/")[2] == name for word in words):
                found.append(int(pid))
    return [pid for pid in found if pid not in besides]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


async def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that no store tells of."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  (the system has no event for it)
            await asyncio.sleep(0.02)
