"""The Python client against real servers; every test is of the blocking and the async one."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.client import (
    Console,
    Gap,
    JobFailed,
    JobTimeout,
    Message,
    NoResult,
    ProgressEvent,
    Reconnecting,
    Refused,
    Unreachable,
    Waiting,
    decode,
)
from tests.api.cli.test_cli import PROGRAMS, Served
from tests.qiskit_runtime.client.conftest import CuttingProxy


def messages(events):
    """The texts of the messages, in order."""
    return [event.text for event in events if isinstance(event, Message)]


def printed(events):
    """All that was printed."""
    texts = [e.text + "\n" * e.newline for e in events if isinstance(e, Console)]
    return "".join(texts)


def test_a_job_runs_from_its_parameters_to_its_result(client):
    """Parameters as keyword arguments go in, the result comes out, and its labels are kept."""
    job = client.run("steps", steps=[["print", "p"], ["final", {"a": 2}]], tags=["t"], hub="h")
    assert job.result(timeout=30) == {"a": 2}
    info = job.info()
    assert (info.program, info.status, info.tags) == ("steps", "Completed", ("t",))
    assert info.fields["hub"] == "h"
    assert info.seconds >= 0
    assert job.status() == "Completed"
    assert job.result_text() == '{"a": 2}'
    assert job.logs() == 'p\n{"a": 2}\n'


def test_parameters_may_be_a_dictionary_or_text(client):
    """``params`` takes any names, and keyword arguments go over them; a text is sent verbatim."""
    job = client.run("steps", params={"steps": [["final", 1]]})
    assert job.result(timeout=30) == 1
    text = '{"steps":  [["final", 1.10]]}'
    job = client.run("steps", params=text)
    assert job.result(timeout=30) == 1.1
    assert job.info().fields["params"] == [text]
    with pytest.raises(TypeError, match="shots"):
        client.run("steps", params=text, shots=1)


def test_a_stream_is_live_and_typed(client, gate):
    """Events come while the job runs, as what they are, and the stream ends with the job."""
    steps = [["print", "up"], ["publish", 1], ["wait", str(gate)], ["final", 2]]
    events = client.run("steps", steps=steps).stream()
    first = list(itertools.islice(events, 2))
    assert first == [Console(1, b"up"), Message(0, 1, "1")]
    gate.touch()
    assert list(events) == [Message(0, 2, "2", final=True)]


@pytest.fixture
def gate(tmp_path):
    """A file that a program waits for, until the test touches it."""
    return tmp_path / "gate"


def test_a_late_listener_gets_all_from_the_first(client):
    """After the end the whole stream is there, or what follows a message."""
    job = client.run("steps", steps=[["count", 20], ["final", "end"]])
    job.wait(timeout=30)
    wanted = [*map(str, range(1, 21)), '"end"']
    assert messages(job.stream()) == wanted
    assert messages(client.job(job.id).stream(after=15)) == wanted[15:]


REPORTS = """
def main(backend, messenger, n: int):
    for i in range(n):
        messenger.report_progress(i + 1, n)
        messenger.publish(i)
        print("line", i)
    return "end"
"""


def test_cut_connections_lose_and_repeat_nothing(client, connect, server, tmp_path):
    """A stream that is cut at random places yields each event once, in order, progress too."""
    (tmp_path / "reports_progress.py").write_text(REPORTS)
    program = client.upload(tmp_path / "reports_progress.py", replace=True).id
    job = client.run(program, n=60)
    job.wait(timeout=30)
    whole = list(job.stream())
    assert messages(whole) == [*map(str, range(60)), '"end"']
    for seed in range(5):
        proxy = CuttingProxy(server.port, cuts=8, seed=seed)
        with proxy.listening() as url:
            events = list(connect(url).job(job.id).follow())
        # Under load a frame may take its time: notices say so.
        assert [e for e in events if not isinstance(e, Reconnecting | Waiting)] == whole
        assert any(isinstance(event, Reconnecting) for event in events) or proxy.streams == 1


def test_a_restarted_server_is_found_again(connect, tmp_path):
    """A stream outlives the server: each message once, and the job's fate at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--port", port, "--workers", 1, "--programs", PROGRAMS, "--data", tmp_path)
    with Served(*options) as server:
        client = connect(server.url)
        job = client.run("steps", steps=[["count", 3], ["wait", "/never"]])
        events = job.stream()
        seen = list(itertools.islice(events, 3))
        server.process.kill()
        server.process.wait()
    with Served(*options):
        assert messages([*seen, *events]) == ["1", "2", "3"]
        with pytest.raises(JobFailed) as failed:
            job.result(timeout=30)
    assert failed.value.reason == "Interrupted"


def test_a_failed_job_says_why(client):
    """The error has status, reason, message and the program's traceback."""
    job = client.run("steps", steps=[["print", "p"], ["fail", "too cold"]])
    with pytest.raises(JobFailed, match="too cold") as failed:
        job.result(timeout=30)
    error = failed.value
    assert (error.job_id, error.status, error.reason) == (job.id, "Failed", "ProgramError")
    assert "ValueError: too cold" in error.message
    assert error.traceback.startswith("Traceback (most recent call last):")
    assert error.traceback.endswith("ValueError: too cold")


def test_a_job_is_cancelled_while_it_is_streamed(client):
    """The stream ends, and the result is an error that says Cancelled."""
    job = client.run("steps", steps=[["publish", 1], ["wait", "/never"], ["final", 2]])
    events = job.stream()
    assert next(events) == Message(0, 1, "1")
    job.cancel()
    assert messages(events) == []
    with pytest.raises(JobFailed) as failed:
        job.result(timeout=30)
    assert (failed.value.status, failed.value.reason) == ("Cancelled", "CancelledByUser")


def test_a_job_without_a_result_says_so(client):
    """A program that published nothing final has none, and waiting for it ends."""
    with pytest.raises(NoResult, match="without a result"):
        client.run("steps", steps=[["publish", 1]]).result(timeout=30)


def test_a_wait_has_an_end(client, gate):
    """After the time is up the error is a TimeoutError, and the job goes on."""
    job = client.run("steps", steps=[["publish", 1], ["wait", str(gate)], ["final", 2]])
    began = time.monotonic()
    with pytest.raises(JobTimeout, match=r"after 0\.3 s") as timed_out:
        job.result(timeout=0.3)
    assert isinstance(timed_out.value, TimeoutError)
    assert time.monotonic() - began < 10
    gate.touch()
    assert job.result(timeout=30) == 2


def test_progress_is_read(client, tmp_path):
    """The newest report is the job's progress, and an event of the stream."""
    (tmp_path / "reports.py").write_text(REPORTS)
    job = client.run(client.upload(tmp_path / "reports.py", replace=True).id, n=4)
    reports = [e.progress for e in job.stream() if isinstance(e, ProgressEvent)]
    job.wait(timeout=30)
    assert (reports[-1].done, reports[-1].total) == (4, 4)
    assert job.progress == reports[-1]


def test_values_of_qiskit_travel_both_ways(client, tmp_path):
    """Circuits, operators and arrays are parameters and results; plain JSON stands for them too."""
    (tmp_path / "gives_back.py").write_text("def main(b, m, **params):\n    return params\n")
    program = client.upload(tmp_path / "gives_back.py", replace=True).id
    circuit = QuantumCircuit(1)
    circuit.h(0)
    operator = SparsePauliOp.from_list([("XX", 1.5)])
    job = client.run(program, circuit=circuit, operator=operator, array=np.arange(3))
    result = job.result(timeout=60)
    assert result["circuit"] == circuit
    assert result["operator"] == operator
    assert np.array_equal(result["array"], [0, 1, 2])
    assert job.result(decoded=False)["array"]["__type__"] == "ndarray"
    (message,) = job.stream()
    assert np.array_equal(decode(message.text)["array"], [0, 1, 2])


def test_lists_are_typed(client):
    """Programs, backends and jobs are objects that also have the server's JSON."""
    job = client.run("steps", steps=[["final", 1]], tags=["listed"])
    job.wait(timeout=30)
    assert [info.id for info in client.jobs(tags=["listed"], limit=1)] == [job.id]
    assert client.jobs(pending=True, program="no-such") == []
    programs = {program.id: program for program in client.programs()}
    assert programs["vqe"].parameters["type"] == "object"
    assert client.program("vqe") == programs["vqe"]
    assert "aer_simulator" in [backend.name for backend in client.backends()]


def test_an_ended_job_is_deleted(client):
    """After that it is not found."""
    job = client.run("steps", steps=[["final", 1]])
    job.wait(timeout=30)
    job.delete()
    for call in (job.info, job.result, job.cancel, lambda: list(job.stream())):
        with pytest.raises(Refused, match="Job not found") as refused:
            call()
        assert refused.value.status == 404


def test_a_refusal_has_status_and_words(client):
    """The server's sentence, which names the parameter by its path."""
    with pytest.raises(Refused, match=r"params\.max_execution_time|Program not found") as refused:
        client.run("no-such-program")
    assert refused.value.status == 404
    with pytest.raises(Refused, match=r"params\.ansatz") as refused:
        client.run("vqe", ansatz=3, operator=[["Z", 1]])
    assert refused.value.status == 422


def test_a_token_is_needed_where_one_is_set(connect, tmp_path):
    """Without it the error says where a token goes; with it stream and result work."""
    with Served("--token", "open-sesame", "--workers", 1, "--data", tmp_path) as server:
        with pytest.raises(Refused, match="RUNTIME_TOKEN") as refused:
            connect(server.url).backends()
        assert refused.value.status == 401
        job = connect(server.url, "open-sesame").run("hello-quantum", greeting="Hi")
        assert messages(job.stream())[0] == '"Hi"'


def test_nobody_at_the_address_is_an_error_at_once(connect):
    """The address and the way out are named; nothing is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    began = time.monotonic()
    client = connect(f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port}.*qiskit-runtime serve"):
        client.jobs()
    assert time.monotonic() - began < 1.5


class LosingServer:
    """Takes requests, loses the answers to the first ones, and keeps what it was sent."""

    def __init__(self, lost):
        self.lost, self.requests = lost, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                request = connection.recv(65536).decode().lower()
                self.requests.append(request)
                if len(self.requests) > self.lost:
                    body = json.dumps({"id": "one"})
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                    connection.sendall((head + body).encode())


def test_a_lost_answer_makes_no_second_job(connect):
    """A POST whose answer was lost is sent again with the same Idempotency-Key, one for a call."""
    server = LosingServer(lost=2)
    client = connect(server.url)
    keys = []
    for calls in (3, 1):
        server.requests.clear()
        server.lost = calls - 1
        assert client.run("steps").id == "one"
        found = [line for request in server.requests for line in request.splitlines()
                 if line.startswith("idempotency-key: ")]  # fmt: skip
        assert len(found) == calls and len(set(found)) == 1
        keys += set(found)
    assert len(set(keys)) == 2


def test_settings_come_from_the_environment(connect, monkeypatch, url):
    """RUNTIME_URL and RUNTIME_TOKEN are the defaults; a wrong address is refused in a sentence."""
    monkeypatch.setenv("RUNTIME_URL", url)
    assert connect(None, None).backends()
    with pytest.raises(ValueError, match="no http:// or https://"):
        connect("ftp://here")
    with pytest.raises(ValueError, match="ASCII"):
        connect(url, "grün")


def test_a_gap_is_an_event(client):
    """Messages that the record had no room for are one gap."""
    job = client.run("steps", steps=[["dots", [400, 2**17]], ["final", 1]])
    events = list(job.stream())
    gaps = [event for event in events if isinstance(event, Gap)]
    assert len(messages(events)) + sum(gap.count for gap in gaps) == 401


def test_the_import_is_light():
    """The client imports neither the server's libraries nor Qiskit, and no model library."""
    heavy = ["fastapi", "kubernetes", "pydantic", "qiskit", "numpy", "redis", "uvicorn",
             "anywidget", "IPython", "pandas"]  # fmt: skip
    code = (
        "import sys, qiskit_runtime.client;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
