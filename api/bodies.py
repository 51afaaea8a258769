"""Bodies of requests, checked before any route sees them: their size, their type, their JSON."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.strict_json import StrictJSONError, check_json
from qiskit_runtime.contract.job import MAX_PARAMS_BYTES

MAX_BODY_BYTES = 2 * MAX_PARAMS_BYTES + 2**16
"""Parameters are a JSON text within a JSON text: at worst each of its bytes is escaped."""

MAX_BODY_DEPTH = 20
"""How deep a body may nest. The parameters are text in it, and have a limit of their own."""


class BodyChecks:
    """ASGI middleware: answers 413, 415 or 422 itself, else passes the whole body on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        try:
            body = await _read_body(receive)
        except ClientDisconnect:
            # Half a request is none, and nobody waits for an answer.
            return
        answer: Response | None
        if body is None:
            answer = _refuse(413, f"body: it is larger than its limit of {MAX_BODY_BYTES} bytes")
        else:
            answer = await _check(Request(scope), body)
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._app(scope, _replay(body or b"", receive), send)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is too large.

    Raises:
        ClientDisconnect: the client went away before its end.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _check(request: Request, body: bytes) -> Response | None:
    if not body:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Also what keeps another site's page from posting here: a browser would have to ask first.
    if kind != "application/json":
        return _refuse(415, "the body's Content-Type must be application/json")
    try:
        await check_json(body, MAX_BODY_DEPTH)
    except StrictJSONError as error:
        message = str(error).encode(errors="replace").decode()
        detail = [{"loc": ["body"], "msg": f"body: {message}", "type": "json_invalid"}]
        return JSONResponse({"detail": detail}, 422)
    return None


def _refuse(code: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, code)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body again, and then what the client does next."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
