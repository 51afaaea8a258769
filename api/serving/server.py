"""Serving the app with uvicorn, as ``qiskit-runtime serve`` does: address, signals, log.

All that can be wrong is found before the server starts, and said in one sentence.
"""

import errno
import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import ChangeReload

from api.auth import LOOPBACK_NAMES
from api.backendstore.local import BackendsFileInvalid, read_backends
from api.jobstore.local.data_folder import DataFolder, DataFolderInUse
from api.serving.connection_bounds import Bounds, Room
from api.serving.http_connection import HttpConnection
from api.serving.log_repeats import HoldsBackRepeats
from api.serving.serve_settings import name_of
from api.serving.server_process import ACCEPTED_AT_ONCE, bound_connections
from api.serving.websocket_connection import WebsocketConnection
from api.settings import ApiSettings
from qiskit_runtime.host.process_tree import close_to_others

WEBSOCKET_MESSAGE_BYTES = 1 << 16
"""Nothing that a client sends is read, so nothing large is taken."""

WAITING_CONNECTIONS = 2048
"""How many connections the kernel holds until they are accepted."""

PING_SECONDS = 20.0
"""How often an idle websocket is pinged, and how long the answer may take."""


class NotLoopback(ValueError):
    """Without a token this address would let anybody run code here."""


class CannotServe(click.ClickException):
    """The settings are fine, this machine is not ready for them."""

    exit_code = 1


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches that address."""
    return host in LOOPBACK_NAMES


def check_address(host: str, has_token: bool, allow_anonymous: bool) -> None:
    """Refuse to serve other machines without a token.

    Raises:
        NotLoopback: there is none, and nobody said that this is meant.
    """
    if not is_loopback(host) and not has_token and not allow_anonymous:
        raise NotLoopback(
            f"refusing to listen on {host} without a token:"
            " whoever reaches it could run programs here."
            " Give it one (RUNTIME_TOKEN or --token-file), or --allow-anonymous if that is meant."
        )


def check_data_folder(settings: ApiSettings, given: Mapping[str, str]) -> None:
    """See that the data folder can be had, by having it for a moment.

    Raises:
        CannotServe: another server has it, or it can't be written.
    """
    folder = DataFolder(settings.data)
    name = name_of("RUNTIME_DATA", given)
    try:
        folder.open()
    except DataFolderInUse:
        raise CannotServe(f"{name}: another server uses the data folder {settings.data}") from None
    except OSError as error:
        raise CannotServe(
            f"{name}: can't use {settings.data} as the data folder: {error.strerror}"
        ) from None
    folder.close()


def check_backends(settings: ApiSettings, given: Mapping[str, str]) -> None:
    """See that the file of backends can be used.

    Raises:
        CannotServe: it can't be read, or something in it is wrong.
    """
    if settings.backends is None:
        return
    try:
        read_backends(settings.backends)
    except (OSError, BackendsFileInvalid) as error:
        name = name_of("RUNTIME_BACKENDS", given)
        raise CannotServe(f"{name}: {error}") from None


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens: a client that comes before the app is ready waits a moment.

    Raises:
        CannotServe: the port is taken, or there is no such address here.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # localhost may be both; 127.0.0.1 is what people type.
        family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        listener = socket.create_server(
            (str(address[0]), port), family=family, backlog=WAITING_CONNECTIONS
        )
    except socket.gaierror as error:
        raise CannotServe(f"--host: there is no address {host!r}: {error.strerror}") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(
                f"--port: {port} is in use on {host}; another one (or 0, for any) may be free"
            ) from None
        reason = os.strerror(error.errno or 0)
        raise CannotServe(f"--host, --port: can't listen on {host}:{port}: {reason}") from None
    # asyncio does this for sockets of its own only; without it an answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def make_url(listener: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (what others bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def give_up_stalled(listener: socket.socket, seconds: float) -> None:
    """Have the kernel drop a client that takes nothing for so long, also once it was closed."""
    # Accepted sockets inherit it. Elsewhere a connection's own timer does most of it.
    if sys.platform == "linux":
        milliseconds = int(seconds * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class Server(uvicorn.Server):
    """uvicorn's, in a process that is closed to programs; under --reload it is a child."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        close_to_others()
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # asyncio accepts as many at once as may wait, before any of them is looked at.
        for listener in sockets or []:
            listener.listen(WAITING_CONNECTIONS)


def exit_on_signals() -> None:
    """Have SIGINT and SIGTERM end this process with 0.

    While uvicorn runs it takes them over, and raises them again once it has shut down.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def serve(listener: socket.socket, *, reload: bool, access_log: bool) -> None:
    """Serve until SIGINT or SIGTERM, then exit with 0."""
    exit_on_signals()
    # The token is in this process, and the pipes with the records of jobs.
    close_to_others()
    settings = ApiSettings()
    give_up_stalled(listener, settings.send_seconds)
    bounds = Bounds(settings.request_seconds, settings.send_seconds)
    room = Room(bound_connections(settings.max_connections))
    # uvicorn calls what makes a connection; its types want a class.
    protocols: dict[str, Any] = {
        "http": partial(HttpConnection, bounds, room),
        "ws": partial(WebsocketConnection, bounds, room),
    }
    config = uvicorn.Config(
        "api.main:create_app",
        factory=True,
        **protocols,
        timeout_keep_alive=settings.keep_alive_seconds,
        backlog=ACCEPTED_AT_ONCE,
        ws_max_size=WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        # Compression would cost half a megabyte a socket.
        ws_per_message_deflate=False,
        access_log=access_log,
        log_config=_make_log_config(),
        reload=reload,
        reload_dirs=_source_folders() if reload else None,
        # Followers of running jobs never go by themselves: tell them after a moment.
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = Server(config)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return
    server.run(sockets=[listener])
    if not server.started:
        raise CannotServe("the server did not start; the lines above say why")


def _source_folders() -> list[str]:
    root = Path(__file__).parents[2]
    return [str(root / name) for name in ("api", "qiskit_runtime", "runner")]


def _make_log_config() -> dict[str, Any]:
    """Warnings of all, and the access log; where the server is, the command line has said."""
    plain = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": plain},
        "filters": {"repeats": {"()": HoldsBackRepeats}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "plain",
                "filters": ["repeats"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "uvicorn": {"level": "WARNING"},
            "uvicorn.access": {"level": "INFO"},
            # It warns of each frame to a client that has just gone away: no news.
            "asyncio": {"level": "ERROR"},
        },
    }
