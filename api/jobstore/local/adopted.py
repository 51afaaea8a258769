"""Ends the processes that the server adopted: those of a job whose supervisor was killed.

A program has the rights of its supervisor, and can kill it. What the job started is the server's
then, which asked the system for its orphans, and knows them by the mark of their runner.
"""

import itertools
import logging
import os
import time
from contextlib import suppress

from qiskit_runtime.host.process_tree import IS_LINUX, descendants, kill, list_children

if IS_LINUX:
    from resource import prlimit

_RLIMIT_LOCKS = 10
"""What a mark is kept in (``runner.processes``)."""

_PATIENCE = 10.0
"""For how many seconds a job's processes are hunted that fork all the time."""

_LOOK_SECONDS = 0.005

_numbers = itertools.count(1)
_live: set[int] = set()

logger = logging.getLogger(__name__)


def draw_mark() -> int:
    """The mark of a runner that is started now."""
    mark = next(_numbers)
    _live.add(mark)
    return mark


def forget_mark(mark: int) -> None:
    """Say that no process has this mark any more that is not to be ended."""
    _live.discard(mark)


def end_adopted(mark: int) -> None:
    """Kill and reap what is left of a runner that has ended. Takes a moment; for a thread."""
    forget_mark(mark)
    deadline = time.monotonic() + _PATIENCE
    while found := _find_adopted():
        if time.monotonic() > deadline:
            logger.warning("processes of a job outlive it: %s", found)
            return
        kill([*found, *descendants(*found)])
        time.sleep(_LOOK_SECONDS)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _find_adopted() -> list[int]:
    """The children of this process that have a mark, and none of a runner that lives."""
    if not IS_LINUX:
        return []
    own = _read_mark(0)
    marks = {pid: _read_mark(pid) for pid in list_children()[os.getpid()]}
    # A program may lower its mark, to that of another job: it ends with that one.
    return [pid for pid, mark in marks.items() if mark not in (own, *_live)]


def _read_mark(pid: int) -> int:
    try:
        return prlimit(pid, _RLIMIT_LOCKS)[1]
    except OSError:
        return _read_mark(0)
