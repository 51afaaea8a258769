"""The bounds of connections: how large a request's head is, how long it may take, how many there are.

uvicorn has none of these, and what is read here comes from anybody: it is before authentication.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.peers import PEER, Peer
from api.routes.root.stream import FRAGMENTS

MAX_HEAD_BYTES = 1 << 16
"""A request's URL and headers together, and what may follow a chunked body (trailers)."""

MAX_HEADERS = 128
"""How many headers a request may have: each costs more than its bytes."""

MAX_WEBSOCKET_LINE = 8000
"""A line of a websocket's handshake: the library takes 8,192 bytes."""

BODY_BYTES_A_SECOND = 1 << 15
"""A body that comes at least this fast is in time."""

LINGER_SECONDS = 2.0
"""How long a refused client may go on sending: closed at once, it would never see its answer."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take, in seconds."""

    request_seconds: float
    """For a request's head, and again for its body, beside what its size takes."""
    send_seconds: float
    """For a client to take what was sent."""


@dataclass(slots=True)
class Room:
    """The open connections: at most ``limit``, a tenth of them kept for other than websockets.

    Where there are more, those go first that have never sent a whole request, then those that
    rest between two, each time the oldest. One that is being answered stays.
    """

    limit: int
    _members: set[asyncio.Protocol] = field(default_factory=set)
    _listeners: set[asyncio.Protocol] = field(default_factory=set)
    # Dicts, for their order.
    _new: dict["HttpConnection", None] = field(default_factory=dict)
    _resting: dict["HttpConnection", None] = field(default_factory=dict)

    def enter(self, connection: "HttpConnection") -> bool:
        """Take a new connection in; False where all others are being answered."""
        if len(self._members) >= self.limit:
            if (oldest := next(iter(self._new or self._resting), None)) is None:
                logger.warning("all %d connections are busy: a new one is refused", self.limit)
                return False
            logger.warning("over %d connections: the oldest that waits is closed", self.limit)
            self.leave(oldest)
            oldest.transport.abort()
        self._members.add(connection)
        self._new[connection] = None
        return True

    def rest(self, connection: "HttpConnection") -> None:
        """Note that this one was answered, and has not asked again."""
        self._resting[connection] = None

    def answer(self, connection: "HttpConnection") -> None:
        """Note that this one has sent a whole request."""
        self._new.pop(connection, None)
        self._resting.pop(connection, None)

    def leave(self, connection: asyncio.Protocol) -> None:
        """Forget a connection."""
        self._members.discard(connection)
        self._listeners.discard(connection)
        for waiting in (self._new, self._resting):
            waiting.pop(cast("HttpConnection", connection), None)

    @property
    def has_listeners_place(self) -> bool:
        """Whether one more may become a websocket."""
        return len(self._listeners) < self.limit - self.limit // 10

    def listen(self, connection: asyncio.Protocol) -> None:
        """Take in a websocket."""
        self._members.add(connection)
        self._listeners.add(connection)


class _Refused(Exception):
    """The request is over a bound."""


class _GivesUpStalled(asyncio.Protocol):
    """Drops a client that takes nothing of what was sent: ``close`` would wait for it for ever."""

    bounds: Bounds
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.bounds.send_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class HttpConnection(_GivesUpStalled, HttpToolsProtocol):
    """uvicorn's HTTP, within bounds."""

    def __init__(self, bounds: Bounds, room: Room, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.bounds, self._room = bounds, room
        self._deadline: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._refusal: tuple[HTTPStatus, str] | None = None
        # Of the request that is being read:
        self._in_head, self._is_whole = True, False
        self._head_bytes = self._body_bytes = 0
        # Bytes that the parser holds, as nothing has come of them yet.
        self._unparsed = 0

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.app_state = {**self.app_state, PEER: Peer(self.client, self.server)}
        if self._room.enter(self):
            self._set_deadline()
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "all connections are in use")

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self)
        self._unset_deadline()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        if self._refusal:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            return
        if self._deadline is None:
            self._set_deadline()
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES and not self._refusal:
            self._refuse(*_too_large())

    def handle_websocket_upgrade(self) -> None:
        self._unset_deadline()
        if any(len(name) + len(value) > MAX_WEBSOCKET_LINE for name, value in self.headers) or (
            len(self.url) > MAX_WEBSOCKET_LINE
        ):
            limit = f"at most {MAX_WEBSOCKET_LINE} bytes are taken"
            self._refuse(*_too_large(f"a websocket's URL or a header of it is too long: {limit}"))
        elif self._room.has_listeners_place:
            self._room.leave(self)
            super().handle_websocket_upgrade()
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "all websockets are in use")

    # The request: the parser calls these.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._is_whole = True, False
        self._head_bytes = self._body_bytes = 0
        if self._deadline is None:
            self._set_deadline()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url), HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a chunked body is for nobody, and would be taken for headers.
        if self._in_head:
            super().on_header(name, value)
        self._count(len(name) + len(value) + 4)
        if len(self.headers) > MAX_HEADERS:
            self._give_up(*_too_large(f"at most {MAX_HEADERS} headers are taken"))

    def on_headers_complete(self) -> None:
        self._in_head, self._unparsed = False, 0
        self._unset_deadline()
        self._set_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Note that the parser has come further."""
        self._unparsed = 0

    def on_message_complete(self) -> None:
        self._is_whole, self._unparsed = True, 0
        self._unset_deadline()
        self._room.answer(self)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            # It was answered before its body came.
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._room.rest(self)

    def _rest(self) -> None:
        self._room.rest(self)
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    # The bounds.

    def _count(self, size: int, status: HTTPStatus | None = None) -> None:
        self._unparsed = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._give_up(*_too_large(status=status))

    def _give_up(self, status: HTTPStatus, detail: str) -> None:
        """Have the parser stop, which asks for the answer by ``send_400_response``."""
        self._refusal = (status, detail)
        raise _Refused

    def send_400_response(self, msg: str) -> None:
        self._refuse(*(self._refusal or (HTTPStatus.BAD_REQUEST, msg)))

    def _set_deadline(self) -> None:
        self._began = self.loop.time()
        self._deadline = self.loop.call_later(self.bounds.request_seconds, self._expire)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        is_answered = self.cycle is None or self.cycle.response_complete
        if self._is_whole and not is_answered:
            return
        now = self.loop.time()
        if self.flow.read_paused:
            # It is not the client who holds this up.
            self._began = now
        # A body that nobody reads any more earns no time.
        earned = 0 if self._in_head or is_answered else self._body_bytes / BODY_BYTES_A_SECOND
        left = self._began + self.bounds.request_seconds + earned - now
        if left > 0:
            self._deadline = self.loop.call_later(left, self._expire)
        elif self._head_bytes and not self._is_whole:
            part = "head" if self._in_head else "body"
            seconds = f"{self.bounds.request_seconds:g} s"
            detail = f"the request's {part} did not come within {seconds}"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer this, if an answer is due, take no more, and close."""
        self._refusal = (status, detail)
        if not self._is_answer_due:
            self.transport.abort()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_make_answer(status, detail))
        self.transport.write_eof()
        self._unset_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    @property
    def _is_answer_due(self) -> bool:
        """Whether the next answer is that of the request which is being read."""
        if self.cycle is None or self.transport.is_closing():
            return not self.transport.is_closing()
        if self._in_head:
            return bool(self.cycle.response_complete)
        return not self.pipeline and not self.cycle.response_started


class WebsocketConnection(_GivesUpStalled, WebSocketsSansIOProtocol):
    """uvicorn's websocket, within bounds, and with messages in pieces."""

    def __init__(self, bounds: Bounds, room: Room, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.bounds, self._room = bounds, room
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._room.listen(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self)
        super().connection_lost(exc)

    async def run_asgi(self) -> None:
        self.scope["extensions"] = {**(self.scope["extensions"] or {}), FRAGMENTS: {}}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and (self._in_message or message.get("more")):
            await self._send_piece(message["text"].encode(), fin=not message.get("more"))
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn would log an error for each handshake that was answered so.
            self.handshake_complete = True

    async def _send_piece(self, piece: bytes, *, fin: bool) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        if self._in_message:
            self.conn.send_continuation(piece, fin)
        else:
            self.conn.send_text(piece, fin)
        self._in_message = not fin
        self.transport.write(b"".join(self.conn.data_to_send()))


def make_protocols(bounds: Bounds, limit: int) -> Mapping[str, Any]:
    """uvicorn's options ``http`` and ``ws``: connections that share one room."""
    room = Room(limit)
    return {
        "http": partial(HttpConnection, bounds, room),
        "ws": partial(WebsocketConnection, bounds, room),
    }


def _too_large(detail: str = "", status: HTTPStatus | None = None) -> tuple[HTTPStatus, str]:
    default = f"a request's URL and headers are at most {MAX_HEAD_BYTES} bytes"
    return status or HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail or default


def _make_answer(status: HTTPStatus, detail: str) -> bytes:
    body = json.dumps({"detail": detail}).encode()
    retry = "retry-after: 5\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n{retry}"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
