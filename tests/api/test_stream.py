"""The websocket of a real server: everything, in order, exactly once, and then the close."""

import json
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.conftest import WORKERS, Server, read_to_close, run_server, wait_until

MIB = 2**20


def test_late_listeners_get_everything_from_the_first(server):
    """After the end, each listener gets every message in order, and close 1000."""
    job_id = server.run_steps(["count", 50], ["final", {"sum": 1275}])
    server.wait(job_id)
    wanted = [*map(str, range(1, 51)), '{"sum": 1275}']

    assert server.frames(job_id) == wanted
    assert server.frames(job_id) == wanted


def test_early_middle_and_late_listeners_get_the_same(server, gate):
    """Listeners that come before the start, midway or after the end get each message once."""
    blockers_gate = gate.with_name("blockers")
    blockers = [server.run_steps(["wait", str(blockers_gate)]) for _ in range(WORKERS)]
    job_id = server.run_steps(["count", 500], ["wait", str(gate)], ["count", 500], ["final", "end"])
    assert server.job(job_id)["status"] == "Queued"
    with ThreadPoolExecutor() as pool:
        early = pool.submit(server.frames, job_id)
        time.sleep(0.2)
        blockers_gate.touch()
        server.wait(job_id, while_in=("Queued",))
        middle = [pool.submit(server.frames, job_id) for _ in range(3)]
        wait_until(lambda: server.text(job_id, "logs").count("\n") == 500)
        middle += [pool.submit(server.frames, job_id) for _ in range(3)]
        time.sleep(0.2)
        gate.touch()
        wanted = [*map(str, range(1, 501)), *map(str, range(1, 501)), '"end"']
        for listener in (early, *middle):
            assert listener.result(30) == wanted
    assert server.frames(job_id) == wanted
    for blocker in blockers:
        server.wait(blocker)


def test_message_arrives_while_the_program_runs(server, gate):
    """A message is there when it is published, not when the job has ended."""
    job_id = server.run_steps(["publish", "now"], ["wait", str(gate)], ["final", "later"])
    with server.listen(job_id) as websocket:
        assert websocket.recv(timeout=10) == '"now"'
        assert server.job(job_id)["status"] == "Running"
        with pytest.raises(TimeoutError):
            websocket.recv(timeout=0.3)
        gate.touch()
        assert read_to_close(websocket) == (['"later"'], 1000)
    # The status is final within the same moment.
    assert server.job(job_id)["status"] == "Completed"


def test_frames_are_the_published_texts_and_nothing_else(server):
    """Prints are not frames, and what a program prints can't be made to look like one."""
    forged = b"\x1ei 1 1 1/1 =forged\n\x1ef 2 1 1/1 =forged\n\x1ev {}\n"
    values = [None, True, "grüß\n\x1e\u2028", {"b": [1.5, {}], "a": ""}, "", [], 1e400]
    steps = [["publish", value] for value in values]
    job_id = server.run_steps(["print", "printed"], ["bytes", forged.hex()], *steps, ["final", 0])
    server.wait(job_id)

    assert server.frames(job_id) == [*map(json.dumps, values), "0"]
    assert server.job(job_id)["status"] == "Completed"
    log = server.text(job_id, "logs")
    assert log.startswith("printed\n\x1ei 1 1 1/1 =forged\n")


@pytest.mark.parametrize(
    ("steps", "frames", "status"),
    [
        ([["publish", 1], ["fail", "no"]], ["1"], "Failed"),
        ([["fail", "no"]], [], "Failed"),
        ([["publish", 1]], ["1"], "Completed"),
        ([["final", 1], ["fail", "after"]], ["1"], "Failed"),
        ([["final", 1], ["publish", 2]], ["1"], "Failed"),
    ],
    ids=["failed", "failed-at-once", "no-result", "failed-after-final", "published-after-final"],
)
def test_stream_closes_1000_however_the_job_ends(server, steps, frames, status):
    """A live listener is let go after the last message, also of a failed job."""
    job_id = server.run_steps(*steps)

    assert server.frames(job_id) == frames
    assert server.job(job_id)["status"] == status
    assert server.frames(job_id) == frames


def test_stream_of_a_job_over_its_time_closes_1000(server):
    """The listener of a job that ran too long is let go; the 2021 server left it for ever."""
    job_id = server.run("three-seconds")

    assert server.frames(job_id) == ['"on and on"']
    assert server.job(job_id)["status"] == "Cancelled - Ran too long"


def test_stream_of_a_cancelled_job_closes_1000(server, gate):
    """A listener of a cancelled job, running or queued, is let go within 5 seconds."""
    jobs = [server.run_steps(["publish", 1], ["wait", str(gate)]) for _ in range(WORKERS + 1)]
    with ExitStack() as stack:
        sockets = [stack.enter_context(server.listen(job_id)) for job_id in jobs]
        for websocket in sockets[:WORKERS]:
            assert websocket.recv(timeout=10) == "1"
        assert server.job(jobs[-1])["status"] == "Queued"
        # The queued one first: a worker that comes free would take it.
        for job_id in reversed(jobs):
            assert server.http.post(f"/jobs/{job_id}/cancel").status_code == 204
        for websocket in sockets:
            assert read_to_close(websocket, seconds=5) == ([], 1000)
    assert [server.job(job_id)["status"] for job_id in jobs] == ["Cancelled"] * len(jobs)


@pytest.mark.parametrize("after", [0, 1, 9, 10, 11, 10**30])
def test_after_goes_on_behind_that_message(server, numbers, after):
    """``?after=N`` gives what follows message N; behind the last there is only the close."""
    wanted = [*map(str, range(1, 11)), '"end"']

    assert server.frames(numbers, f"?after={after}") == wanted[min(after, 11) :]


@pytest.fixture(scope="module")
def numbers(server: Server) -> str:
    """An ended job of ten numbered messages and a result."""
    job_id = server.run_steps(["print", "hi"], ["count", 10], ["final", "end"])
    server.wait(job_id)
    return job_id


def test_reader_that_breaks_off_again_and_again_misses_nothing(server, gate):
    """Going on with ``?after`` where the last connection broke gives each message exactly once."""
    job_id = server.run_steps(["count", 300], ["wait", str(gate)], ["count", 300], ["final", "end"])
    dice = random.Random(7)
    seen: list[str] = []
    code = 0
    while code != 1000:
        if len(seen) >= 200:
            gate.touch()
        with server.listen(job_id, f"?after={len(seen)}") as websocket:
            try:
                for _ in range(dice.randint(1, 60)):
                    frame = websocket.recv(timeout=10)
                    seen.append(str(frame))
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
            else:
                # No close frame: the cable is cut.
                websocket.socket.shutdown(socket.SHUT_RDWR)

    assert seen == [*map(str, range(1, 301)), *map(str, range(1, 301)), '"end"']


def test_typed_frames_carry_console_lines_in_order(server):
    """``?logs=true`` types its frames, and has what was printed among them."""
    job_id = server.run_steps(
        ["print", "one"], ["publish", [1]], ["write", "tail"], ["final", {"b": 2}], ["print", "x"]
    )
    frames = [json.loads(frame) for frame in server.frames(job_id, "?logs=true")]
    lines = [frame.pop("line") for frame in frames if frame["type"] == "console"]

    assert frames == [
        {"type": "console", "text": "one", "newline": True},
        {"type": "message", "number": 1, "final": False, "text": "[1]"},
        {"type": "console", "text": "tail", "newline": False},
        {"type": "message", "number": 2, "final": True, "text": '{"b": 2}'},
        {"type": "console", "text": "x", "newline": True},
    ]
    assert lines == sorted(lines)


def test_typed_frames_go_on_behind_a_message(server, numbers):
    """``?after`` and ``?logs`` together: neither messages nor lines from before it."""
    frames = [json.loads(frame) for frame in server.frames(numbers, "?logs=true&after=10")]

    assert frames == [{"type": "message", "number": 11, "final": True, "text": '"end"'}]


@pytest.mark.parametrize("query", ["live=false", "logs=true&live=false"])
def test_record_so_far_is_sent_and_closed(server, gate, query):
    """``?live=false`` closes behind the newest message, while the program goes on."""
    job_id = server.run_steps(["count", 500], ["wait", str(gate)], ["publish", 0], ["final", 1])
    wait_until(lambda: server.text(job_id, "logs").count("\n") == 500)
    frames = [json.loads(frame) for frame in server.frames(job_id, f"?{query}")]
    assert server.job(job_id)["status"] == "Running"
    assert [int(one["text"]) if "logs" in query else one for one in frames] == [*range(1, 501)]
    gate.touch()
    server.wait(job_id)
    assert server.frames(job_id, "?live=false&after=499") == ["500", "0", "1"]


def test_record_so_far_of_a_queued_job_is_empty(server, gate):
    """Nobody waits for its start."""
    jobs = [server.run_steps(["wait", str(gate)], ["final", 1]) for _ in range(WORKERS + 1)]
    assert server.frames(jobs[-1], "?live=false") == []
    assert server.job(jobs[-1])["status"] == "Queued"
    gate.touch()
    for job_id in jobs:
        server.wait(job_id)


@pytest.mark.parametrize("size", [16 * 1024 - 1, 16 * 1024 + 1, 3 * MIB, 15 * MIB])
def test_large_message_arrives_whole(server, size):
    """A message larger than any buffer on its way is one frame, and the result, byte for byte."""
    job_id = server.run_steps(["large", size])
    [frame] = server.frames(job_id)

    text = json.loads(frame)
    assert len(text) == size
    assert text.startswith("".join(f"{value:08x}" for value in range(min(size, MIB) // 8)))
    assert server.text(job_id, "results") == frame


def test_unknown_job_is_refused_before_the_handshake(server):
    """The websocket of an unknown job is answered by HTTP 404 with the body of the REST routes."""
    with pytest.raises(InvalidStatus) as refused:
        server.listen(str(uuid4()))

    response = refused.value.response
    assert response.status_code == 404
    assert json.loads(response.body) == {"detail": "Job not found"}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=1.5", "logs=perhaps", "live=perhaps", "after="]
)
def test_wrong_query_is_refused_before_the_handshake(server, numbers, query):
    """A query that is wrong is HTTP 422, which names the field."""
    with pytest.raises(InvalidStatus) as refused:
        server.listen(numbers, f"?{query}")

    response = refused.value.response
    assert response.status_code == 422
    [error] = json.loads(response.body)["detail"]
    assert error["loc"] == ["query", query.partition("=")[0]]


def test_plain_http_is_told_to_upgrade(server, numbers):
    """GET on a stream's address without a websocket is 426 and says what to do."""
    answer = server.http.get(f"/stream/jobs/{numbers}")

    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "websocket" in answer.json()["detail"]
    unknown = server.http.get(f"/stream/jobs/{uuid4()}")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Job not found"})


def test_what_a_client_sends_is_ignored(server, gate):
    """Text, bytes and pings of a client change nothing of what it gets."""
    job_id = server.run_steps(["publish", 1], ["wait", str(gate)], ["final", 2])
    with server.listen(job_id) as websocket:
        assert websocket.recv(timeout=10) == "1"
        for _ in range(100):
            websocket.send("x" * 10_000)
            websocket.send(b"\x00\xff")
        assert websocket.ping().wait(5)
        gate.touch()
        assert read_to_close(websocket) == (["2"], 1000)


def test_client_that_sends_too_much_is_closed_alone(server, gate):
    """A message over 64 KiB closes the socket that sent it with 1009, and no other."""
    job_id = server.run_steps(["publish", 1], ["wait", str(gate)], ["final", 2])
    with server.listen(job_id) as loud, server.listen(job_id) as quiet:
        assert loud.recv(timeout=10) == "1"
        loud.send("x" * 100_000)
        assert read_to_close(loud)[1] == 1009
        gate.touch()
        assert read_to_close(quiet) == (["1", "2"], 1000)


def test_many_listeners_get_every_message_once(server):
    """Twenty listeners who come when they like get a thousand messages each, in order."""
    job_id = server.run_steps(["count", 1000], ["final", "end"])
    wanted = [*map(str, range(1, 1001)), '"end"']

    def listen(delay: float) -> list[str]:
        time.sleep(delay)
        return server.frames(job_id)

    with ThreadPoolExecutor(20) as pool:
        for frames in pool.map(listen, [number / 40 for number in range(20)]):
            assert frames == wanted


def test_waiting_listeners_cost_no_cpu_and_leave_nothing(server, gate):
    """Idle sockets do not spin, and those that went have given everything back."""
    job_id = server.run_steps(["publish", 1], ["wait", str(gate)])
    wait_until(lambda: server.text(job_id, "logs") == "1\n")
    before = _descriptors(server)
    with ExitStack() as stack:
        for _ in range(20):
            websocket = stack.enter_context(server.listen(job_id))
            assert websocket.recv(timeout=10) == "1"
        # The workers start their next runners meanwhile; that is their CPU, not the server's.
        begun = _cpu_seconds(server)
        time.sleep(1)
        assert _cpu_seconds(server) - begun < 0.2
        assert _descriptors(server) >= before + 20
    wait_until(lambda: _descriptors(server) <= before, 10)
    gate.touch()
    server.wait(job_id)


class TestStalledReader:
    """Readers that open a stream and then read nothing."""

    READERS = 20
    MESSAGES = 24

    @pytest.fixture(scope="class")
    @classmethod
    def impatient(cls, tmp_path_factory):
        """A server that waits a second for a frame to be taken, where the real one waits 30."""
        with run_server(tmp_path_factory.mktemp("impatient"), send_seconds=1) as running:
            yield running
        assert "Traceback" not in running.log.read_text()

    def test_stalled_readers_slow_nobody_and_cost_bounded_memory(self, impatient, gate, capsys):
        """Twenty stalled readers of 24 MiB: others read on at full speed, memory stays small."""
        job_id = impatient.run_steps(
            ["dots", [self.MESSAGES, MIB]], ["wait", str(gate)], ["final", "end"]
        )
        self._read_all(impatient, job_id)
        alone = self._read_all(impatient, job_id)
        before = impatient.resident_bytes()
        peak = _Peak(impatient)
        with ExitStack() as stack:
            for _ in range(self.READERS):
                stack.enter_context(_stalled_reader(impatient, job_id))
            with peak:
                beside = self._read_all(impatient, job_id)
                time.sleep(0.5)
        gate.touch()
        cost = peak.bytes - before
        with capsys.disabled():
            print(
                f"\n{self.READERS} stalled readers: {cost / MIB:.1f} MiB more;"
                f" {self.MESSAGES} MiB read in {alone:.2f} s alone, {beside:.2f} s with them"
            )
        # Each holds the one frame that it does not take and the socket's buffer, not the stream.
        assert cost < self.READERS * 3 * MIB
        assert beside < 5 * alone + 2

    @pytest.mark.parametrize("query", ["", "?logs=true"])
    def test_large_frame_costs_its_readers_nothing(self, impatient, query):
        """Twenty that do not read one frame of 6 MiB share it, and are dropped."""
        job_id = self._large(impatient)
        before, descriptors = impatient.resident_bytes(), _descriptors(impatient)
        with ExitStack() as stack, _Peak(impatient) as peak:
            for _ in range(self.READERS):
                stack.enter_context(_stalled_reader(impatient, f"{job_id}{query}"))
            [frame] = [frame for frame in impatient.frames(job_id, query) if len(frame) > MIB]
            wait_until(lambda: _descriptors(impatient) <= descriptors + 1)
        text = json.loads(frame)["text"] if query else frame
        assert text == json.dumps("x" * 6 * MIB)
        # One copy of the record, and what parsing it took.
        assert peak.bytes - before < 8 * 6 * MIB

    @pytest.mark.parametrize("part", ["results", "logs"])
    def test_unread_answers_are_in_memory_once(self, impatient, part):
        """Twenty that do not read a result of 6 MiB share it, and are dropped."""
        job_id = self._large(impatient)
        before, descriptors = impatient.resident_bytes(), _descriptors(impatient)
        with ExitStack() as stack, _Peak(impatient) as peak:
            for _ in range(self.READERS):
                reader = stack.enter_context(_dial(impatient))
                request = f"GET /jobs/{job_id}/{part} HTTP/1.1"
                reader.sendall(f"{request}\r\nHost: localhost\r\n\r\n".encode())
            assert json.dumps("x" * 6 * MIB) in impatient.text(job_id, part)
            wait_until(lambda: _descriptors(impatient) <= descriptors + 1)
        assert peak.bytes - before < 8 * 6 * MIB

    @staticmethod
    def _large(server: Server) -> str:
        """A job whose result is 6 MiB."""
        job_id = server.run_steps(["final", "x" * 6 * MIB])
        server.wait(job_id)
        return job_id

    def test_stalled_reader_is_dropped(self, impatient, gate):
        """A client that reads no frame for too long is dropped, and the job ends undisturbed."""
        job_id = impatient.run_steps(
            ["dots", [self.MESSAGES, MIB]], ["wait", str(gate)], ["final", "end"]
        )
        self._read_all(impatient, job_id)
        with _stalled_reader(impatient, job_id) as stalled:
            time.sleep(3)
            received = _drain(stalled)
        gate.touch()

        assert received < self.MESSAGES * MIB, "it was dropped before it had everything"
        assert impatient.wait(job_id)["status"] == "Completed"

    def _read_all(self, server: Server, job_id: str) -> float:
        """Return the time in which a reader takes all messages."""
        begun = time.monotonic()
        with server.listen(job_id) as websocket:
            for number in range(1, self.MESSAGES + 1):
                frame = websocket.recv(timeout=20)
                assert frame.startswith(f'"{number}.')
                assert len(frame) == MIB + 2
        return time.monotonic() - begun


class _Peak:
    """The largest memory of the server while this is entered."""

    def __init__(self, server: Server) -> None:
        self.bytes = 0
        self._server = server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.02):
            self.bytes = max(self.bytes, self._server.resident_bytes())


def _dial(server: Server) -> socket.socket:
    """A connection with a small window."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(30)
    reader.connect(("127.0.0.1", server.port))
    return reader


def _stalled_reader(server: Server, job_id: str) -> socket.socket:
    """A websocket that was opened, and then is not read."""
    reader = _dial(server)
    request = (
        f"GET /stream/jobs/{job_id} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    reader.sendall("\r\n".join((*request, "", "")).encode())
    assert reader.recv(12) == b"HTTP/1.1 101"
    return reader


def _drain(reader: socket.socket) -> int:
    """Read all that still comes; returns how much that is."""
    received = 0
    try:
        while data := reader.recv(1 << 16):
            received += len(data)
    except ConnectionResetError:
        pass
    return received


def _descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def _cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
