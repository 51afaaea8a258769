"""Runs small programs in real runners: forked, or started, where one is always warming up."""

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qiskit_runtime.contract.wire.events import Console, EndEvent, Event, Message
from qiskit_runtime.contract.wire.job_input import JobInput
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.verdict import Verdict
from qiskit_runtime.host.process_tree import descendants
from tests.runner.births import (
    DEFAULT_BIRTH,
    FORKED,
    ForkedProcess,
    ZygoteUnderTest,
    make_environment,
    open_zygote,
)

Ran = tuple[list[Event], Verdict, int]


def start_runner(grace: float = 1.0, **popen: Any) -> subprocess.Popen[bytes]:
    """Start a ``python -m runner``."""
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "--grace", str(grace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=make_environment(),
        **popen,
    )


class Run:
    """A runner that waits on its standard input for a job."""

    def __init__(self, process: subprocess.Popen[bytes] | ForkedProcess) -> None:
        self.process = process
        self.parser = RecordParser()
        self.events: list[Event] = []
        self.record = b""

    def start_job(self, program: Path, params: Any = None, **fields: Any) -> None:
        """Send the runner a job; its standard input stays open."""
        text = params if isinstance(params, str) else json.dumps(params or {})
        job = JobInput(job_id="job", program=str(program), params=text, **fields)
        self.process.stdin.write(job.to_line())
        self.process.stdin.flush()

    def read_some(self) -> bool:
        """Read the output that waits; returns False at its end."""
        data = os.read(self.process.stdout.fileno(), 1 << 18)
        self.record += data
        self.events += self.parser.feed(data)
        return bool(data)

    def read_until(self, text: str) -> None:
        """Read until the console has shown this text."""
        while text.encode() not in printed(self.events):
            assert self.read_some(), f"ended without {text!r}: {self.record[-500:]!r}"

    def finish(self) -> Ran:
        """Read to the end."""
        while self.read_some():
            pass
        exit_code = self.process.wait(20)
        end = self.events[-1] if self.events else None
        assert isinstance(end, EndEvent), (
            exit_code,
            self.record[-500:],
            self.process.stderr.read(),
        )
        assert end.intact
        return self.events, end.verdict, exit_code

    def close(self) -> None:
        """Kill the runner."""
        self.process.kill()
        self.process.communicate()


def printed(events: list[Event]) -> bytes:
    """Return the printed bytes."""
    return b"".join(
        event.data + b"\n" * event.newline for event in events if isinstance(event, Console)
    )


def in_order(events: list[Event]) -> list[str]:
    """Return console lines and messages' texts in their order."""
    shown = []
    for event in events:
        if isinstance(event, Console):
            shown.append(event.data.decode())
        elif isinstance(event, Message):
            shown.append(event.text)
    return shown


@pytest.fixture(scope="session")
def zygote() -> Iterator[ZygoteUnderTest]:
    """The zygote of all tests that fork."""
    with open_zygote() as opened:
        yield opened


@pytest.fixture(scope="session")
def warm_runs() -> Iterator[list[Run]]:
    """The started runner that warms up, once a test has needed one."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.close()


@pytest.fixture
def birth(request: pytest.FixtureRequest) -> str:
    """The way in which the test's runners come to be; ``BOTH_BIRTHS`` asks for both."""
    return getattr(request, "param", DEFAULT_BIRTH)


@pytest.fixture
def start_run(
    request: pytest.FixtureRequest, birth: str, warm_runs: list[Run]
) -> Iterator[Callable[..., Run]]:
    """Start a runner, or take the warm one; it is ended with the test.

    Options of ``subprocess.Popen`` are for a started one, whatever the test's birth is.
    """
    started: list[Run] = []

    def start(**options: Any) -> Run:
        if birth == FORKED and options.keys() <= {"grace"}:
            run = Run(request.getfixturevalue("zygote").fork(**options))
        elif options:
            run = Run(start_runner(**options))
        else:
            run = warm_runs.pop() if warm_runs else Run(start_runner())
            warm_runs.append(Run(start_runner()))
        started.append(run)
        return run

    yield start
    for run in started:
        run.close()


@pytest.fixture
def start_in(start_run: Callable[..., Run]) -> Callable[[Path], Run]:
    """Start a runner whose processes are in this cgroup, however they came to be."""

    def start(cgroup: Path) -> Run:
        run = start_run()
        enter = (cgroup / "cgroup.procs").write_text
        enter(str(run.process.pid))
        # Those that it starts from now on are there anyway.
        for pid in descendants(run.process.pid):
            enter(str(pid))
        return run

    return start


@pytest.fixture
def write_program(tmp_path: Path) -> Callable[[str], Path]:
    """Write a program's source; returns its path."""

    def write(source: str) -> Path:
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(source))
        return program

    return write


@pytest.fixture
def run_program(
    start_run: Callable[..., Run], write_program: Callable[[str], Path]
) -> Callable[..., Ran]:
    """Run a program to its end; returns its events, its verdict and the runner's exit code."""

    def run(source: str, params: Any = None, **fields: Any) -> Ran:
        runner = start_run()
        runner.start_job(write_program(source), params, **fields)
        return runner.finish()

    return run


@pytest.fixture
def console() -> Callable[[list[Event]], bytes]:
    """Return the printed bytes."""
    return printed


@pytest.fixture
def order() -> Callable[[list[Event]], list[str]]:
    """Return console lines and messages' texts in their order."""
    return in_order


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, at most 8 seconds."""

    def wait(holds: Callable[[], bool]) -> None:
        until = time.monotonic() + 8
        while not holds():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Return whether a process runs: it exists and is not a zombie."""

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
        except OSError:
            return False

    return alive


@pytest.fixture
def make_memory_cgroup() -> Iterator[Callable[[int], Path]]:
    """Makes a memory cgroup of so many MiB; where none can be, the test is skipped, or fails."""
    parent = Path("/sys/fs/cgroup/memory")
    group = (parent if parent.is_dir() else Path("/sys/fs/cgroup")) / f"runner-test-{os.getpid()}"

    def make(mebibytes: int) -> Path:
        try:
            group.mkdir()
            version_1 = (group / "memory.limit_in_bytes").exists()
            limit = group / ("memory.limit_in_bytes" if version_1 else "memory.max")
            limit.write_text(str(mebibytes << 20))
        except OSError as error:
            if group.is_dir():
                group.rmdir()
            if os.environ.get("REQUIRE_CGROUP") == "1":
                pytest.fail(f"no memory cgroup can be made: {error}")
            pytest.skip(f"no memory cgroup can be made: {error}")
        return group

    yield make
    for _ in range(100):
        try:
            group.rmdir()
            break
        except FileNotFoundError:
            break
        except OSError:
            time.sleep(0.05)
