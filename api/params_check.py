"""Checks the parameters of jobs that are posted against their programs' JSON Schemas.

Most take less than a millisecond. What may take long, large parameters by a large schema, is
checked in a process of its own, one at a time: a check holds the interpreter's lock, and the server
goes on meanwhile.
"""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from qiskit_runtime.contract.program import Program
from qiskit_runtime.params_schema import (
    CPU_SECONDS,
    QUICK_COST,
    ParamsError,
    SchemaInvalid,
    count_cost,
    validate,
)

PATIENCE = CPU_SECONDS + 2.0
"""How long a client waits for a check. What takes longer is left to the program."""

_MAX_TOLD = 1000

logger = logging.getLogger(__name__)


class ParamsCheck:
    """One for a server."""

    def __init__(self) -> None:
        self._apart = asyncio.Lock()
        self._told: dict[str, None] = {}

    async def find_errors(self, program: Program, params: Any, text: str) -> Sequence[ParamsError]:
        """The first errors of parameters, whose JSON text is ``text``; none without a schema.

        A schema that can't be used takes anything, and is told of once: nobody checked it, as its
        program is a folder's or came by kubectl.
        """
        schema = program.metadata.spec.parameters
        if not schema:
            return []
        try:
            if count_cost(schema, len(text)) <= QUICK_COST:
                return validate(schema, params, len(text))
        except SchemaInvalid as error:
            self._tell_once(f"program {program.id}: its parameters are not checked: {error}")
            return []
        try:
            async with asyncio.timeout(PATIENCE), self._apart:
                return await _validate_apart(schema, text)
        except (TimeoutError, OSError, ValueError) as error:
            logger.warning("parameters of %s were not checked: %r", program.id, error)
            return []

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            logger.warning("%s", message)
        self._told[message] = None
        while len(self._told) > _MAX_TOLD:
            del self._told[next(iter(self._told))]


async def _validate_apart(schema: dict[str, Any], text: str) -> list[ParamsError]:
    """``validate`` in another process.

    Raises:
        OSError: it can't be started.
        ValueError: it ended without an answer.
    """
    command = [sys.executable, "-P", "-m", "qiskit_runtime.params_schema"]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        answer, _ = await process.communicate(f"{json.dumps(schema)}\n{text}".encode())
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return [ParamsError(tuple(place), message) for place, message in json.loads(answer)]
