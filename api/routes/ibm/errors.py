"""Errors in today's dialect: the answers of ``api.errors``, in the form that IBM's clients read.

``{"error": {"code", "message"}, "errors": [{"code", "message", "solution", "more_info"}],
"trace"}`` and the header ``uber-trace-id``: the official client reads the first key, and only with
the header; others read the second. Which status and text an error has is decided elsewhere, also
for errors that no route makes: a refused token, an unknown path. Fields that are wrong are 400
here, not 422.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import JOB_NOT_FOUND

TRACE_HEADER = "uber-trace-id"
"""The header of an error's number, which the server's log has too where the error is its own."""

CODES = {JOB_NOT_FOUND: 1291}
"""IBM's codes of errors, by their texts; the code of all others is their status."""

_PARTS = ("body", "query", "path", "header")
"""The first steps of an error's place, which are no part of a field's name."""

logger = logging.getLogger(__name__)


class ErrorHead(BaseModel):
    """The error as the official client reads it."""

    code: int
    message: str


class ErrorEntry(ErrorHead):
    """An error as IBM's reference has it; one for each field that is wrong."""

    solution: str = ""
    more_info: str = ""


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorHead
    errors: list[ErrorEntry]
    trace: str


def describe(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of a route that may answer these errors, and any other."""
    return {code: {"model": ErrorBody} for code in codes} | {"default": {"model": ErrorBody}}


class ErrorForm:
    """ASGI middleware: gives the errors of paths under these prefixes their form."""

    def __init__(self, app: ASGIApp, prefixes: Sequence[str]) -> None:
        self._app, self._prefixes = app, tuple(f"{prefix}/" for prefix in prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, receive, answer.send)
        except Exception:
            # Raised again for the server's log; what the client gets has the same number.
            if not answer.is_begun:
                await answer.fail()
            raise


class _Answer:
    """One answer: an error is held back until it is whole, all others pass."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()
        self.is_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_begun = True
            if message["status"] >= 400:
                self._start = message
                return
        if self._start is None or message["type"] != "http.response.body":
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            await self._send_error(self._start, bytes(self._body))

    async def fail(self) -> None:
        """Answer that the server failed."""
        self.is_begun = True
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        detail = json.dumps({"detail": "the server failed; its log has the reason"}).encode()
        await self._send_error({"status": status.value, "headers": []}, detail)

    async def _send_error(self, start: Message, body: bytes) -> None:
        status = 400 if start["status"] == 422 else start["status"]
        trace = uuid.uuid4().hex
        if status >= 500:
            logger.error("error %d, trace %s: %r", status, trace, body[:500])
        content = _write_error(status, body, trace)
        headers = MutableHeaders(raw=list(start["headers"]))
        headers["content-length"] = str(len(content))
        headers["content-type"] = "application/json"
        headers[TRACE_HEADER] = f"{trace}:{trace[:16]}:0:1"
        await self._send({"type": "http.response.start", "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": content})


def _write_error(status: int, body: bytes, trace: str) -> bytes:
    messages = _read_messages(status, body)
    entries = [ErrorEntry(code=CODES.get(text, status), message=text) for text in messages]
    head = ErrorHead(code=entries[0].code, message="; ".join(messages))
    return ErrorBody(error=head, errors=entries, trace=trace).model_dump_json().encode()


def _read_messages(status: int, body: bytes) -> list[str]:
    """Return the texts of an error as ``api.errors`` writes it: one, or one for each field."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = HTTPStatus(status).phrase
    if isinstance(detail, list):
        return [_name_field(error) for error in detail] or [HTTPStatus(status).phrase]
    return [str(detail)]


def _name_field(error: Mapping[str, Any]) -> str:
    """Return the message of a field's error, which begins with the field's name."""
    loc = error["loc"]
    place = loc[1:] if loc[0] in _PARTS and len(loc) > 1 else loc
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)[1:]
    message: str = error["msg"]
    return message if message.startswith(str(place[0])) else f"{name}: {message}"
