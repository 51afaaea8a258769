"""The log's filters: repeated lines, which any client can cause, are held back, and secrets too."""

import logging
import time
from collections.abc import Callable, MutableMapping

from cachetools import LRUCache

LINES_A_MINUTE = 10
"""The lines of one kind that are written within a minute."""

EXEMPT = ("uvicorn.access",)
"""Loggers that are not bounded: the user asked for each line."""

CALLBACK = "/login/callback"
"""The path whose query is a login's code and state: whoever reads them may try to use them."""

_MINUTE = 60.0
_MAX_KINDS = 1000


class RepeatFilter(logging.Filter):
    """Passes so many records of one kind; the first of the next minute counts those held back.

    A kind is a logger and a message before its arguments are put in: its first line.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: MutableMapping[tuple[str, str], tuple[float, int]] = LRUCache(_MAX_KINDS)

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
        self._kinds[kind] = (begun, count)
        if count == LINES_A_MINUTE:
            record.msg = f"{record.msg} (more of this kind are held back for a minute)"
        return count <= LINES_A_MINUTE


class QueryFilter(logging.Filter):
    """Passes every record; in the access log, the query of a login's callback is left out."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name in EXEMPT and isinstance(record.args, tuple):
            record.args = tuple(map(_without_query, record.args))
        return True


def _without_query(part: object) -> object:
    return CALLBACK if isinstance(part, str) and part.startswith(f"{CALLBACK}?") else part
