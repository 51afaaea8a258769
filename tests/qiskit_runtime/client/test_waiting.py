"""The time that ``wait(timeout=)`` and ``result(timeout=)`` take, of both clients."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from itertools import chain, repeat

import pytest
from websockets.sync.server import serve

from qiskit_runtime.client import JobTimeout, Unreachable, calls, job_stream

FIELDS = {"id": "id", "program": "p", "backend": "b", "reason": "", "message": "", "tags": []}
FIELDS |= {"created": "2026-01-01T00:00:00Z", "started": None, "finished": None, "progress": None}


class WaitingServer:
    """Tells these statuses, the last one for ever; its streams end as ``play`` does."""

    def __init__(self, statuses, open_seconds=0.0):
        self._statuses = chain(statuses, repeat(statuses[-1]))
        self._open_seconds = open_seconds
        self.is_over = threading.Event()

    def answer(self, connection, request):
        """Answer a request for the job; let a request for its stream pass, in its time."""
        if request.path.startswith("/stream"):
            self.is_over.wait(self._open_seconds)
            return None
        job = FIELDS | {"status": next(self._statuses)}
        return connection.respond(HTTPStatus.OK, json.dumps(job))

    def hold(self, _):
        """Keep a stream open without a word."""
        self.is_over.wait(20)

    def cut(self, connection):
        """Cut a stream at once."""
        connection.socket.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def waiting(connect):
    """A server, by its statuses and what it does with streams, and its job at a client."""

    @contextmanager
    def waiting(*statuses, streams="hold", **more):
        fake = WaitingServer(statuses, **more)
        play = getattr(fake, streams)
        with serve(play, "127.0.0.1", 0, process_request=fake.answer) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield connect(f"http://127.0.0.1:{server.socket.getsockname()[1]}").job("id")
            finally:
                fake.is_over.set()
                server.shutdown()
                thread.join()

    return waiting


@contextmanager
def at_most(seconds):
    """The block ends within this time."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_the_error_has_the_status_of_the_end(waiting):
    """A job that began to run meanwhile is not told as Queued."""
    with (
        waiting("Queued", "Running") as job,
        at_most(2),
        pytest.raises(JobTimeout, match=r"^job id is Running after 0\.3 s$"),
    ):
        job.result(timeout=0.3)


def test_a_job_that_ends_in_the_last_moment_is_returned(waiting):
    """The last look at the job counts."""
    with waiting("Running", "Completed") as job:
        assert job.wait(timeout=0.3).status == "Completed"


def test_no_time_is_one_look(waiting):
    """``timeout=0`` returns a job that has ended, and raises for another, both at once."""
    with waiting("Failed") as job, at_most(2):
        assert job.wait(timeout=0).status == "Failed"
    with (
        waiting("Queued", "Completed") as job,
        at_most(2),
        pytest.raises(JobTimeout, match="is Queued after 0 s"),
    ):
        job.wait(timeout=0)


def test_pauses_between_connections_count(waiting, monkeypatch):
    """A stream that is lost again and again is not waited for longer than the time that is left."""
    monkeypatch.setattr(job_stream, "FIRST_PAUSE_SECONDS", 8.0)
    with (
        waiting("Running", streams="cut") as job,
        at_most(3),
        pytest.raises(JobTimeout, match=r"is Running after 0\.3 s"),
    ):
        job.wait(timeout=0.3)


def test_connecting_counts(waiting):
    """A stream that does not open ends the wait in time."""
    with (
        waiting("Running", open_seconds=20) as job,
        at_most(3),
        pytest.raises(JobTimeout, match=r"is Running after 0\.3 s"),
    ):
        job.wait(timeout=0.3)


def test_a_silent_server_counts(connect, monkeypatch):
    """A server that takes requests and answers none is not waited for as without a time."""
    monkeypatch.setattr(calls, "LAST_LOOK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job = connect(f"http://127.0.0.1:{silent.getsockname()[1]}").job("id")
        with at_most(3), pytest.raises(JobTimeout, match=r"does not tell .* after 0\.3 s"):
            job.wait(timeout=0.3)


def test_nobody_at_the_address_is_said_before_the_time_is_up(connect):
    """Waiting would not help there."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with at_most(5), pytest.raises(Unreachable, match="can't reach a server"):
        connect(f"http://127.0.0.1:{port}").job("id").wait(timeout=30)
