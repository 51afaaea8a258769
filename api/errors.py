"""What is answered instead: one table from exceptions to status codes, and the form of errors.

The form is FastAPI's of 2021: ``{"detail": text}``, and for fields that are wrong (422) ``detail``
is a list of ``{"loc", "msg", "type"}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.jobstore.base import JobExists, JobFinal, JobNotFinal, JobNotFound, RecordGone
from api.params_check import CheckBusy
from api.programstore.base import (
    ProgramChanged,
    ProgramExists,
    ProgramReadOnly,
    ProgramUnusable,
    SourceNotKept,
)
from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.resources.program import NameUnusable


@dataclass
class InvalidField(Exception):
    """A field of a request is wrong. ``place`` leads to it, as ``loc`` does."""

    place: tuple[str | int, ...]
    message: str
    kind: str = "value_error"


@dataclass
class InvalidFields(Exception):
    """Fields of a request are wrong; each error has ``loc``, ``msg``, ``type`` as pydantic's do."""

    errors: Sequence[Mapping[str, Any]]


@dataclass
class TooLarge(Exception):
    """Something is larger than its limit; the message names both."""

    message: str


class ErrorDetail(BaseModel):
    """The body of every error but 422."""

    detail: str


class FieldError(BaseModel):
    """What is wrong with one field."""

    loc: list[str | int]
    msg: str
    type: str


class FieldErrors(BaseModel):
    """The body of a 422."""

    detail: list[FieldError]


ANYWHERE = (401, 403, 421)
"""What ``auth`` may answer to any request."""

WITH_BODY = (413, 415, 422)
"""What ``bodies`` may answer to a request that can have a body, whether or not it should."""


def describe(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI ``responses`` of a route that may answer these errors."""
    return {code: {"model": FieldErrors if code == 422 else ErrorDetail} for code in codes}


def _say(text: str) -> Any:
    return text.format


STATUS_CODES: dict[type[Exception], tuple[int, Any]] = {
    JobNotFound: (404, _say("Job not found")),
    UnknownProgram: (404, _say("Program not found")),
    UnknownBackend: (404, _say("backend: there is none named '{0}'; GET /backends lists them")),
    SourceNotKept: (404, _say("program {0} was not uploaded: its source is not served")),
    ProgramReadOnly: (403, _say("{0}")),
    ProgramExists: (409, _say("{0}")),
    ProgramUnusable: (409, _say("{0}")),
    ProgramChanged: (
        409,
        lambda error: "programVersion: program {} is of version {} by now".format(*error.args),
    ),
    JobNotFinal: (403, _say("Job not finalized")),
    JobFinal: (409, _say("Job already finalized: {0}")),
    JobExists: (409, _say("Idempotency-Key: it was sent before with another request, job {0}")),
    RecordGone: (410, _say("the job's record is not kept any more: {0}")),
    TooLarge: (413, lambda error: error.message),
    StorageFull: (429, _say("{0}")),
    StoreUnavailable: (503, _say("{0}")),
    CheckBusy: (503, _say("spec.parameters: it was not checked in time; try again")),
}
"""Which status code an exception becomes, and what its ``detail`` says."""


RETRY_AFTER = {429: "60", 503: "5"}
"""After how many seconds it is worth another try."""


def add_error_handlers(app: FastAPI) -> None:
    """Have the app answer by the table, and with 422 for wrong fields."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        code, say = STATUS_CODES[type(error)]
        headers = {"Retry-After": RETRY_AFTER[code]} if code in RETRY_AFTER else None
        return JSONResponse({"detail": say(error)}, code, headers)

    async def answer_field(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, InvalidField)
        return _field_errors([{"loc": error.place, "msg": error.message, "type": error.kind}])

    async def answer_name(_: Request, error: Exception) -> JSONResponse:
        detail = {"loc": ("body", "name"), "msg": f"name: {error}", "type": "value_error"}
        return _field_errors([detail])

    async def answer_checked_fields(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, InvalidFields)
        return _field_errors(error.errors)

    async def answer_fields(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _field_errors(error.errors())

    async def refuse_websocket(websocket: WebSocket, error: Exception) -> None:
        assert isinstance(error, WebSocketRequestValidationError)
        await websocket.send_denial_response(_field_errors(error.errors()))

    app.add_exception_handler(WebSocketRequestValidationError, refuse_websocket)
    for kind in STATUS_CODES:
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(InvalidField, answer_field)
    app.add_exception_handler(InvalidFields, answer_checked_fields)
    app.add_exception_handler(NameUnusable, answer_name)
    app.add_exception_handler(RequestValidationError, answer_fields)


def _field_errors(errors: Sequence[Any]) -> JSONResponse:
    """422. What was sent is not repeated: it may be large, and need not even be valid Unicode."""
    detail = [
        {"loc": list(error["loc"]), "msg": _printable(error["msg"]), "type": error["type"]}
        for error in errors
    ]
    return JSONResponse({"detail": detail}, 422)


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()
