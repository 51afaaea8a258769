"""The check of the parameters of jobs, by the rules of JSON and their programs' schemas.

Small parameters of a schema that is known to be cheap are compared at once, which takes about a
millisecond. All others are checked in a process that has limits (``params_worker``): a check holds
the interpreter's lock and can't be stopped, and its cost is the schema's author's to choose.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from cachetools import LRUCache

from api.jobstore.local.program_environment import choose_variables
from api.params_worker import CPU_SECONDS, LENGTH
from api.strict_json import NotAnObject, StrictJSONError, load_object
from qiskit_runtime.contract.limits import MAX_PARAMS_DEPTH
from qiskit_runtime.contract.resources.program import Program
from qiskit_runtime.contract.schemas.params_schema import (
    QUICK_BYTES,
    ParamsError,
    SchemaInvalid,
    check_schema,
    find_first_error,
    is_linear,
    is_quick,
    matches,
)

PATIENCE = CPU_SECONDS + 5.0
"""The longest that a request waits for an answer, the wait for its turn included."""

MAX_WAITING = 16
"""Requests that wait at once: each holds its parameters."""

_ANSWER_BYTES = 2**20
_MAX_LOGGED = 1000

logger = logging.getLogger(__name__)


class CheckBusy(Exception):
    """There was no answer in time: too many requests wait for theirs."""


class ParamsCheck:
    """The check of one server."""

    def __init__(self) -> None:
        self._process = CheckProcess()
        self._logged: MutableMapping[str, bool] = LRUCache(_MAX_LOGGED)

    async def close(self) -> None:
        """End the process that checks."""
        await self._process.close()

    async def find_errors(self, program: Program, text: str) -> Sequence[ParamsError]:
        """Return the first errors of parameters by their JSON text; none without a schema.

        What is not known in time is left to the program. A schema that can't be used admits
        anything, and is logged once: nobody checked it, as its program is a folder's or came by
        kubectl.

        Raises:
            StrictJSONError: the text is not JSON of an object, or one that is not safe to read.
        """
        schema = program.metadata.spec.parameters or None
        try:
            known = _find_at_once(schema, text)
        except SchemaInvalid as error:
            self._log_unusable(program, str(error))
            return []
        if known == []:
            return []
        answer = await self._process.ask(schema, text)
        if answer is None:
            return known or []
        if refused := answer.get("refused"):
            raise (NotAnObject if refused[0] == NotAnObject.kind else StrictJSONError)(refused[1])
        if "schema" in answer:
            self._log_unusable(program, answer["schema"])
        elif "errors" not in answer:
            logger.warning("parameters of %s take too long to compare: not done", program.id)
        return [ParamsError(tuple(place), message) for place, message in answer.get("errors", ())]

    async def check_schema(self, schema: dict[str, Any]) -> None:
        """See that a schema can be used, and that this is known in a moment.

        Raises:
            SchemaInvalid: it can't be used.
            CheckBusy: the answer did not come in time.
        """
        if is_linear(schema):
            check_schema(schema)
            return
        answer = await self._process.ask(schema, "")
        if answer is None:
            raise CheckBusy
        if "schema" in answer:
            raise SchemaInvalid(answer["schema"])

    def _log_unusable(self, program: Program, why: str) -> None:
        message = f"program {program.id}: its parameters are not checked: {why}"
        if message not in self._logged:
            logger.warning("%s", message)
        self._logged[message] = True


def _find_at_once(schema: dict[str, Any] | None, text: str) -> list[ParamsError] | None:
    """Return no error, or the first one; None where the comparison may take long.

    Raises:
        StrictJSONError, SchemaInvalid: as ``find_errors``.
    """
    if len(text) > QUICK_BYTES:
        return None
    params = load_object(text, MAX_PARAMS_DEPTH)
    if schema is None:
        return []
    if not is_quick(schema, text):
        return None
    return [] if matches(schema, params) else find_first_error(schema, params)


class CheckProcess:
    """The one process of a server that checks (``params_worker``); the first request starts it.

    Requests are answered one after the other. One that is not answered in time costs the process,
    and another process is there for those behind it.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._waiting = 0

    async def ask(self, schema: dict[str, Any] | None, text: str) -> dict[str, Any] | None:
        """Return ``params_worker``'s answer to a request; None where it did not come in time."""
        if self._waiting >= MAX_WAITING:
            return None
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE), self._turn:
                return await self._exchange(json.dumps(schema).encode(), text.encode())
        except (TimeoutError, OSError, ValueError) as error:
            logger.warning("a check of parameters was given up: %r", error)
            return None
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            # With what it has forked: it is the leader of a session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def _exchange(self, *parts: bytes) -> dict[str, Any] | None:
        process = self._process = self._process or await _start()
        assert process.stdin and process.stdout, "they are pipes"
        try:
            for part in parts:
                process.stdin.write(LENGTH.pack(len(part)))
                process.stdin.write(part)
            await process.stdin.drain()
            answer: dict[str, Any] | None = json.loads(await process.stdout.readline())
        except BaseException:
            # Nobody knows what it would answer next.
            await asyncio.shield(self.close())
            raise
        return answer


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.params_worker"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        # No secret: a program can read it until the process has closed itself to others.
        env=choose_variables(os.environ),
        limit=_ANSWER_BYTES,
        start_new_session=True,
    )
