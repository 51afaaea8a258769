"""The process in which parameters and schemas are checked that might take long, or much memory.

``CheckProcess`` starts it (``python -P -m api.params_worker``) and keeps it. It reads requests from
standard input and answers each with a line of JSON. Each is checked in a fork that has limits, so
no check outlives them, and what one took is given back.

A request is a schema (JSON, ``null`` for none) and the parameters' text (empty: the schema alone is
looked at), each after its length. The answer is an object: ``{"errors": [[place, message], ...]}``,
``{"refused": [type, message]}`` where the text is not taken, ``{"schema": message}`` where the
schema can't be used, or empty where a limit was met before that was known.
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

from api.strict_json import StrictJSONError, limit_containers, load_object
from qiskit_runtime.contract.limits import MAX_PARAMS_DEPTH
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid, check_schema, find_errors
from qiskit_runtime.host.process_tree import close_to_others

CPU_SECONDS = 2
"""What one check may take of a processor's time."""

MEMORY_BYTES = 256 * 2**20
"""What one check may take of memory, beside what the process has without it."""

MAX_CONTAINERS = 250_000
"""The lists and objects of parameters: each takes a hundred bytes or more, whatever it holds."""

LENGTH = struct.Struct("!I")
"""How the length of a part of a request is written."""

_TOO_MUCH = f"to read it takes more than {CPU_SECONDS} s or {MEMORY_BYTES >> 20} MiB"


def main() -> None:
    """Answer requests until there are no more.

    They are of all clients, and programs, which have the same user, are shut out of this process.
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
    """The newest answer that a fork came to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _limit()
            for answer in answer_better_and_better(schema, text):
                os.write(writer, json.dumps(answer).encode() + b"\n")
        finally:
            # A fork ends here, whatever came: it must not go on as its parent does.
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as source:
        told = source.read()
    os.waitpid(child, 0)
    # Without a newline it is one that was not told to its end.
    return ([b"{}", *told.split(b"\n")[:-1]])[-1]


def _limit() -> None:
    gc.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def answer_better_and_better(schema: bytes, text: bytes) -> Iterator[dict[str, Any]]:
    """The answers to a request, each better than those before it."""
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
