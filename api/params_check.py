"""Checks the parameters of jobs that are posted, by the rules of JSON and their programs' schemas.

Small ones of a schema that is known to be cheap are compared at once, which takes a millisecond or
so. All others are checked in a process that has limits (``check_process``): a check holds the
interpreter's lock and can't be stopped, and its cost is the schema's author's to choose.
"""

import logging
from collections.abc import Sequence
from typing import Any

from api.check_process import CheckProcess
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

_MAX_TOLD = 1000

logger = logging.getLogger(__name__)


class CheckBusy(Exception):
    """There was no answer in time: too many wait for theirs."""


class ParamsCheck:
    """One for a server."""

    def __init__(self) -> None:
        self._process = CheckProcess()
        self._told: dict[str, None] = {}

    async def close(self) -> None:
        """End the process that checks."""
        await self._process.close()

    async def find_errors(self, program: Program, text: str) -> Sequence[ParamsError]:
        """The first errors of parameters, whose JSON text is ``text``; none without a schema.

        What can't be told in time is left to the program. A schema that can't be used takes
        anything, and is told of once: nobody checked it, as its program is a folder's or came by
        kubectl.

        Raises:
            StrictJSONError: the text is not JSON of an object, or one that is not safe to read.
        """
        schema = program.metadata.spec.parameters or None
        try:
            known = _find_at_once(schema, text)
        except SchemaInvalid as error:
            self._tell_unusable(program, str(error))
            return []
        if known == []:
            return []
        answer = await self._process.ask(schema, text)
        if answer is None:
            return known or []
        if refused := answer.get("refused"):
            raise (NotAnObject if refused[0] == NotAnObject.kind else StrictJSONError)(refused[1])
        if "schema" in answer:
            self._tell_unusable(program, answer["schema"])
        elif "errors" not in answer:
            logger.warning("parameters of %s take too long to compare: not done", program.id)
        return [ParamsError(tuple(place), message) for place, message in answer.get("errors", ())]

    async def check_schema(self, schema: dict[str, Any]) -> None:
        """See that a schema can be used, and that this can be told in a moment.

        Raises:
            SchemaInvalid: it can't be used.
            CheckBusy: it was not told in time.
        """
        if is_linear(schema):
            check_schema(schema)
            return
        answer = await self._process.ask(schema, "")
        if answer is None:
            raise CheckBusy
        if "schema" in answer:
            raise SchemaInvalid(answer["schema"])

    def _tell_unusable(self, program: Program, why: str) -> None:
        message = f"program {program.id}: its parameters are not checked: {why}"
        if message not in self._told:
            logger.warning("%s", message)
        self._told[message] = None
        while len(self._told) > _MAX_TOLD:
            del self._told[next(iter(self._told))]


def _find_at_once(schema: dict[str, Any] | None, text: str) -> list[ParamsError] | None:
    """No error, or the first one; None where that may take long.

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
