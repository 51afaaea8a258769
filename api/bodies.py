"""Bodies of requests, checked before any route sees them: their size, their type, their JSON.

A body is JSON. Where a program is uploaded or changed it may be a form or a source as well; what
is in those, the route reads (``program_forms``). A few large bodies are taken at a time, and what
one says is made once: the routes get it from here.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.program_forms import JSON, MAX_FORM_BYTES, MULTIPART, RAW
from api.strict_json import StrictJSONError, load_body
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MAX_SOURCE_BYTES

MAX_BODY_BYTES = 2 * MAX_PARAMS_BYTES + 2**16
"""Parameters are a JSON text within a JSON text: at worst each of its bytes is escaped."""

SMALL_BYTES = 2**16
"""A body that is larger takes its turn: it costs up to five times its size until it is answered."""

LARGE_AT_ONCE = 3
"""Large bodies that are read or answered at the same time; others wait, unread."""

OTHER_TYPES = (
    ("POST", re.compile(r"/programs/?"), (MULTIPART,)),
    ("PUT", re.compile(r"/programs/[^/]+"), (MULTIPART,)),
    ("PUT", re.compile(r"/programs/[^/]+/data"), RAW),
)
"""Method and path of requests whose bodies may be of other types besides JSON, and which."""

UNTYPED_CLIENTS = ("authorization", "x-access-token", "x-qx-client-application")
"""Headers of clients whose JSON may come without a Content-Type: those of 2021 send it so. A page
of another site can't send any of them unasked."""

_SAME_SITE = (None, "same-origin", "none")


_VALUE = "qiskit_runtime.body"
"""In a request's scope: what its JSON says."""


class CheckedRequest(Request):
    """A request whose body ``BodyChecks`` has read."""

    async def json(self) -> Any:
        """What the body says, made once."""
        return self.scope[_VALUE] if _VALUE in self.scope else await super().json()


class CheckedRoute(APIRoute):
    """A route that gets ``CheckedRequest``s."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_checked(request: Request) -> Response:
            return await handle(CheckedRequest(request.scope, request.receive))

        return handle_checked


class BodyChecks:
    """ASGI middleware: answers 413, 415 or 422 itself, else passes the whole body on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._room = asyncio.Semaphore(LARGE_AT_ONCE)
        self._parsing = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as held:
            await self._answer(scope, receive, send, held)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, held: AsyncExitStack
    ) -> None:
        """Answer a request; ``held`` is left when it is answered."""
        kinds = _other_types(scope["method"], scope["path"])
        limit = MAX_FORM_BYTES if kinds else MAX_BODY_BYTES
        try:
            body = await _read_body(receive, limit, lambda: held.enter_async_context(self._room))
        except ClientDisconnect:
            # Half a request is none, and nobody waits for an answer.
            return
        answer: Response | None
        if body is None:
            hint = f"; a source has at most {MAX_SOURCE_BYTES}" if kinds else ""
            answer = _refuse(413, f"body: it is larger than its limit of {limit} bytes{hint}")
        else:
            answer = await self._check(Request(scope), body, kinds)
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._app(scope, _replay(body or b"", receive), send)

    async def _check(
        self, request: Request, body: bytes, kinds: tuple[str, ...]
    ) -> Response | None:
        """The answer to a body that is not taken; what one says that is taken is in the scope."""
        kind = _read_kind(request)
        if not body:
            return None
        if kind in kinds:
            return _check_origin(request)
        # Also what keeps another site's page from posting here: a browser would have to ask first.
        if kind != JSON:
            return _refuse(415, f"the body's Content-Type must be {' or '.join((JSON, *kinds))}")
        try:
            request.scope[_VALUE] = await self._load(body)
        except StrictJSONError as error:
            message = str(error).encode(errors="replace").decode()
            detail = [{"loc": ["body"], "msg": f"body: {message}", "type": "json_invalid"}]
            return JSONResponse({"detail": detail}, 422)
        return None

    async def _load(self, body: bytes) -> Any:
        if len(body) <= SMALL_BYTES:
            return load_body(body)
        async with self._parsing:
            return await asyncio.to_thread(load_body, body)


def _other_types(method: str, path: str) -> tuple[str, ...]:
    """What a body may be here besides JSON."""
    found = (kinds for of, at, kinds in OTHER_TYPES if of == method and at.fullmatch(path))
    return next(found, ())


async def _read_body(
    receive: Receive, limit: int, wait_for_room: Callable[[], Awaitable[None]]
) -> bytes | None:
    """The whole body, or None as soon as it is too large. A large one waits for room first.

    Raises:
        ClientDisconnect: the client went away before its end.
    """
    body = bytearray()
    has_room = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)
        if len(body) > SMALL_BYTES and not has_room:
            has_room = True
            await wait_for_room()


def _read_kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind and any(name in request.headers for name in UNTYPED_CLIENTS):
        return JSON
    return kind


def _check_origin(request: Request) -> Response | None:
    """A form is what a page of another site may post unasked.

    Where it comes from, the browser says, in Origin (see ``auth``) and here.
    """
    if request.headers.get("sec-fetch-site") in _SAME_SITE:
        return None
    return _refuse(403, "pages of other sites may not use this server")


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
