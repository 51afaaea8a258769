"""A real server process for a benchmark, with programs of the benchmark's own."""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import httpx
from websockets.sync.client import connect

from api.jobstore.local.data_folder import DataFolder
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import make_job_id

START_SECONDS = 60
URL = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def serve(
    programs: dict[str, str], workers: int = 2, ended_jobs: int = 0
) -> Iterator[httpx.Client]:
    """A client of a new server in local mode that has these programs, by id and source.

    Its data folder has so many ended jobs from before.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, source in programs.items():
            write_program(folder / "programs", name, source)
        write_ended_jobs(folder / "data", ended_jobs)
        with start(folder, workers) as client:
            yield client


@contextmanager
def start(folder: Path, workers: int = 2) -> Iterator[httpx.Client]:
    """A client of a new server over the data and the programs in this folder, once it answers."""
    command = [
        sys.executable, "-m", "api.cli", "serve", "--port", "0", "--workers", str(workers),
        "--data", str(folder / "data"), "--programs", str(folder / "programs"),
    ]  # fmt: skip
    (folder / "programs").mkdir(exist_ok=True)
    output = (folder / "output").open("w+")
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = _wait_for_url(process, folder / "output")
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        output.close()


def write_ended_jobs(data: Path, count: int) -> None:
    """Fill a data folder with jobs of hello-quantum that have ended."""
    if not count:
        return
    folder = DataFolder(data)
    folder.open()
    now = datetime.now(UTC)
    for number in range(1, count + 1):
        job = Job(
            id=make_job_id(),
            sequence=number,
            created=now,
            spec=JobSpec(program_id="hello-quantum", backend="aer_simulator"),
            status=JobStatus(
                phase=Phase.COMPLETED, started_at=now, finished_at=now + timedelta(seconds=1)
            ),
        )
        # Nothing here has to outlive the machine.
        with patch("os.fsync"):
            folder.create(job, "{}")
    folder.close()


def write_program(programs: Path, name: str, source: str) -> None:
    """A program's folder with its two files."""
    folder = programs / name.replace("-", "_")
    folder.mkdir(parents=True)
    (folder / f"{folder.name}.py").write_text(source)
    metadata = {"name": name, "description": "A benchmark's program."}
    (folder / f"{folder.name}.json").write_text(json.dumps(metadata))


def _wait_for_url(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := URL.search(output.read_text()):
            try:
                httpx.get(f"{found[0]}/backends")
            except httpx.TransportError:
                pass
            else:
                return found[0]
        time.sleep(0.05)
    message = f"the server did not start: {output.read_text()}"
    raise RuntimeError(message)


def post(client: httpx.Client, program: str, **params: object) -> str:
    """Queue a job; its id."""
    body = {
        "programId": program, "hub": "", "group": "", "project": "", "backend": "",
        "params": [json.dumps(params)],
    }  # fmt: skip
    answer = client.post("/jobs", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def time_reads(
    client: httpx.Client, path: str, query: dict[str, object], count: int
) -> list[float]:
    """Return the seconds of each of so many reads, one after the other."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        client.get(path, params=query).raise_for_status()
        times.append(time.perf_counter() - begin)
    return times


def stream_address(client: httpx.Client, job_id: str) -> str:
    """Return the address of a job's websocket."""
    return f"{client.base_url}".replace("http", "ws", 1).rstrip("/") + f"/stream/jobs/{job_id}"


def stream(client: httpx.Client, job_id: str) -> list[str]:
    """All frames of a job, once it has ended."""
    with connect(stream_address(client, job_id)) as websocket:
        return [str(frame) for frame in websocket]
