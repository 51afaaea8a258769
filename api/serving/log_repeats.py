"""The log's bound: lines of one kind, as many as anybody can cause, are held back."""

import logging
import time
from collections.abc import Callable

LINES_A_MINUTE = 10
"""How many lines of one kind are written within a minute."""

EXEMPT = ("uvicorn.access",)
"""Loggers whose lines were asked for, each."""

_MINUTE = 60.0
_MAX_KINDS = 1000


class HoldsBackRepeats(logging.Filter):
    """Lets so many records of one kind through; the next minute's first says how many were not.

    A kind is a logger and a message before its arguments are put in: its first line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name in EXEMPT:
            return True
        kind = (record.name, str(record.msg).partition("\n")[0][:200])
        now = self._clock()
        begun, count = self._kinds.get(kind, (now, 0))
        held_back = max(0, count - LINES_A_MINUTE)
        if now - begun >= _MINUTE:
            begun, count = now, 0
            if held_back:
                record.msg = f"{record.msg} ({held_back} more were held back)"
        count += 1
        if len(self._kinds) >= _MAX_KINDS and kind not in self._kinds:
            self._kinds.pop(next(iter(self._kinds)))
        self._kinds[kind] = (begun, count)
        if count == LINES_A_MINUTE:
            record.msg = f"{record.msg} (more of this kind are held back for a minute)"
        return count <= LINES_A_MINUTE
