"""The hand-over: a runner that was started ahead gets its job from its operator, and once."""

import json
import os
import selectors
import signal
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
    OPERATOR,
    POD,
    TAKEN,
    HandoverError,
    build_hello,
    digest_token,
    pack_input,
    prove,
    read_packet,
    unpack_input,
)
from qiskit_runtime.contract.wire.job_input import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.verdict import EXIT_UNREADABLE, EXIT_UNUSED, Outcome
from runner.handover_port import KNOWN_HELLOS, PLACES, HandoverPort, Hellos, Rank

ROOT = Path(__file__).parents[2]
TOKEN = b"t" * NONCE_BYTES
DIGEST = digest_token(TOKEN)
NONCE = b"n" * NONCE_BYTES
HELLO_OF_OPERATOR = build_hello(DIGEST, NONCE)
STRANGERS = PLACES[Rank.STRANGER]
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


def greet(connection):
    """Say hello as an operator does; returns whether the pod proves that it is the right one."""
    nonce = os.urandom(NONCE_BYTES)
    connection.sendall(build_hello(DIGEST, nonce))
    return connection.recv(NONCE_BYTES) == prove(DIGEST, POD, nonce)


def is_closed(connection):
    """Return whether the pod closes a connection, without an answer."""
    with suppress(ConnectionResetError):
        return connection.recv(100) == b""
    return True


class OpenPort:
    """A port that is served by a thread, as the supervisor's loop serves it."""

    def __init__(self, folder):
        self.folder, self.number = folder, free_port()
        self.selector, self.taken = selectors.DefaultSelector(), threading.Event()
        self.port = HandoverPort(self.number, DIGEST, folder, "127.0.0.1")
        self.may_take = True
        self.port.open(self.selector, lambda: self.may_take, self.taken.set)
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
        assert greet(connection)
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
    for byte in HELLO_OF_OPERATOR:
        connection.sendall(bytes([byte]))
    assert connection.recv(NONCE_BYTES) == prove(DIGEST, POD, NONCE)
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
        (HELLO.replace(b"2", b"1") + NONCE, "the hello of an earlier release"),
        (HELLO + NONCE + bytes(NONCE_BYTES), "no proof"),
        (build_hello(digest_token(b"x"), NONCE), "the hello to another pod"),
        (HELLO + NONCE + prove(DIGEST, POD, NONCE), "the pod's own proof"),
        (HELLO + bytes(NONCE_BYTES) + prove(DIGEST, OPERATOR, NONCE), "of another connection"),
    ],
)
def test_stranger_gets_no_answer(port, sent, why):
    """Only a closed connection, and the job still comes."""
    stranger = port.connect()
    stranger.sendall(sent)
    assert is_closed(stranger), why
    assert port.hand_over() == TAKEN


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"x" * NONCE_BYTES, "a wrong token"),
        (DIGEST, "the digest in the token's place"),
        (prove(DIGEST, POD, NONCE), "the pod's own proof"),
        (TOKEN + b"\xff\xff\xff\xff", "an input without end"),
        (TOKEN + pack_input({"../out": b"x"}), "a path that leads out"),
        (TOKEN + pack_input({"": b"x"}), "no name"),
    ],
)
def test_what_is_no_input_is_turned_away(port, sent, why):
    """Whoever knows the digest hands nothing over without the token, and no odd files with it."""
    visitor = port.connect()
    visitor.sendall(HELLO_OF_OPERATOR + sent)
    assert visitor.recv(NONCE_BYTES) == prove(DIGEST, POD, NONCE)
    assert is_closed(visitor)
    assert not port.taken.is_set(), why
    assert port.hand_over() == TAKEN
    assert not (port.folder.parent / "out").exists()


def test_hello_counts_once(port):
    """An overheard one gets neither the pod's proof nor a place of the operator's."""
    operator = port.connect()
    operator.sendall(HELLO_OF_OPERATOR)
    assert operator.recv(NONCE_BYTES) == prove(DIGEST, POD, NONCE)
    for _ in range(2 * PLACES[Rank.OPERATOR]):
        replay = port.connect()
        replay.sendall(HELLO_OF_OPERATOR)
        assert is_closed(replay)
    operator.sendall(TOKEN + pack_input(FILES))
    assert operator.recv(1) == TAKEN


def test_hellos_take_no_more_and_more_memory():
    """Those who know the digest may say any number of them: the oldest are forgotten."""
    hellos = Hellos(DIGEST)
    nonces = [number.to_bytes(NONCE_BYTES) for number in range(KNOWN_HELLOS + 1)]
    assert all(hellos.answer(build_hello(DIGEST, nonce)) for nonce in nonces)
    with pytest.raises(HandoverError, match="used before"):
        hellos.answer(build_hello(DIGEST, nonces[1]))
    assert len(hellos._used) == KNOWN_HELLOS


def test_silent_connections_hold_up_nobody(port):
    """Any number of open connections cost a few descriptors, and the operator comes through."""
    for _ in range(2 * STRANGERS):
        port.connect()
    assert port.hand_over() == TAKEN
    assert port.taken.wait(5)


@pytest.mark.parametrize("sent", [b"", TOKEN + pack_input(FILES)[:-1]], ids=["claim", "input"])
def test_strangers_do_not_break_a_hand_over_off(port, sent):
    """The operator's connection stays while the job is claimed, and while the input comes."""
    operator = port.connect()
    assert greet(operator)
    operator.sendall(sent)
    for _ in range(2 * STRANGERS):
        port.connect().sendall(HELLO)
    operator.sendall((TOKEN + pack_input(FILES))[len(sent) :])
    assert operator.recv(1) == TAKEN and port.taken.wait(5)


def test_digest_alone_does_not_break_an_input_off(port):
    """Those who can read the Pods can say hello, and take no place of one with the token."""
    operator = port.connect()
    assert greet(operator)
    packet = pack_input(FILES)
    operator.sendall(TOKEN + packet[:-1])
    time.sleep(0.1)
    others = [port.connect() for _ in range(2 * PLACES[Rank.OPERATOR])]
    assert all(map(greet, others))
    assert is_closed(others[0])
    operator.sendall(packet[-1:])
    assert operator.recv(1) == TAKEN


def test_hello_of_the_same_round_is_read_before_the_place_is_given_away(tmp_path):
    """The oldest connection says hello in the moment in which one too many comes."""
    selector, number = selectors.DefaultSelector(), free_port()
    port = HandoverPort(number, DIGEST, tmp_path, "127.0.0.1")
    port.open(selector, lambda: True, lambda: None)

    def connect():
        return socket.create_connection(("127.0.0.1", number), timeout=5)

    def serve_listener():
        next(key for key, _ in selector.select(5) if key.data == port._accept).data()

    connections = []
    for _ in range(STRANGERS):
        connections.append(connect())
        serve_listener()
    connections[0].sendall(HELLO_OF_OPERATOR)
    connections += [connect(), connect()]
    serve_listener()
    assert connections[0].recv(NONCE_BYTES) == prove(DIGEST, POD, NONCE)
    serve_listener()
    assert is_closed(connections[1])
    port.close()
    for connection in connections:
        connection.close()


def test_runner_that_may_not_take_the_input_closes_the_port(port):
    """It is asked when the input is whole: it says nothing, and starts nothing."""
    port.may_take = False
    assert port.hand_over() == b""
    assert not port.taken.wait(0.1)
    with pytest.raises(ConnectionRefusedError):
        port.connect()


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


def pause(pid):
    """Stop a process; returns when it is stopped: of two signals the lower one comes first."""
    os.kill(pid, signal.SIGSTOP)
    while ") T" not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.01)


class WarmRunner:
    """A ``python -m runner --wait-for-input``."""

    def __init__(self, folder):
        self.folder, self.number = folder, free_port()
        command = [sys.executable, "-m", "runner", "--input", str(folder), "--pod", "p"]
        command += ["--grace", "20"]
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

    def pack_job(self, **document):
        """Return what is sent to hand a job over, behind the hello."""
        job = {"job_id": "j", "program": str(self.folder / "own.py"), "pod": "p", **document}
        files = {JOB_FILE: json.dumps(job).encode(), PARAMS_FILE: b'{"n": 7}'}
        return TOKEN + pack_input({**files, "own.py": PROGRAM.encode()})

    def hand_over(self, **document):
        """Hand a job over; returns the runner's answer."""
        with self.connect() as connection:
            assert greet(connection)
            connection.sendall(self.pack_job(**document))
            return connection.recv(1)

    @property
    def program(self):
        """The number of the process that would run the program."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text())

    def end(self):
        """Wait until it has ended; returns its record and its exit code."""
        record, _ = self.process.communicate(timeout=30)
        return record, self.process.returncode


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
    assert warm.end() == (b"", EXIT_UNUSED)


def test_runner_that_is_ending_takes_no_job(warm):
    """SIGTERM closes the port at once, though the program process takes its time to end."""
    with warm.connect() as operator:
        assert greet(operator)
        program = warm.program
        pause(program)
        warm.process.terminate()
        assert is_closed(operator)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", warm.number), timeout=5)
        # It is still there.
        os.kill(program, signal.SIGCONT)
    assert warm.end() == (b"", EXIT_UNUSED)


@pytest.mark.parametrize("ends", ["runner", "program"])
def test_input_that_comes_with_the_end_is_not_taken(warm, ends):
    """Both wait for the loop's next round: the job goes to another pod."""
    with warm.connect() as operator:
        assert greet(operator)
        program = warm.program
        pause(warm.process.pid)
        operator.sendall(warm.pack_job())
        if ends == "runner":
            warm.process.terminate()
        else:
            os.kill(program, signal.SIGKILL)
        time.sleep(0.2)
        os.kill(warm.process.pid, signal.SIGCONT)
        assert is_closed(operator)
    assert warm.end() == (b"", EXIT_UNUSED)


ENDED = """
import os, socket
from runner.channel import Kind, pack
from runner.program import Program
from runner.supervisor import Supervisor
def start():
    reader, console = os.pipe()
    ours, channel = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        channel.sendall(pack(Kind.VERSIONS, b"{}"))
        os._exit(3)
    os.close(console)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    channel.close()
    return Program(pid, reader, ours.detach())
class Port:
    def open(self, *_):
        print("opened")
    def close(self):
        print("closed")
supervisor = Supervisor(start, print)
supervisor.watch_port(Port(), None)
supervisor.run()
"""


def test_runner_that_has_ended_opens_no_port():
    """Its program process was ready, and had ended, before that was read."""
    command = [sys.executable, "-c", ENDED]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.split() == ["closed"]


def test_port_needs_a_digest(tmp_path):
    """Without one, anybody could hand a job over."""
    command = [sys.executable, "-m", "runner", "--input", str(tmp_path), "--wait-for-input", "1"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 2 and DIGEST_VARIABLE in ran.stderr
