"""The hand-over: a runner that was started ahead gets its job from its operator, and once."""

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from qiskit_runtime.contract.wire.events import EndEvent
from qiskit_runtime.contract.wire.handover import (
    DIGEST_VARIABLE,
    HELLO,
    MAX_INPUT_BYTES,
    NONCE_BYTES,
    TAKEN,
    HandoverError,
    digest_token,
    pack_input,
    prove,
    read_packet,
    unpack_input,
)
from qiskit_runtime.contract.wire.job_input import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.verdict import EXIT_UNREADABLE, EXIT_UNUSED, Outcome
from runner.handover_port import MAX_VISITORS, HandoverPort

ROOT = Path(__file__).parents[2]
TOKEN = b"t" * NONCE_BYTES
DIGEST = digest_token(TOKEN)
NONCE = b"n" * NONCE_BYTES
FILES = {"job.json": b"{}", "params.json": b'{"n": 1}', "own.py": b""}
PROGRAM = """
import os
def main(backend, messenger, n=0):
    print(sorted(os.listdir("/proc/self/fd")), flush=True)
    messenger.publish({"n": n})
    return [n, {name for name in os.environ if "HANDOVER" in name}]
"""


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def greet(connection, nonce=NONCE):
    """Say hello; returns the proof."""
    connection.sendall(HELLO + nonce)
    return connection.recv(NONCE_BYTES)


class OpenPort:
    """A port that is served by a thread, as the supervisor's loop serves it."""

    def __init__(self, folder):
        self.folder, self.number = folder, free_port()
        self.selector, self.taken = selectors.DefaultSelector(), threading.Event()
        self.port = HandoverPort(self.number, DIGEST, folder, "127.0.0.1")
        self.port.open(self.selector, self.taken.set)
        self.connections = []
        self.is_closing = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.is_closing:
            for key, _ in self.selector.select(0.02):
                key.data()

    def connect(self):
        """Open a connection."""
        connection = socket.create_connection(("127.0.0.1", self.number), timeout=5)
        self.connections.append(connection)
        return connection

    def hand_over(self, files=FILES):
        """Do all that an operator does; returns the last answer."""
        connection = self.connect()
        assert greet(connection) == prove(DIGEST, NONCE)
        connection.sendall(TOKEN + pack_input(files))
        return connection.recv(1)

    def close(self):
        """Stop serving."""
        self.is_closing = True
        self.thread.join()
        for connection in self.connections:
            connection.close()
        self.port.close()


@pytest.fixture
def port(tmp_path):
    """A port that waits for its input."""
    opened = OpenPort(tmp_path)
    yield opened
    opened.close()


def test_input_arrives_whole_and_the_port_closes(port):
    """The files are what was sent; afterwards nobody can connect any more."""
    assert port.hand_over() == TAKEN
    assert port.taken.wait(5)
    assert {path.name: path.read_bytes() for path in port.folder.iterdir()} == FILES
    with pytest.raises(ConnectionRefusedError):
        port.connect()


def test_input_may_arrive_byte_by_byte(port):
    """TCP keeps no borders: every piece may end anywhere."""
    connection = port.connect()
    for byte in HELLO + NONCE:
        connection.sendall(bytes([byte]))
    assert connection.recv(NONCE_BYTES) == prove(DIGEST, NONCE)
    for byte in TOKEN + pack_input(FILES):
        connection.sendall(bytes([byte]))
    assert connection.recv(1) == TAKEN and port.taken.wait(5)


def test_input_that_breaks_off_leaves_the_pod_waiting(port):
    """Half an input is none: the next hand-over finds the pod as it was."""
    connection = port.connect()
    greet(connection)
    connection.sendall(TOKEN + pack_input(FILES)[:-1])
    connection.close()
    assert not port.taken.wait(0.2)
    assert list(port.folder.iterdir()) == []
    assert port.hand_over() == TAKEN


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "another protocol"),
        (HELLO + NONCE + b"x" * NONCE_BYTES, "a wrong token"),
        (HELLO + NONCE + DIGEST, "the digest in the token's place"),
        (HELLO + NONCE + prove(DIGEST, NONCE), "the pod's own proof"),
        (HELLO + NONCE + TOKEN + b"\xff\xff\xff\xff", "an input without end"),
        (HELLO + NONCE + TOKEN + pack_input({"../out": b"x"}), "a path that leads out"),
        (HELLO + NONCE + TOKEN + pack_input({"": b"x"}), "no name"),
    ],
)
def test_stranger_is_turned_away(port, sent, why):
    """A stranger gets nothing but a closed connection, and the job still comes."""
    stranger = port.connect()
    stranger.sendall(sent)
    stranger.settimeout(5)
    received = b"-"
    with suppress(ConnectionResetError):
        while received:
            received = stranger.recv(100)
    assert not port.taken.is_set(), why
    assert port.hand_over() == TAKEN
    assert not (port.folder.parent / "out").exists()


def test_silent_connections_hold_up_nobody(port):
    """Any number of open connections cost a few descriptors, and the operator comes through."""
    for _ in range(3 * MAX_VISITORS):
        port.connect()
    assert port.hand_over() == TAKEN
    assert port.taken.wait(5)


def test_strangers_do_not_break_a_hand_over_off(port):
    """The connection that has shown the token stays, however many others come meanwhile."""
    operator = port.connect()
    assert greet(operator) == prove(DIGEST, NONCE)
    packet = pack_input(FILES)
    operator.sendall(TOKEN + packet[:-1])
    for _ in range(3 * MAX_VISITORS):
        greet(port.connect())
    operator.sendall(packet[-1:])
    assert operator.recv(1) == TAKEN and port.taken.wait(5)


def test_input_without_room_is_not_taken(port):
    """A pod whose volume takes no files has no job: it says nothing, and waits on."""
    port.folder.rmdir()
    assert port.hand_over() == b""
    port.folder.mkdir()
    assert port.hand_over() == TAKEN and port.taken.wait(5)


def test_kubelet_may_knock(port):
    """A probe connects and leaves."""
    for _ in range(3):
        port.connect().close()
    assert port.hand_over() == TAKEN


def test_packet_over_the_limit_is_refused_by_its_length():
    """The pod does not collect what it will not take."""
    whole = (MAX_INPUT_BYTES + 1).to_bytes(4)
    with pytest.raises(HandoverError, match="at most"):
        read_packet(whole)
    assert read_packet(b"\0\0\0") is None


@pytest.mark.parametrize("body", [b"", b"\0\0\0\5[1,2]", b'\0\0\0\x09{"a": 2}\n1', b"\0\0\0\2{}x"])
def test_body_that_is_no_input_is_refused(body):
    """Sizes and names have to fit what is there."""
    with pytest.raises(HandoverError):
        unpack_input(body)


class WarmRunner:
    """A ``python -m runner --wait-for-input``."""

    def __init__(self, folder):
        self.folder, self.number = folder, free_port()
        command = [sys.executable, "-m", "runner", "--input", str(folder), "--pod", "p"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), DIGEST_VARIABLE: DIGEST.hex()}
        self.process = subprocess.Popen(
            [*command, "--wait-for-input", str(self.number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    def connect(self):
        """Open a connection, as soon as the runner is ready."""
        until = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.number), timeout=5)
            except ConnectionRefusedError:
                assert time.monotonic() < until and self.process.poll() is None
                time.sleep(0.02)

    def hand_over(self, **document):
        """Hand a job over; returns the runner's answer."""
        with self.connect() as connection:
            assert greet(connection) == prove(DIGEST, NONCE)
            program = self.folder / "own.py"
            job = {"job_id": "j", "program": str(program), "pod": "p", **document}
            files = {JOB_FILE: json.dumps(job).encode(), PARAMS_FILE: b'{"n": 7}'}
            connection.sendall(TOKEN + pack_input({**files, "own.py": PROGRAM.encode()}))
            return connection.recv(1)


@pytest.fixture
def warm(tmp_path):
    """A runner that waits for its job."""
    runner = WarmRunner(tmp_path)
    yield runner
    runner.process.kill()
    runner.process.communicate()


def test_job_that_is_handed_over_runs_as_any_other(warm):
    """Its record is whole, its program knows neither port nor token, and the port is closed."""
    assert warm.hand_over() == TAKEN
    record, _ = warm.process.communicate(timeout=30)
    events = list(RecordParser().feed(record))
    end = events[-1]
    assert isinstance(end, EndEvent) and end.intact
    assert end.verdict.outcome is Outcome.SUCCEEDED and warm.process.returncode == 0
    assert '[7, {"__type__": "set", "__value__": []}]' in record.decode()


def test_job_for_another_pod_is_refused(warm):
    """The name in the document is looked at here too."""
    assert warm.hand_over(pod="q") == TAKEN
    assert warm.process.wait(30) == EXIT_UNREADABLE


def test_runner_that_got_no_job_says_so(warm):
    """SIGTERM ends it, without a record, with a code that says that nothing ran."""
    warm.connect().close()
    warm.process.terminate()
    record, _ = warm.process.communicate(timeout=30)
    assert (record, warm.process.returncode) == (b"", EXIT_UNUSED)


def test_port_needs_a_digest(tmp_path):
    """Without one, anybody could hand a job over."""
    command = [sys.executable, "-m", "runner", "--input", str(tmp_path), "--wait-for-input", "1"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 2 and DIGEST_VARIABLE in ran.stderr
