"""Serving the app with uvicorn, as ``qiskit-runtime serve`` does."""

import os

import uvicorn

from api.auth import LOOPBACK_NAMES

WEBSOCKET_MESSAGE_BYTES = 1 << 16
"""Nothing that a client sends is read, so nothing large is taken."""

PING_SECONDS = 20.0
"""How often an idle websocket is pinged, and how long the answer may take."""


class NotLoopback(ValueError):
    """Without a token this address would let anybody run code here."""


def check_address(host: str, has_token: bool, allow_anonymous: bool) -> None:
    """Refuse to serve other machines without a token.

    Raises:
        NotLoopback: there is none, and nobody said that this is meant.
    """
    if host not in LOOPBACK_NAMES and not has_token and not allow_anonymous:
        raise NotLoopback(
            f"refusing to listen on {host} without a token: whoever reaches it could run programs here."
            " Give --token, or --allow-anonymous if that is meant."
        )


def serve(host: str, port: int, *, reload: bool, access_log: bool) -> None:
    """Serve until a signal. The app's settings come from the environment, also after a reload."""
    uvicorn.run(
        "api.main:create_app",
        factory=True,
        host=host,
        port=port,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        # Compression would cost half a megabyte a socket.
        ws_per_message_deflate=False,
        access_log=access_log,
        reload=reload,
        reload_dirs=["api", "qiskit_runtime", "runner"] if reload else None,
        # Followers of running jobs never go by themselves: tell them after a moment.
        timeout_graceful_shutdown=2,
        server_header=False,
    )
