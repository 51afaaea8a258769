"""Serving the app with uvicorn, as ``qiskit-runtime serve`` does: address, signals, log.

All mistakes in the settings are found before the server starts, each with one sentence.
"""

import errno
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import ChangeReload

from api.accounts.accounts_file import AccountsFileInvalid, read_accounts
from api.backendstore.local import BackendsFileInvalid, read_backends
from api.browser.same_origin import LOOPBACK_NAMES
from api.jobstore.local.data_folder import DataFolder, DataFolderInUse
from api.main import create_app
from api.serving.connection_bounds import Bounds, OpenConnections
from api.serving.http_connection import HttpConnection
from api.serving.log_repeats import QueryFilter, RepeatFilter
from api.serving.server_process import ACCEPTED_AT_ONCE, bound_connections
from api.serving.websocket_connection import WebsocketConnection
from api.settings import ApiSettings
from qiskit_runtime.host.memory import leave_out_of_collections
from qiskit_runtime.host.process_tree import close_to_others

WEBSOCKET_MESSAGE_BYTES = 1 << 16
"""The largest frame from a client: they are ignored."""

WAITING_CONNECTIONS = 2048
"""The connections that the kernel holds until they are accepted."""

PING_SECONDS = 20.0
"""The time between pings of an idle websocket, and for the answer to one."""


class NotLoopback(ValueError):
    """Without a token, everybody who reaches this address could run code here."""


class CannotServe(click.ClickException):
    """The settings are valid, but this machine can't serve by them."""

    exit_code = 1


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches the address."""
    return host in LOOPBACK_NAMES


def check_address(host: str, is_guarded: bool, allow_anonymous: bool) -> None:
    """Refuse to serve other machines without authentication.

    Raises:
        NotLoopback: there is none, and --allow-anonymous is not set.
    """
    if not is_loopback(host) and not is_guarded and not allow_anonymous:
        raise NotLoopback(
            f"refusing to listen on {host} without a token:"
            " everybody who reaches it could run programs here."
            " Set a token (RUNTIME_TOKEN or --token-file), or allow everybody: --allow-anonymous."
        )


def check_data_folder(settings: ApiSettings, name: str) -> None:
    """See that the data folder can be used, by locking it for a moment; ``name`` is the setting's.

    Raises:
        CannotServe: another server uses it, or it can't be written.
    """
    folder = DataFolder(settings.data)
    try:
        folder.open()
    except DataFolderInUse:
        raise CannotServe(f"{name}: another server uses the data folder {settings.data}") from None
    except OSError as error:
        raise CannotServe(
            f"{name}: can't use {settings.data} as the data folder: {error.strerror}"
        ) from None
    folder.close()


def check_backends(settings: ApiSettings, name: str) -> None:
    """See that the file of backends can be used; ``name`` is the setting's.

    Raises:
        CannotServe: it can't be read, or something in it is wrong.
    """
    if settings.backends is None:
        return
    try:
        read_backends(settings.backends)
    except (OSError, BackendsFileInvalid) as error:
        raise CannotServe(f"{name}: {error}") from None


def check_accounts(settings: ApiSettings, name: str) -> None:
    """See that the file of accounts can be used, where there is one.

    Raises:
        CannotServe: it can't be read, or something in it is wrong.
    """
    if settings.auth_mode != "accounts" or settings.accounts is None:
        return
    try:
        read_accounts(settings.accounts)
    except (OSError, AccountsFileInvalid) as error:
        raise CannotServe(f"{name}: {error}") from None


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens: clients that come before the app is ready wait for it.

    Raises:
        CannotServe: the port is taken, or there is no such address here.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # localhost may have two addresses; people type 127.0.0.1.
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
    # asyncio sets this on its own sockets only; without it an answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def make_url(listener: socket.socket, settings: ApiSettings) -> str:
    """Return the URL of the server for a browser on this machine."""
    scheme = "https" if settings.tls_cert else "http"
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (what others bound)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def drop_stalled_clients(listener: socket.socket, seconds: float) -> None:
    """Have the kernel drop a client that reads nothing for so long, even after the close."""
    # Accepted sockets inherit it. Other systems rely on the connection's own timer.
    if sys.platform == "linux":
        milliseconds = int(seconds * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class Server(uvicorn.Server):
    """uvicorn's server, in a process that is closed to programs; with --reload, a child."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        close_to_others()
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        leave_out_of_collections()
        # asyncio accepts as many at once as may wait, before any of them is looked at.
        for listener in sockets or []:
            listener.listen(WAITING_CONNECTIONS)


def exit_on_signals() -> None:
    """Have SIGINT and SIGTERM end this process with 0.

    While uvicorn runs it takes them over, and raises them again once it has shut down.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def serve(
    listener: socket.socket,
    settings: ApiSettings,
    *,
    reload: bool = False,
    access_log: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, then exit with 0."""
    exit_on_signals()
    # This process holds the token, and the pipes with the records of jobs.
    close_to_others()
    drop_stalled_clients(listener, settings.send_seconds)
    config = _make_config(settings, reload=reload, access_log=access_log)
    server = Server(config)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return
    server.run(sockets=[listener])
    if not server.started:
        raise CannotServe("the server did not start; the lines above say why")


def _make_config(settings: ApiSettings, *, reload: bool, access_log: bool) -> uvicorn.Config:
    bounds = Bounds(settings.request_seconds, settings.send_seconds)
    open_connections = OpenConnections(bound_connections(settings.max_connections))
    # uvicorn calls a connection's class; a partial does as well, but not for its types.
    protocols: dict[str, Any] = {
        "http": partial(HttpConnection, bounds, open_connections),
        "ws": partial(WebsocketConnection, bounds, open_connections),
    }
    return uvicorn.Config(
        _choose_app(settings, reload=reload),
        factory=True,
        **protocols,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
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
        # Streams of running jobs never end: close them 2 s after shutdown begins.
        timeout_graceful_shutdown=2,
        server_header=False,
    )


def _choose_app(settings: ApiSettings, *, reload: bool) -> str | Callable[[], ASGIApp]:
    """Return the app's factory; a reloading server's child reads the settings from variables."""
    if not reload:
        return partial(create_app, settings)
    os.environ.update(settings.to_environment())
    return "api.main:create_app"


def _source_folders() -> list[str]:
    root = Path(__file__).parents[2]
    return [str(root / name) for name in ("api", "qiskit_runtime", "runner")]


def _make_log_config() -> dict[str, Any]:
    """Return the log's configuration: warnings of all loggers, and the access log."""
    plain = {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": plain},
        "filters": {"repeats": {"()": RepeatFilter}, "queries": {"()": QueryFilter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "plain",
                "filters": ["repeats", "queries"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "uvicorn": {"level": "WARNING"},
            "uvicorn.access": {"level": "INFO"},
            # It warns about each frame to a client that has just gone away.
            "asyncio": {"level": "ERROR"},
        },
    }
