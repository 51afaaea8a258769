"""A real server for the tests of the API: uvicorn as ``qiskit-runtime serve`` starts it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PROGRAMS = Path(__file__).parent / "programs"
WORKERS = 2
PENDING = ("Queued", "Running")

LAUNCH = """
from api.serving.server import open_socket, serve
from api.settings import ApiSettings
listener = open_socket("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
serve(listener, ApiSettings())
"""


@dataclass
class Server:
    """A running server, and a client's calls of it."""

    process: subprocess.Popen[bytes]
    port: int
    data: Path
    log: Path
    http: httpx.Client

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self.process.pid

    def resident_bytes(self) -> int:
        """The memory that its process holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def cpu_seconds(self) -> float:
        """The time that the processors have worked for its process."""
        after_name = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def make_body(program: str) -> dict[str, Any]:
        """Return the body that the 2021 documentation posts."""
        labels = dict.fromkeys(("hub", "group", "project", "backend"), "string")
        return {"programId": program, **labels, "params": []}

    def post(
        self, program: str = "steps", *, params: str | None = None, **fields: Any
    ) -> httpx.Response:
        """POST /jobs as the 2021 documentation does, with other fields if given."""
        given = {} if params is None else {"params": [params]}
        return self.http.post("/jobs", json=self.make_body(program) | given | fields)

    def run(self, program: str = "steps", *, params: str | None = None, **fields: Any) -> str:
        """Post a job that is good; returns its id."""
        answer = self.post(program, params=params, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def run_steps(self, *steps: list[Any], **fields: Any) -> str:
        """Post a job of the program 'steps'."""
        return self.run(params=json.dumps({"steps": steps}), **fields)

    def job(self, job_id: str) -> dict[str, Any]:
        """GET /jobs/{id}."""
        answer = self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def text(self, job_id: str, part: str) -> str:
        """GET /jobs/{id}/logs or results."""
        answer = self.http.get(f"/jobs/{job_id}/{part}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(
        self, job_id: str, *, while_in: tuple[str, ...] = PENDING, seconds: float = 30
    ) -> dict[str, Any]:
        """The job, once it has left these statuses."""
        wait_until(lambda: self.job(job_id)["status"] not in while_in, seconds)
        return self.job(job_id)

    def listen(self, job_id: str, query: str = "", **options: Any) -> ClientConnection:
        """Open the job's websocket."""
        url = f"ws://127.0.0.1:{self.port}/stream/jobs/{job_id}{query}"
        return connect(url, max_size=None, compression=None, proxy=None, **options)

    def frames(self, job_id: str, query: str = "") -> list[str]:
        """Every frame until the close, which must be 1000."""
        with self.listen(job_id, query) as websocket:
            frames, code = read_to_close(websocket)
        assert code == 1000
        return frames


def read_to_close(websocket: ClientConnection, seconds: float = 60) -> tuple[list[str], int]:
    """Every frame, and the close code."""
    frames: list[str] = []
    try:
        while True:
            frame = websocket.recv(timeout=seconds)
            assert isinstance(frame, str)
            frames.append(frame)
    except ConnectionClosed as closed:
        return frames, closed.rcvd.code if closed.rcvd else 1006


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait until it holds, and fail where it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@contextmanager
def run_server(
    folder: Path,
    *,
    send_seconds: float = 30,
    prepare: str = "",
    prefix: Sequence[str] = (),
    **settings: str,
) -> Iterator[Server]:
    """A server of its own; ``settings`` become its environment, ``prepare`` is Python before it.

    ``prefix`` is a command that starts it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    programs = folder / "programs"
    shutil.copytree(PROGRAMS, programs, ignore=shutil.ignore_patterns("__pycache__"))
    log = folder / "server.log"
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("RUNTIME_")
    }
    environment |= {
        "RUNTIME_DATA": str(folder / "data"),
        "RUNTIME_PROGRAMS": str(programs),
        "RUNTIME_WORKERS": str(WORKERS),
        "RUNTIME_SEND_SECONDS": str(send_seconds),
    }
    command = [*prefix, sys.executable, "-c", f"{prepare}\n{LAUNCH}"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, env=environment | settings, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout
        with process.stdout as output:
            port = int(output.readline() or 0)
        assert port, log.read_text()
        base = f"http://127.0.0.1:{port}"
        # Connections wait in the listener's queue until the app is ready.
        with httpx.Client(base_url=base, timeout=60, trust_env=False) as http:
            yield Server(process, port, folder / "data", log, http)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The one server of most tests; what went wrong within it fails the last of them."""
    with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running
    log = running.log.read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for the token 'open-sesame'."""
    folder = tmp_path_factory.mktemp("guarded")
    with run_server(folder, RUNTIME_TOKEN="open-sesame") as running:
        running.http.headers["X-Access-Token"] = "open-sesame"
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that a program waits for (the step 'wait'), until the test touches it."""
    return tmp_path / "gate"
