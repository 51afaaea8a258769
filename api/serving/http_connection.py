"""The HTTP connection: uvicorn's, with bounds for a request's head, its body and their times."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.peers import PEER, Peer
from api.serving.connection_bounds import Bounds, Connection, OpenConnections

MAX_HEAD_BYTES = 1 << 16
"""The limit of a request's URL and headers together, and of the trailers of a chunked body."""

MAX_HEADERS = 128
"""The most headers of a request: each costs more than its bytes."""

MAX_WEBSOCKET_LINE = 8000
"""The longest line of a websocket's handshake: the library takes 8,192 bytes."""

BODY_BYTES_A_SECOND = 1 << 15
"""The speed of a body that is always in time."""

LINGER_SECONDS = 2.0
"""The time for a refused client to go on sending: closed at once, it never sees its answer."""

MAX_IGNORED_BYTES = 1 << 20
"""The most that it sends meanwhile."""

_OF_A_BODY = (b"content-length", b"transfer-encoding")


class _Refused(Exception):
    """The request is over a bound."""


class HttpConnection(Connection, HttpToolsProtocol):
    """A connection that refuses a request over a bound, in the form of the API's errors."""

    def __init__(self, bounds: Bounds, open_connections: OpenConnections, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.bounds, self._open = bounds, open_connections
        self._deadline: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._refusal: tuple[HTTPStatus, str] | None = None
        # Of the request that is being read:
        self._in_head, self._is_whole = True, False
        self._head_bytes = self._body_bytes = 0
        # Bytes that the parser holds: it has reported nothing of them yet.
        self._unparsed = 0
        self._ignored_bytes = 0

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.app_state = {**self.app_state, PEER: Peer(self.client, self.server)}
        if self._open.enter(self):
            self._set_deadline()
        else:
            # It does not linger for its client to read: it has no place.
            self._refusal = (HTTPStatus.SERVICE_UNAVAILABLE, "all connections are in use")
            self.transport.write(_make_answer(*self._refusal))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.leave(self)
        self._unset_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            self._ignored_bytes += len(data)
            if self._ignored_bytes > MAX_IGNORED_BYTES:
                self.transport.abort()
            return
        if self._deadline is None:
            self._set_deadline()
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES and not self._refusal:
            self._refuse(*_too_large())

    def handle_websocket_upgrade(self) -> None:
        self._unset_deadline()
        self._unset_keepalive_if_required()
        # uvicorn makes no cycle for a websocket: the last one is another request's.
        self._in_head = True
        if any(len(name) + len(value) > MAX_WEBSOCKET_LINE for name, value in self.headers) or (
            len(self.url) > MAX_WEBSOCKET_LINE
        ):
            limit = f"at most {MAX_WEBSOCKET_LINE} bytes are taken"
            self._refuse(*_too_large(f"a websocket's URL or a header of it is too long: {limit}"))
        elif any(name in _OF_A_BODY and value != b"0" for name, value in self.headers):
            self._refuse(HTTPStatus.BAD_REQUEST, "a websocket's handshake has no body")
        elif self._open.has_listeners_place:
            self._open.leave(self)
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
        # Trailers of a chunked body would be taken for headers; nobody uses them.
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
        """Note that the parser has made progress."""
        self._unparsed = 0

    def on_message_complete(self) -> None:
        self._is_whole, self._unparsed = True, 0
        self._unset_deadline()
        self._open.answer(self)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and not self._refusal:
            # The request was answered before its body came.
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._open.rest(self)

    def _rest(self) -> None:
        self._open.rest(self)
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
        """Stop the parser; uvicorn then calls ``send_400_response``."""
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
            # The server has paused reading: the client is not late.
            self._began = now
        # The body of a request that was answered already earns no time.
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
        """Send this answer, if one is due, read no more, and close."""
        self._refusal = (status, detail)
        if not self._is_answer_due:
            self.transport.abort()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_make_answer(status, detail))
        if self.transport.can_write_eof():
            # TLS has no such end: its client sees the answer's length.
            self.transport.write_eof()
        self._unset_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    @property
    def _is_answer_due(self) -> bool:
        """Return whether the next answer belongs to the request that is being read."""
        if self.cycle is None or self.transport.is_closing():
            return not self.transport.is_closing()
        if self._in_head:
            return bool(self.cycle.response_complete)
        return not self.pipeline and not self.cycle.response_started


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
