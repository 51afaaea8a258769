"""The traceback of a failed program as its author should read it: from the author's code on."""

import linecache
import os
import re
import traceback
from pathlib import Path
from types import TracebackType

from qiskit_runtime.contract.wire.job_input import ENTRY_POINT
from qiskit_runtime.contract.wire.verdict import shorten

MAX_LINE_CHARACTERS = 160
"""What is kept of a line of code in a job's message."""

HEADER = "Traceback (most recent call last):\n"
_OURS = str(Path(__file__).parent) + os.sep


def format_program_traceback(error: BaseException, program: str) -> str:
    """The exception's traceback from the first frame in the program's folder on.

    Where the exception came before any line of the program ran (wrong arguments, no ``main``),
    the place shown is the program's ``main``, or its first line.
    """
    begin = _first_frame_below(error.__traceback__, str(Path(program).parent.absolute()))
    if begin is not None:
        return "".join(traceback.format_exception(type(error), error, begin))
    place = "" if isinstance(error, SyntaxError) else _place_of_main(program)
    return HEADER + place + "".join(traceback.format_exception_only(error))


def find_program_line(error: BaseException, program: str) -> str:
    """The innermost line of the program's own code: file, number and text; or an empty text."""
    folder = str(Path(program).parent.absolute())
    if isinstance(error, SyntaxError) and _is_below(error.filename or "", folder):
        # Otherwise it is of a text that the program has read, say by ast.literal_eval.
        return _format_line(error.filename, error.lineno, error.text)
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if _is_below(frame.filename, folder)
    ]
    if not own:
        return ""
    return _format_line(own[-1].filename, own[-1].lineno, own[-1].line)


def _format_line(file: str | None, number: int | None, text: str | None) -> str:
    line = shorten((text or "").strip(), MAX_LINE_CHARACTERS)
    return f"{Path(file or '').name}, line {number}: {line}"


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
