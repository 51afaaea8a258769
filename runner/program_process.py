"""The program process: imports Qiskit and Aer, waits for its job, and calls the program's main.

Started by the supervisor as ``python -m runner.program_process FD``, FD being its end of the
channel. The only process in which a user's code runs and a user's data is decoded.
"""

import io
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qiskit_runtime.contract.wire.job_input import ENTRY_POINT, JobInput, parse_job_input
from qiskit_runtime.contract.wire.record import MAX_MESSAGE_BYTES, TRACEBACK_BUDGET
from qiskit_runtime.contract.wire.verdict import MAX_MESSAGE_CHARACTERS, shorten
from qiskit_runtime.messenger import UserMessenger
from qiskit_runtime.programs.simulate.memory import TooLarge
from qiskit_runtime.serialization import RuntimeDecoder
from runner.channel import ChannelBroken, Kind, PacketSender, ProgressSender, receive
from runner.job_seed import choose_seed, pass_seed, use_seed
from runner.memory import untouched_bytes
from runner.moved_names import find_remedy, honour_unused_imports
from runner.processes import die_with_parent
from runner.program_source import import_program, is_own, locate
from runner.program_traceback import find_program_line, format_program_traceback
from runner.record_writer import ResultTooLarge

_FLUSH_SECONDS = 0.1
"""How long what a program printed may wait in a buffer before it is streamed."""


class InvalidParams(ValueError):
    """The job's parameters are not what the program can be called with."""


def main() -> int:
    """Run one job; returns the process's exit code."""
    die_with_parent()
    connection = socket.socket(fileno=int(sys.argv[1]))
    sender, flush = PacketSender(connection), _open_console()
    reports = ProgressSender(sender, flush)
    actions = (flush, reports.send_rest)
    threading.Thread(target=_repeat, args=actions, name="console-flush", daemon=True).start()
    _tell(sender, Kind.VERSIONS, _preload())
    try:
        _, document = receive(connection)
    except ChannelBroken:
        # The supervisor ended before it had a job: there is nobody to tell.
        return 1
    messenger = UserMessenger(_make_send(connection, sender, reports, flush), reports.report)
    try:
        return _run(parse_job_input(document), messenger, sender, flush)
    finally:
        reports.send_rest()


def _run(
    job: JobInput, messenger: UserMessenger, sender: PacketSender, flush: Callable[[], None]
) -> int:
    _apply_limits(job)
    process = os.getpid()
    # Of an archive it is known later; nothing of it has run until then.
    entry = Path(job.program)
    try:
        entry = locate(job.program, Path("source"))
        _call_program(job, entry, messenger, sender)
    except SystemExit:
        # A program may choose its exit code, as any Python program may.
        raise
    except BaseException as error:
        flush()
        if os.getpid() != process:
            # A fork that came out of main: its failure is not the job's, and says so here.
            traceback.print_exc(file=sys.stdout)
            flush()
            os._exit(1)
        _tell_failure(sender, error, entry)
        return 1
    finally:
        flush()
    return 0


def _tell_failure(sender: PacketSender, error: BaseException, entry: Path) -> None:
    if isinstance(error, MemoryError):
        # What the program holds is in the way of telling that it holds too much.
        traceback.clear_frames(error.__traceback__)
    line = find_program_line(error, str(entry)) if is_own(entry) else ""
    remedy = _find_remedy(error, line)
    lines = format_program_traceback(error, str(entry))
    if remedy:
        lines = f"{lines.rstrip()}. {remedy}\n"
    text = lines.encode(errors="replace")
    if len(text) > MAX_MESSAGE_BYTES:
        text = text[:TRACEBACK_BUDGET] + b"\n  [...]\n" + text[-TRACEBACK_BUDGET:]
    sender.send(Kind.TRACEBACK, text)
    message = _sentence(error, line, remedy)
    _tell(sender, Kind.ERROR, {"reason": _reason(error), "message": message})


def _find_remedy(error: BaseException, line: str) -> str:
    with suppress(Exception):  # a class of the program's own may fail at being looked at
        return find_remedy(error, line) if line else ""
    return ""


def _call_program(
    job: JobInput, path: Path, messenger: UserMessenger, sender: PacketSender
) -> None:
    # Imported in _preload already; here it only names it.
    from runner.quantum_backend import make_backend

    params = _decode_params(job.params)
    seed = choose_seed(params, job.backend)
    # Before the program's first line.
    use_seed(seed)
    honour_unused_imports()
    program = import_program(path)
    entry: Callable[..., Any] | None = getattr(program, ENTRY_POINT, None)
    if not callable(entry):
        raise AttributeError(
            f"the program has no function {ENTRY_POINT}(backend, user_messenger, **params)"
        )
    if pass_seed(seed, entry, params):
        sender.send(Kind.SEED, b"%d" % seed)
    backend = make_backend(job.backend, job.memory_bytes, seed)
    # Newer programs return their result.
    messenger.publish_returned(entry(backend, messenger, **params))


def _decode_params(text: str) -> dict[str, Any]:
    try:
        params = json.loads(text, cls=RuntimeDecoder)
    except MemoryError:
        raise
    except Exception as error:
        raise InvalidParams(f"params: {error}") from error
    if not isinstance(params, dict):
        raise InvalidParams(f"params: an object of keyword arguments, not {type(params).__name__}")
    return params


def _make_send(
    connection: socket.socket,
    sender: PacketSender,
    reports: ProgressSender,
    flush: Callable[[], None],
) -> Callable[[str, bool], None]:
    def send(text: str, final: bool) -> None:
        message = text.encode()
        # What was printed before is in the pipe before the supervisor hears of the message.
        flush()
        reports.send_rest()
        if len(message) <= MAX_MESSAGE_BYTES:
            sender.send(Kind.FINAL if final else Kind.INTERIM, message)
        elif final:
            raise ResultTooLarge(
                f"the final result is {len(message)} bytes of JSON;"
                f" at most {MAX_MESSAGE_BYTES} are kept"
            )
        else:
            sender.send(Kind.OVERSIZE)
        answer, why = receive(connection)
        if answer is Kind.REFUSED:
            raise ResultTooLarge(why.decode())

    return send


def _reason(error: BaseException) -> str:
    """The life cycle's reason for an exception, by value."""
    # Imported in _preload already, as above.
    from runner.quantum_backend import UnknownDevice

    if isinstance(error, MemoryError):
        return "OutOfMemory"
    if isinstance(error, ResultTooLarge):
        return "ResultTooLarge"
    if isinstance(error, TooLarge):
        return "TooLarge"
    if isinstance(error, UnknownDevice):
        return "UnknownBackend"
    wrong_arguments = isinstance(error, TypeError) and _was_raised_by_the_call(error)
    return (
        "InvalidParams" if isinstance(error, InvalidParams) or wrong_arguments else "ProgramError"
    )


def _was_raised_by_the_call(error: BaseException) -> bool:
    """Whether the last frame is ours: main was never entered."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return frame is not None and frame.tb_frame.f_code is _call_program.__code__


def _sentence(error: BaseException, place: str, remedy: str = "") -> str:
    """Return the job's message: the traceback's last line, the program's own line, the remedy."""
    name = type(error).__name__
    # Where the job's reason is the name, it is said already.
    parts = name * (name != _reason(error)), _text(error, place)
    sentence = ": ".join(part for part in parts if part)
    end = f" ({place})" * bool(place) + f". {remedy}" * bool(remedy)
    sentence = shorten(sentence, MAX_MESSAGE_CHARACTERS - len(end)) + end
    return sentence.encode(errors="replace").decode()


def _text(error: BaseException, place: str) -> str:
    if isinstance(error, SyntaxError) and place.startswith(_where(error)):
        # Its text ends with the file and line, which the place says with the line's code.
        return str(error.msg)
    try:
        return str(error)
    except Exception:
        # The program's own class may fail to say what it is.
        return "<exception str() failed>"


def _where(error: SyntaxError) -> str:
    return f"{Path(error.filename or '').name}, line {error.lineno}: "


def _tell(sender: PacketSender, kind: Kind, fields: dict[str, str]) -> None:
    sender.send(kind, json.dumps(fields).encode())


def _open_console() -> Callable[[], None]:
    """Make stdout and stderr one buffered stream: what is printed keeps its order, and is fast.

    Returns what flushes it, also while the program has put another stream in its place.
    """
    raw = io.BufferedWriter(io.FileIO(1, "wb", closefd=False), 1 << 16)
    console = sys.stdout = sys.stderr = io.TextIOWrapper(
        raw, encoding="utf-8", errors="backslashreplace"
    )

    def flush() -> None:
        # The program may have closed it: then there is nothing left to keep in order.
        with suppress(ValueError, OSError):
            console.flush()

    return flush


def _repeat(*actions: Callable[[], None]) -> None:
    while True:
        time.sleep(_FLUSH_SECONDS)
        for action in actions:
            action()


def _preload() -> dict[str, str]:
    """Import what every program needs, before there is a job; returns the versions."""
    import qiskit
    import qiskit_aer

    import runner.quantum_backend  # noqa: F401  (its imports are what is wanted)

    version = ".".join(map(str, sys.version_info[:3]))
    return {"python": version, "qiskit": qiskit.__version__, "aer": qiskit_aer.__version__}


def _apply_limits(job: JobInput) -> None:
    logging.basicConfig(level=job.log_level, stream=sys.stdout)
    if job.memory_bytes:
        # So that one large array is a MemoryError with its line, before the supervisor has to kill.
        # The kernel counts what is reserved: over 1 GiB once the libraries' threads are there.
        limit = job.memory_bytes + untouched_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
