"""Both clients for one suite of tests, a real server, and a proxy that cuts its streams."""

import asyncio
import inspect
import random
import select
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from qiskit_runtime.client import AsyncClient, AsyncJob, Client
from tests.api.conftest import run_server

COLUMN_NAMES = Path(__file__).with_name("column_names.json")
"""Messages, each with its step, the curves of the console, and the columns of ``to_dataframe``."""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The one server of most tests here."""
    with run_server(tmp_path_factory.mktemp("client")) as running:
        yield running


class Blocking:
    """An async client, or a job of it, used as the blocking one is: each call runs to its end."""

    def __init__(self, inner, runner):
        self._inner, self._runner = inner, runner

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        return self._take(value) if not inspect.ismethod(value) else self._wrap(value)

    def _wrap(self, method):
        return lambda *arguments, **more: self._take(method(*arguments, **more))

    def _take(self, value):
        # A stream can be awaited too.
        if isinstance(value, AsyncIterator):
            return self._iterate(value)
        if inspect.isawaitable(value):
            value = self._runner.run(self._wait(value))
        return Blocking(value, self._runner) if isinstance(value, AsyncJob) else value

    @staticmethod
    async def _wait(value):
        return await value

    def _iterate(self, events):
        try:
            while True:
                yield self._runner.run(self._wait(anext(events)))
        except StopAsyncIteration:
            return
        finally:
            self._runner.run(events.aclose())


@pytest.fixture(params=["blocking", "async"])
def connect(request):
    """Make a client of one of both kinds, for an address."""
    with asyncio.Runner() as runner:
        opened = []

        def connect(url, token=""):
            if request.param == "blocking":
                client = Client(url, token)
            else:
                client = Blocking(AsyncClient(url, token), runner)
            opened.append(client)
            return client

        yield connect
        for client in opened:
            client.close()


@pytest.fixture
def url(server):
    """The server's address."""
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def client(connect, url):
    """A client of the server."""
    return connect(url)


class CuttingProxy:
    """Passes TCP on to a server, and cuts the first connections for streams at random places."""

    def __init__(self, port, cuts, seed):
        self.target, self.cuts = ("127.0.0.1", port), cuts
        self.random = random.Random(seed)
        self.streams = 0

    @contextmanager
    def listening(self):
        """The proxy's URL."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=[listener], daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(self.target) as server, suppress(OSError):
            request = client.recv(65536)
            server.sendall(request)
            self._pass_on(client, server, self._room(request))

    def _room(self, request):
        """Return the number of bytes of the server's answer that come through."""
        if not request.startswith(b"GET /stream"):
            return float("inf")
        self.streams += 1
        return self.random.randrange(50, 3000) if self.streams <= self.cuts else float("inf")

    @staticmethod
    def _pass_on(client, server, left):
        while left > 0:
            for source in select.select([client, server], [], [])[0]:
                data = source.recv(int(min(left, 4096)))
                if not data:
                    return
                (server if source is client else client).sendall(data)
                left -= len(data) * (source is server)
