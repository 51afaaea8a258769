"""A real redis-server on a free port, which tests kill and start again, empty."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

PASSWORD = "not-to-be-logged"
USERS = Path(__file__).parents[3] / "charts" / "qiskit-runtime" / "files" / "users.acl"
"""The chart's users of Redis: what each may do."""


def write_users(folder: Path, *more: str) -> Path:
    """The chart's ACL file as its Redis reads it, with ``PASSWORD`` for both; and more users."""
    text = USERS.read_text()
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    for user in ("API", "OPERATOR"):
        assert f" on {user} " in text
        text = text.replace(f" on {user} ", f" on #{digest} ")
    path = folder / "users.acl"
    path.write_text("\n".join([text.rstrip(), *more, ""]))
    return path


class RedisServer:
    """A server; its data is gone after ``kill``."""

    def __init__(self, port: int, users: Path | None = None) -> None:
        self.port = port
        self._login = ["--aclfile", str(users)] if users else ["--requirepass", PASSWORD]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--save", "", "--appendonly", "no", *self._login]
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

    def url_of(self, user: str) -> str:
        """Return its address for one of the chart's users."""
        return f"redis://{user}:{PASSWORD}@127.0.0.1:{self.port}/0"

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def run_redis(users: Path | None = None) -> Iterator[RedisServer]:
    """A server that is there for a while; without redis-server the test is skipped."""
    if shutil.which("redis-server") is None:
        message = "needs redis-server (apt install redis-server)"
        if os.environ.get("REQUIRE_CLUSTER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = RedisServer(port, users)
    server.start()
    try:
        yield server
    finally:
        server.kill()
