"""A real redis-server on a free port, which tests kill and start again, empty."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis

PASSWORD = "not-to-be-logged"


class RedisServer:
    """One server; what it held is gone after ``kill``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", "--requirepass", PASSWORD]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(500):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise AssertionError("redis-server does not start")

    def ask(self, *command: str) -> Any:
        """The answer to a command, as an operator of Redis gives it."""
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def run_redis() -> Iterator[RedisServer]:
    """A server that is there for a while; without redis-server the test is skipped."""
    if shutil.which("redis-server") is None:
        message = "needs redis-server (apt install redis-server)"
        if os.environ.get("REQUIRE_CLUSTER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = RedisServer(port)
    server.start()
    try:
        yield server
    finally:
        server.kill()
