"""The process that checks parameters and schemas whose check might take long, or much memory.

``params_check`` starts it (``python -P -m api.params_worker``) and keeps it. It reads requests from
standard input and answers each with a line of JSON. Each is checked in a fork that has limits, so
no check outlives them, and its memory is given back.

A request is a schema (JSON, ``null`` for none) and the parameters' text (empty: only the schema is
checked), each after its length. The answer is an object: ``{"errors": [[place, message], ...]}``,
``{"refused": [type, message]}`` for a text that is not taken, ``{"schema": message}`` for a schema
that can't be used, or an empty object if a limit was met before any of these was known.
"""

import gc
import json
import os
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from api.strict_json import MAX_CONTAINERS, StrictJSONError, limit_containers, load_object
from qiskit_runtime.contract.limits import MAX_PARAMS_DEPTH
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid, check_schema, find_errors
from qiskit_runtime.host.process_tree import close_to_others

CPU_SECONDS = 2
"""The limit of a check's processor time."""

MEMORY_BYTES = 256 * 2**20
"""The limit of a check's memory, added to that of the process itself."""

LENGTH = struct.Struct("!I")
"""The format of the length before each part of a request."""

_TOO_MUCH = f"to read it takes more than {CPU_SECONDS} s or {MEMORY_BYTES >> 20} MiB"


def main() -> None:
    """Answer requests until standard input ends.

    It sees the parameters of all clients, so it closes itself to programs, which have its user.
    """
    close_to_others()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (schema := _read_part(requests)) is not None:
        text = _read_part(requests)
        if text is None:
            return
        answers.write(_answer_apart(schema, text) + b"\n")
        answers.flush()


def _read_part(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    part = source.read(size)
    return part if len(part) == size else None


def _answer_apart(schema: bytes, text: bytes) -> bytes:
    """Return the last answer that a fork wrote."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _limit()
            for answer in refine_answer(schema, text):
                os.write(writer, json.dumps(answer).encode() + b"\n")
        finally:
            # A fork ends here even after an error: it must not go on as its parent does.
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        written = source.read()
    os.waitpid(child, 0)
    # Text without a newline is an answer that was cut off.
    return ([b"{}", *written.split(b"\n")[:-1]])[-1]


def _limit() -> None:
    gc.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def refine_answer(schema: bytes, text: bytes) -> Iterator[dict[str, Any]]:
    """Return the answers to a request, each more exact than those before it."""
    try:
        if not text:
            yield {"schema": _TOO_MUCH}
            check_schema(json.loads(schema))
            yield {"errors": []}
            return
        params = _read_params(text.decode())
        for errors in find_errors(json.loads(schema) or {}, params):
            yield {"errors": [(error.place, error.message) for error in errors]}
    except StrictJSONError as error:
        yield {"refused": (error.kind, str(error))}
    except SchemaInvalid as error:
        yield {"schema": str(error)}


def _read_params(text: str) -> dict[str, Any]:
    limit_containers(text, MAX_CONTAINERS)
    try:
        return load_object(text, MAX_PARAMS_DEPTH)
    except MemoryError:
        raise StrictJSONError(f"to read them takes more than {MEMORY_BYTES >> 20} MiB") from None


if __name__ == "__main__":
    main()
