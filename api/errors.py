"""Error responses: the table from exceptions to answers, and the form of errors.

The form is FastAPI's of 2021: ``{"detail": text}``, and for fields that are wrong (422) ``detail``
is a list of ``{"loc", "msg", "type"}``.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from api.accounts.authenticator import AccountsUnavailable
from api.accounts.caller import InstanceRefused, ViewerRefused
from api.accounts.limits import LimitReached
from api.backendstore.base import UnknownCalibration
from api.jobstore.base import JobExists, JobFinal, JobNotFinal, JobNotFound, RecordGone
from api.params_check import CheckBusy
from api.programstore.base import (
    ProgramChanged,
    ProgramExists,
    ProgramReadOnly,
    ProgramUnusable,
    SourceNotKept,
)
from api.sessionstore.base import SessionClosed, SessionNotFound, SessionUnusable
from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.devices.device import NoDevice
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.resources.program import NameUnusable


class InvalidFields(Exception):
    """Fields of a request are wrong; each error has ``loc``, ``msg``, ``type`` as pydantic's do."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


class InvalidField(InvalidFields):
    """A single field of a request is wrong. ``place`` leads to it, as ``loc`` does."""

    def __init__(
        self, place: tuple[str | int, ...], message: str, kind: str = "value_error"
    ) -> None:
        super().__init__([{"loc": place, "msg": message, "type": kind}])


class TooLarge(Exception):
    """Something is larger than its limit; the text names both."""


class ErrorDetail(BaseModel):
    """The body of every error but 422."""

    detail: str


class FieldError(BaseModel):
    """The error of one field."""

    loc: list[str | int]
    msg: str
    type: str


class FieldErrors(BaseModel):
    """The body of a 422."""

    detail: list[FieldError]


ANYWHERE = (401, 403, 421)
"""Status codes that ``auth`` may answer to any request."""

WITH_BODY = (413, 415, 422)
"""Status codes that ``bodies`` may answer to a request that can have a body."""


def describe(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of a route that may answer these errors."""
    return {code: {"model": FieldErrors if code == 422 else ErrorDetail} for code in codes}


JOB_NOT_FOUND = "Job not found"
"""The text of the error of a job that is not there, or is not the caller's."""

RETRY_AFTER = {429: "60", 503: "5"}
"""The seconds after which another try makes sense, by status code."""


def _detail(code: int, text: str = "{0}") -> Callable[[Exception], JSONResponse]:
    """Return the answer of one status code: ``{0}`` is the error's text, ``{1}`` its first part."""
    headers = {"Retry-After": RETRY_AFTER[code]} if code in RETRY_AFTER else None
    return lambda error: JSONResponse({"detail": text.format(error, *error.args)}, code, headers)


def _field_errors(errors: Sequence[Mapping[str, Any]]) -> JSONResponse:
    """Return a 422. It repeats nothing that was sent, which may be large and no valid Unicode."""
    detail = [
        {"loc": list(error["loc"]), "msg": _printable(error["msg"]), "type": error["type"]}
        for error in errors
    ]
    return JSONResponse({"detail": detail}, 422)


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _name_error(error: Exception) -> Mapping[str, Any]:
    return {"loc": ("body", "name"), "msg": f"name: {error}", "type": "value_error"}


ANSWERS: dict[type[Exception], Callable[[Any], JSONResponse]] = {
    ClientDisconnect: _detail(400, "the request breaks off"),
    JobNotFound: _detail(404, JOB_NOT_FOUND),
    UnknownProgram: _detail(404, "Program not found"),
    UnknownBackend: _detail(404, "backend: no backend is named '{0}'; GET /backends lists them"),
    UnknownCalibration: _detail(
        404, "calibration_id: no backend has the calibration '{0}'; leave it out"
    ),
    NoDevice: _detail(404, "backend: {0}; no job can run on it"),
    SessionNotFound: _detail(404, "Session not found: {0}"),
    SessionUnusable: _detail(400),
    SessionClosed: _detail(409),
    SourceNotKept: _detail(404, "program {0} was not uploaded: its source is not served"),
    ProgramReadOnly: _detail(403),
    ProgramExists: _detail(409),
    ProgramUnusable: _detail(409),
    ProgramChanged: _detail(409, "programVersion: program {1} is of version {2} by now"),
    JobNotFinal: _detail(403, "Job not finalized"),
    JobFinal: _detail(409, "Job already finalized: {0}"),
    JobExists: _detail(409, "Idempotency-Key: it was sent before with another request, job {0}"),
    RecordGone: _detail(410, "the job's record is not kept any more: {0}"),
    TooLarge: _detail(413),
    InvalidFields: lambda error: _field_errors(error.errors),
    NameUnusable: lambda error: _field_errors([_name_error(error)]),
    RequestValidationError: lambda error: _field_errors(error.errors()),
    InstanceRefused: _detail(403),
    ViewerRefused: _detail(403),
    StorageFull: _detail(429),
    LimitReached: lambda error: JSONResponse(
        {"detail": str(error)}, 429, {"Retry-After": str(error.retry_after)}
    ),
    AccountsUnavailable: _detail(503),
    StoreUnavailable: _detail(503),
    CheckBusy: _detail(503, "spec.parameters: it was not checked in time; try again"),
}
"""The answer to each exception that a route may raise."""


def add_error_handlers(app: FastAPI) -> None:
    """Have the app answer exceptions by the table."""
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, _handle_by(answer))
    app.add_exception_handler(WebSocketRequestValidationError, _refuse_websocket)


def _handle_by(
    answer: Callable[[Any], JSONResponse],
) -> Callable[[Request, Exception], Coroutine[Any, Any, JSONResponse]]:
    async def handle(_: Request, error: Exception) -> JSONResponse:
        return answer(error)

    return handle


async def _refuse_websocket(websocket: WebSocket, error: Exception) -> None:
    assert isinstance(error, WebSocketRequestValidationError)
    await websocket.send_denial_response(_field_errors(error.errors()))
