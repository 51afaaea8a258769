"""The traceback of a failed program as its author should read it: from the author's code on."""

import linecache
import os
import re
import traceback
from pathlib import Path
from types import TracebackType

from qiskit_runtime.contract.handover import ENTRY_POINT

HEADER = "Traceback (most recent call last):\n"
_OURS = str(Path(__file__).parent) + os.sep


def format_program_traceback(error: BaseException, program: str) -> str:
    """The exception's traceback from the first frame in the program's folder on.

    Where the exception came before any line of the program ran (wrong arguments, no ``main``),
    the place shown is the program's ``main``, or its first line.
    """
    begin = _first_frame_below(error.__traceback__, str(Path(program).parent))
    if begin is not None:
        return "".join(traceback.format_exception(type(error), error, begin))
    place = "" if isinstance(error, SyntaxError) else _place_of_main(program)
    return HEADER + place + "".join(traceback.format_exception_only(error))


def _first_frame_below(frame: TracebackType | None, folder: str) -> TracebackType | None:
    while frame is not None and not _is_below(frame.tb_frame.f_code.co_filename, folder):
        frame = frame.tb_next
    return frame


def _is_below(file: str, folder: str) -> bool:
    # A program may lie above this project, as at a repository's root.
    return Path(folder) in Path(file).parents and not file.startswith(_OURS)


def _place_of_main(program: str) -> str:
    """The line that defines main, or the first, in a traceback's form."""
    pattern = re.compile(rf"(async )?def {ENTRY_POINT}\b")
    for number, line in enumerate(linecache.getlines(program), start=1):
        if pattern.match(line):
            return f'  File "{program}", line {number}, in {ENTRY_POINT}\n    {line.strip()}\n'
    return f'  File "{program}", line 1, in <module>\n'
