"""The end of a process that has imported Qiskit: as Python's own, and much faster.

Used by the program process and the zygote. Python takes apart all that was imported, which takes 10
to 15 times as long as the rest of its end, and as long as all of a small job in a fork, which has
to copy each page for it. What a program can see of Python's end is done here too, in its order.
"""

import atexit
import ctypes
import gc
import io
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import FrameType, FunctionType, ModuleType
from typing import Any, NoReturn

_HOLDING = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)
"""Files whose text or bytes may still be in a buffer; they lead to others, or to the system."""

_PLAIN = (io.FileIO, io.BufferedReader, io.BytesIO, io.StringIO)
"""Files without anything that their end would write."""

_ENDED = {
    "zipfile": "ZipFile",
    "tarfile": "_Stream",
    "shelve": "Shelf",
    "dbm.dumb": "_Database",
    "wave": "Wave_write",
}
"""Classes that are no files of ``io``, and that Python's end has write the rest of theirs."""


_ELSEWHERE = (type, ModuleType, FunctionType, FrameType)
"""What leads from an object to all others."""

_DEPTH, _BREADTH = 5, 1000
"""How far references are followed: an object, its attributes, a buffer, what is below that."""


def end_process(run: Callable[[], int]) -> NoReturn:
    """Call ``run``, and end this process with the exit code that it returns, or has chosen."""
    try:
        code = run()
    except SystemExit as end:
        code = _read_code(end)
    # These two are what Python's own end begins with, and have no public names.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  (no public name)
    atexit._run_exitfuncs()  # noqa: SLF001  (no public name)
    # Python stops daemon threads here. These go on, and may meet, or spoil, files that are closed.
    threading.excepthook = lambda _: None
    for name in ("stdout", "stderr"):
        with suppress(BaseException):  # it may be the program's own, or gone
            getattr(sys, name).flush()
    with suppress(Exception):  # there may be no memory for it
        _finish_files()
    ctypes.CDLL(None).fflush(None)
    os._exit(code)


def _read_code(end: SystemExit) -> int:
    """Return the exit code that Python would make of it; prints what is no number, as Python."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        # What is too large for C is -1 to Python. The system keeps eight bits.
        return end.code & 0xFF if -(1 << 63) <= end.code < 1 << 63 else 0xFF
    with suppress(BaseException):  # the text and the stream may be the program's own
        sys.stderr.write(f"{end.code}\n")
    return 1


def _finish_files() -> None:
    """Write what the files hold that the program has left open, and what their ends would."""
    base = io.IOBase.__bases__[0]
    ended = _with_subclasses([base, *_find_ended()]) - _ids([*_HOLDING, *_PLAIN])
    holding = _ids(_HOLDING)
    held, unfinished = [], []
    for one in _list_objects():
        # By the number: to compare would ask a class of the program whether it is equal.
        kind = id(type(one))
        if kind in holding:
            held.append(one.flush)
        elif kind in ended:
            unfinished.append(one)
    _call_all(held)
    _call_all(partial(_close, one) for one in _sort_by_reference(unfinished))
    if unfinished:
        # They may have written to those.
        _call_all(held)


def _list_objects() -> Iterator[Any]:
    """Yield what has come since the freeze, the newest first, as far as its collector knows."""
    for generation in range(3):
        yield from reversed(gc.get_objects(generation))


def _sort_by_reference(found: list[Any]) -> list[Any]:
    """Return those first that refer to others: who writes to another has to end before it.

    So do they end in Python, where what is referred to outlives who refers to it.
    """
    known = {id(one): one for one in found}
    ordered: list[Any] = []
    seen = set[int]()

    def visit(one: Any) -> None:
        seen.add(id(one))
        for number in _find_below(one, known.keys()):
            if number not in seen:
                visit(known[number])
        ordered.append(one)

    for one in reversed(found):
        if id(one) not in seen:
            visit(one)
    return ordered[::-1]


def _find_below(one: Any, known: Collection[int]) -> list[int]:
    """Return the numbers of the known objects that one refers to, over a few others at most."""
    found, seen, left = [], {id(one)}, [one]
    for _ in range(_DEPTH):
        below = []
        for other in gc.get_referents(*left):
            # By the type: the object's own word for its class is the program's.
            if id(other) in seen or issubclass(type(other), _ELSEWHERE):
                continue
            seen.add(id(other))
            if id(other) in known:
                found.append(id(other))
            else:
                below.append(other)
        left = below[:_BREADTH]
    return found


def _find_ended() -> Iterator[type]:
    for place, name in _ENDED.items():
        kind = getattr(sys.modules.get(place), name, None)
        if isinstance(kind, type):
            yield kind


def _with_subclasses(kinds: Iterable[type]) -> set[int]:
    found, left = set[int](), [*kinds]
    while left:
        kind = left.pop()
        if id(kind) not in found:
            found.add(id(kind))
            left += type.__subclasses__(kind)
    return found


def _ids(kinds: Iterable[type]) -> set[int]:
    return {id(kind) for kind in kinds}


def _close(one: Any) -> None:
    # Not before its call: even the attribute may be the program's own.
    one.close()


def _call_all(calls: Iterable[Callable[[], Any]]) -> None:
    for call in calls:
        with suppress(BaseException):  # some are the program's own
            call()
