"""The websocket's connection: uvicorn's, within bounds, and with long texts in pieces."""

import asyncio
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from api.routes.root.stream import FRAGMENTS
from api.serving.connection_bounds import Bounds, Connection, OpenConnections


class WebsocketConnection(Connection, WebSocketsSansIOProtocol):
    """A websocket's connection, counted from its handshake on."""

    def __init__(self, bounds: Bounds, open_connections: OpenConnections, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.bounds, self._open = bounds, open_connections
        self._in_message = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open.listen(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None:
            # uvicorn does not check this, and would keep a failed handshake open for ever.
            self.transport.close()

    async def run_asgi(self) -> None:
        self.scope["extensions"] = {**(self.scope["extensions"] or {}), FRAGMENTS: {}}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and (self._in_message or message.get("more")):
            await self._send_piece(message["text"].encode(), fin=not message.get("more"))
            return
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # Otherwise uvicorn logs an error for each handshake that was denied.
            self.handshake_complete = True

    async def _send_piece(self, piece: bytes, *, fin: bool) -> None:
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        try:
            if self._in_message:
                self.conn.send_continuation(piece, fin)
            else:
                self.conn.send_text(piece, fin)
        except InvalidState:
            raise ClientDisconnected from None
        self._in_message = not fin
        self.transport.write(b"".join(self.conn.data_to_send()))
