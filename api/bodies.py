"""Bodies of requests, read and checked before their route runs: size, type, JSON.

A route of class ``CheckedRoute`` takes bodies of the content types that its OpenAPI names, JSON
where it names none. A few large bodies are taken at a time. A JSON body is parsed once; what is in
forms and sources, ``program_forms`` reads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from api.errors import InvalidField, TooLarge
from api.strict_json import StrictJSONError, load_body
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MAX_SOURCE_BYTES

JSON, MULTIPART = "application/json", "multipart/form-data"

RAW = ("application/octet-stream", "text/x-python")
"""Content types of a source that is a body of its own."""

MAX_BODY_BYTES = 2 * MAX_PARAMS_BYTES + 2**16
"""Parameters are a JSON text within a JSON text: at worst each of its bytes is escaped."""

MAX_FORM_BYTES = 2**20
"""The body of a program: a source in base64, four schemas, and what is around them."""

SMALL_BYTES = 2**16
"""A body that is larger takes its turn: it costs up to five times its size until it is answered."""

MAX_OPEN_BYTES = 2**15
"""The body of a request that needs no credential: a key in percent-encoding, and what is around it.
It is a small one: nobody without a credential holds the turn of a tenant's."""

LARGE_AT_ONCE = 3
"""Large bodies that are read or answered at the same time; others wait, unread."""

QISKIT_CLIENT = "x-qx-client-application"
"""The header by which IBM's clients say their names."""

UNTYPED_CLIENTS = ("authorization", "x-access-token", QISKIT_CLIENT)
"""Headers of clients whose JSON may come without a Content-Type: those of 2021 send it so. A page
of another site can't send any of them unasked."""

_SAME_SITE = (None, "same-origin", "none")


@dataclass(frozen=True, slots=True)
class Body:
    """A checked body. ``value`` is the value of its JSON; None where it is of another type."""

    content_type: str
    content: bytes
    value: Any = None

    @property
    def kind(self) -> str:
        """The content type without its parameters, in small letters."""
        return self.content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class BodyForm:
    """The bodies that a route takes: their content types, their size, the reader of their JSON."""

    kinds: tuple[str, ...] = (JSON,)
    limit: int = MAX_BODY_BYTES
    load: Callable[[bytes], Any] = load_body

    @property
    def has_source(self) -> bool:
        """Return whether a program's source may be in them."""
        return self.limit == MAX_FORM_BYTES


class CheckedRequest(Request):
    """A request whose body was read and checked."""

    def __init__(self, request: Request, checked: Body) -> None:
        super().__init__(_with_type(request.scope, checked.content_type), request.receive)
        self.checked = checked

    async def body(self) -> bytes:
        return self.checked.content

    async def json(self) -> Any:
        return self.checked.value


class BodyReader:
    """The reader of all bodies of one server: it bounds how many large ones there are at once."""

    def __init__(self) -> None:
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._parsing = asyncio.Lock()

    async def read(self, request: Request, form: BodyForm, held: AsyncExitStack) -> Body:
        """Read and check a body; a large one keeps its turn until ``held`` is left.

        Raises:
            TooLarge, InvalidField, HTTPException: the body is refused.
            ClientDisconnect: the client went away before its end.
        """
        content = await _receive(
            request.receive, form.limit, lambda: held.enter_async_context(self._large)
        )
        if content is None:
            hint = f"; a source has at most {MAX_SOURCE_BYTES}" if form.has_source else ""
            raise TooLarge(f"body: it is larger than its limit of {form.limit} bytes{hint}")
        body = Body(_read_content_type(request, form.kinds), content)
        if not content:
            return body
        _check_type(request, body.kind, form.kinds)
        if body.kind != JSON:
            return body
        try:
            return Body(body.content_type, content, await self._load(content, form.load))
        except StrictJSONError as error:
            raise InvalidField(("body",), f"body: {error}", "json_invalid") from None

    async def _load(self, content: bytes, load: Callable[[bytes], Any]) -> Any:
        if len(content) <= SMALL_BYTES:
            return load(content)
        async with self._parsing:
            return await asyncio.to_thread(load, content)


class CheckedRoute(APIRoute):
    """A route that gets ``CheckedRequest``s; ``app.state.body_reader`` reads their bodies."""

    @property
    def body_form(self) -> BodyForm:
        """Return the bodies that it takes: of the content types that its OpenAPI names."""
        described = (self.openapi_extra or {}).get("requestBody", {})
        kinds = tuple(described.get("content", (JSON,)))
        return BodyForm(kinds, MAX_BODY_BYTES if kinds == (JSON,) else MAX_FORM_BYTES)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, form = super().get_route_handler(), self.body_form

        async def handle_checked(request: Request) -> Response:
            if request.method in ("GET", "HEAD"):
                return await handle(request)
            async with AsyncExitStack() as held:
                body = await request.app.state.body_reader.read(request, form, held)
                return await handle(CheckedRequest(request, body))

        return handle_checked


class OpenRoute(CheckedRoute):
    """A route that is served without a credential: its body takes no turn and no thread."""

    @property
    def body_form(self) -> BodyForm:
        """Return the bodies that it takes, which are small."""
        return replace(super().body_form, limit=MAX_OPEN_BYTES)


def _with_type(scope: Scope, content_type: str) -> Scope:
    """Return the scope with the type that its body was taken for, where a wrong one was named."""
    named = Headers(scope=scope).get("content-type", "")
    if not named or named == content_type:
        return scope
    others = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", content_type.encode("latin-1"))]}


def _checked_body(request: Request) -> Body:
    assert isinstance(request, CheckedRequest), "the route is a CheckedRoute"
    return request.checked


BodyDep = Annotated[Body, Depends(_checked_body)]
"""The request's body, for a route that reads it itself."""


async def _receive(
    receive: Receive, limit: int, wait_for_turn: Callable[[], Awaitable[None]]
) -> bytes | None:
    """Return the whole body, or None as soon as it is too large. A large one waits for its turn.

    Raises:
        ClientDisconnect: the client went away before its end.
    """
    content = bytearray()
    has_turn = False
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        content += message.get("body", b"")
        if len(content) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(content)
        if len(content) > SMALL_BYTES and not has_turn:
            has_turn = True
            await wait_for_turn()


def _read_content_type(request: Request, kinds: tuple[str, ...]) -> str:
    given = request.headers.get("content-type", "").strip()
    # The client of 2023 sends the type of its last upload with all that it sends afterwards.
    is_left_over = given in RAW and given not in kinds and QISKIT_CLIENT in request.headers
    is_untyped = not given and any(name in request.headers for name in UNTYPED_CLIENTS)
    return JSON if is_left_over or is_untyped else given


def _check_type(request: Request, kind: str, kinds: tuple[str, ...]) -> None:
    """Refuse a content type that the route does not take, and forms of other sites' pages.

    A JSON type keeps those out as well: a browser would have to ask first. A form is what a page of
    another site may post unasked; its browser names that site in Origin (see ``auth``) and here.
    """
    if kind not in kinds:
        raise HTTPException(415, f"the body's Content-Type must be {' or '.join(kinds)}")
    if kind != JSON and request.headers.get("sec-fetch-site") not in _SAME_SITE:
        raise HTTPException(403, "pages of other sites may not use this server")
