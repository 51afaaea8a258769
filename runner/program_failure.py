"""The failure of a program as its author should read it: reason, message and traceback.

Used by the program process. The traceback begins at the author's own code.
"""

import linecache
import os
import re
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType

from qiskit_runtime.contract.wire.job_input import ENTRY_POINT
from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES, TRACEBACK_BUDGET
from qiskit_runtime.contract.wire.verdict import MAX_MESSAGE_CHARACTERS, shorten
from qiskit_runtime.programs.simulate.memory import TooLarge
from runner.message_writer import ResultTooLarge
from runner.moved_names import find_remedy
from runner.program_source import is_own

MAX_LINE_CHARACTERS = 160
"""The length of a line of code in a job's message."""

HEADER = "Traceback (most recent call last):\n"
_OURS = str(Path(__file__).parent) + os.sep


class InvalidParams(ValueError):
    """The job's parameters are not what the program can be called with."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason (a ``lifecycle.Reason`` by value), the job's message, and the log's last lines."""

    reason: str
    message: str
    traceback: bytes


def describe_failure(error: BaseException, entry: Path, caller: CodeType) -> Failure:
    """Describe the exception that ended the program with this entry file.

    ``caller`` is the code that calls the program's main.
    """
    if isinstance(error, MemoryError):
        # The objects in the program's frames may leave no memory to describe the failure with.
        traceback.clear_frames(error.__traceback__)
    line = find_program_line(error, str(entry)) if is_own(entry) else ""
    remedy = _find_remedy(error, line)
    reason = _find_reason(error, caller)
    text = format_program_traceback(error, str(entry))
    if remedy:
        text = f"{text.rstrip()}. {remedy}\n"
    return Failure(reason, _write_message(error, reason, line, remedy), _cut_traceback(text))


def _find_reason(error: BaseException, caller: CodeType) -> str:
    # Imported by the program process already; at the top it would import Qiskit too early.
    from runner.quantum_backend import UnknownDevice

    match error:
        case MemoryError():
            return "OutOfMemory"
        case ResultTooLarge():
            return "ResultTooLarge"
        case TooLarge():
            return "TooLarge"
        case UnknownDevice():
            return "UnknownBackend"
        case InvalidParams():
            return "InvalidParams"
        case TypeError() if _innermost_code(error) is caller:
            # main was never entered: its signature does not fit.
            return "InvalidParams"
    return "ProgramError"


def _innermost_code(error: BaseException) -> CodeType | None:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return None if frame is None else frame.tb_frame.f_code


def _find_remedy(error: BaseException, line: str) -> str:
    with suppress(Exception):  # an attribute of the program's own class may fail
        return find_remedy(error, line) if line else ""
    return ""


def _write_message(error: BaseException, reason: str, line: str, remedy: str) -> str:
    """Return the job's message: the traceback's last line, the program's own line, the remedy."""
    name = type(error).__name__
    # The status shows the reason with the message, so its name is not repeated.
    parts = name * (name != reason), _text_of(error, line)
    sentence = ": ".join(part for part in parts if part)
    end = f" ({line})" * bool(line) + f". {remedy}" * bool(remedy)
    sentence = shorten(sentence, MAX_MESSAGE_CHARACTERS - len(end)) + end
    return sentence.encode(errors="replace").decode()


def _text_of(error: BaseException, line: str) -> str:
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or '').name}, line {error.lineno}: "
        if line.startswith(place):
            # Its text ends with file and line, which are in the message with the line's code.
            return str(error.msg)
    try:
        return str(error)
    except Exception:  # noqa: BLE001  (the program's own class may fail in any way)
        return "<exception str() failed>"


def _cut_traceback(text: str) -> bytes:
    lines = text.encode(errors="replace")
    if len(lines) > MAX_MESSAGE_BYTES:
        return lines[:TRACEBACK_BUDGET] + b"\n  [...]\n" + lines[-TRACEBACK_BUDGET:]
    return lines


def format_program_traceback(error: BaseException, program: str) -> str:
    """Return the exception's traceback from the first frame in the program's folder on.

    Where the exception came before any line of the program ran (wrong arguments, no ``main``),
    the place shown is the program's ``main``, or its first line.
    """
    begin = _first_frame_below(error.__traceback__, str(Path(program).parent.absolute()))
    if begin is not None:
        return "".join(traceback.format_exception(type(error), error, begin))
    place = "" if isinstance(error, SyntaxError) else _place_of_main(program)
    return HEADER + place + "".join(traceback.format_exception_only(error))


def find_program_line(error: BaseException, program: str) -> str:
    """Return the innermost line of the program's own code (file, number, text), or nothing."""
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
    """Return the line that defines main, or the first, in a traceback's form."""
    pattern = re.compile(rf"(async )?def {ENTRY_POINT}\b")
    for number, line in enumerate(linecache.getlines(program), start=1):
        if pattern.match(line):
            return f'  File "{program}", line {number}, in {ENTRY_POINT}\n    {line.strip()}\n'
    return f'  File "{program}", line 1, in <module>\n'
