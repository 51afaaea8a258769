"""A job's stream over connections that break, refusals in a sentence; of both clients."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.sync.server import serve

from api.cli.job_commands import fail
from qiskit_runtime.client import (
    Console,
    ConsoleTruncated,
    Gap,
    Message,
    ProgressEvent,
    Reconnecting,
    Refused,
    Unreachable,
    Waiting,
    job_stream,
)
from qiskit_runtime.client.address import Address
from qiskit_runtime.client.errors import explain_refusal

DROP = "drop"
"""In a script: cut the connection without a word."""


def message(number, *, final=False):
    """A message's frame."""
    frame = {"type": "message", "number": number, "final": final, "text": str(number)}
    return json.dumps(frame)


def console(line):
    """A console line's frame."""
    return json.dumps({"type": "console", "line": line, "text": f"line {line}", "newline": True})


class FakeServer:
    """Plays a script for each connection: frames, pauses, then DROP, a code or an HTTP status."""

    def __init__(self, scripts):
        self.scripts = list(scripts)
        self.paths = []
        self.detail = "Job not found"

    def refuse(self, connection, request):
        """Answer with an HTTP status where the script says so."""
        self.paths.append(request.path)
        script = self.scripts[0]
        if not isinstance(script, HTTPStatus):
            return None
        self.next_script()
        return connection.respond(script, json.dumps({"detail": self.detail}))

    def play(self, connection):
        """Send the script's frames and end as it says."""
        *frames, end = self.next_script()
        for frame in frames:
            if isinstance(frame, float):
                time.sleep(frame)
            else:
                connection.send(frame)
        if end == DROP:
            connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            connection.close(end)

    def next_script(self):
        """The last script is played for ever."""
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    @property
    def afters(self):
        """The ?after= of each connection."""
        return [int(parse_qs(urlsplit(path).query)["after"][0]) for path in self.paths]


@pytest.fixture
def playing(connect):
    """A fake server, by its scripts, and a client of it."""

    @contextmanager
    def playing(*scripts):
        fake = FakeServer(scripts)
        with serve(fake.play, "127.0.0.1", 0, process_request=fake.refuse) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                port = server.socket.getsockname()[1]
                yield fake, connect(f"http://127.0.0.1:{port}")
            finally:
                server.shutdown()
                thread.join()

    return playing


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    monkeypatch.setattr(job_stream, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(job_stream, "TRIES", 3)


def follow(client, after=0):
    """The frames of the stream, without what only says that it waits."""
    events = client.job("id").follow(after)
    return [event for event in events if not isinstance(event, Waiting)]


def numbers(events):
    """The numbers of the messages, and the lines of the console, in order."""
    pairs = [("m", e.number) if isinstance(e, Message) else ("c", e.line) for e in events
             if isinstance(e, Message | Console)]  # fmt: skip
    return "".join(f"{kind}{number} " for kind, number in pairs).strip()


def test_a_whole_stream_is_read_to_its_end(playing):
    """Frames of every kind arrive as what they are, and 1000 ends the stream."""
    gap, cut = json.dumps({"type": "gap", "first": 2, "count": 3}), json.dumps({"type": "cut"})
    with playing([console(1), message(1), gap, cut, message(5, final=True), 1000]) as (_, client):
        assert follow(client) == [
            Console(1, b"line 1", newline=True),
            Message(0, 1, "1", final=False),
            Gap(0, 2, 3),
            ConsoleTruncated(0),
            Message(0, 5, "5", final=True),
        ]


def test_a_dropped_connection_goes_on_after_the_last_message(playing):
    """After a drop the client asks for what follows the last message that it has seen."""
    scripts = [[message(1), message(2), DROP], [message(3), DROP], [message(4, final=True), 1000]]
    with playing(*scripts) as (fake, client):
        events = follow(client)
    assert numbers(events) == "m1 m2 m3 m4"
    assert fake.afters == [0, 2, 3]
    assert sum(isinstance(event, Reconnecting) for event in events) == 2


def test_repeated_frames_are_shown_once(playing):
    """Console lines and messages that the server repeats after a reconnect are dropped."""
    first = [message(1), console(2), console(3), DROP]
    second = [message(1), console(2), console(3), console(4), message(2, final=True), 1000]
    with playing(first, second) as (_, client):
        assert numbers(follow(client)) == "m1 c2 c3 c4 m2"


def test_a_restarted_server_is_asked_again(playing):
    """Close codes other than 1000, and 503 meanwhile, are reasons to come again."""
    scripts = [[message(1), 1012], HTTPStatus.SERVICE_UNAVAILABLE, [message(2, final=True), 1000]]
    with playing(*scripts) as (fake, client):
        assert numbers(follow(client)) == "m1 m2"
    assert fake.afters == [0, 1, 1]


def test_a_failing_server_s_words_are_passed_on(playing):
    """A watcher is told why the server does not serve the stream at the moment."""
    scripts = [[message(1), 1012], HTTPStatus.SERVICE_UNAVAILABLE, [message(2, final=True), 1000]]
    with playing(*scripts) as (fake, client):
        fake.detail = "no Kubernetes"
        reasons = [event.why for event in follow(client) if isinstance(event, Reconnecting)]
    assert reasons[1:] == ["the server answered 503: no Kubernetes"]


def test_a_repeated_gap_and_cut_are_shown_once(playing):
    """A gap counts as its messages, and the console is cut only once."""
    gap, cut = json.dumps({"type": "gap", "first": 2, "count": 3}), json.dumps({"type": "cut"})
    with playing([gap, cut, DROP], [gap, cut, message(5, final=True), 1000]) as (fake, client):
        events = [event for event in follow(client) if not isinstance(event, Reconnecting)]
    assert events == [Gap(0, 2, 3), ConsoleTruncated(0), Message(0, 5, "5", final=True)]
    assert fake.afters == [0, 4]


def test_a_stream_that_never_comes_back_is_given_up(playing):
    """After the last try the error says how to go on, and it is 'no server'."""
    with (
        playing([message(1), DROP], [DROP]) as (fake, client),
        pytest.raises(Unreachable, match=r"stream\(after=1\)") as lost,
    ):
        follow(client)
    assert "qiskit-runtime stream id" in fail(lost.value).message
    assert fail(lost.value).exit_code == 4
    assert len(fake.paths) == 4


def test_progress_starts_the_tries_over(playing):
    """A stream that breaks again and again, but brings something each time, is read to its end."""
    scripts = [[message(number), DROP] for number in range(1, 10)]
    with playing(*scripts, [message(10, final=True), 1000]) as (_, client):
        assert numbers(follow(client)).endswith("m9 m10")


def test_a_silent_stream_may_be_cut_any_number_of_times(playing):
    """A long job without news is waited for: each connection that held starts the tries over."""
    scripts = [[0.3, DROP]] * 8
    with playing(*scripts, [message(1, final=True), 1000]) as (fake, client):
        assert numbers(follow(client)) == "m1"
    assert len(fake.paths) == 9


def test_a_refused_stream_is_not_tried_again(playing):
    """A 404 is an answer: the server's words, and no second try."""
    with playing(HTTPStatus.NOT_FOUND) as (fake, client):
        with pytest.raises(Refused, match="Job not found"):
            follow(client)
        assert len(fake.paths) == 1


def test_a_frame_of_a_later_server_is_ignored(playing):
    """A kind of frame that this client does not know is no error."""
    with playing(['{"type": "later"}', message(1, final=True), 1000]) as (_, client):
        assert numbers(follow(client)) == "m1"


def test_a_silent_stream_says_that_it_waits(playing):
    """Without frames the reader hears that time passes, so that it can show it."""
    with playing([0.5, message(1, final=True), 1000]) as (_, client):
        first, *_, last = client.job("id").follow()
    assert (first, last) == (Waiting(), Message(0, 1, "1", final=True))


def test_a_refusal_names_the_field():
    """A 422 says which field and why; a 401 says where a token goes."""
    detail = [{"loc": ["body", "tags", 0], "msg": "too long", "type": "string_too_long"}]
    assert str(explain_refusal(422, json.dumps({"detail": detail}))) == "tags.0: too long (422)"
    assert "RUNTIME_TOKEN" in str(explain_refusal(401, json.dumps({"detail": "a token is needed"})))
    assert str(explain_refusal(400, "plain")) == "plain (400)"


@pytest.mark.parametrize(("code", "status"), [(4404, 404), (4410, 410)])
def test_a_deleted_or_forgotten_record_ends_the_stream(playing, code, status):
    """After these close codes another connection would get no further: they are refusals."""
    with playing([message(1), code]) as (fake, client), pytest.raises(Refused) as refused:
        follow(client)
    assert refused.value.status == status
    assert len(fake.paths) == 1


def test_repeated_progress_is_shown_once(playing):
    """Reports since the last message come again after a reconnect, and are dropped."""
    reports = [json.dumps({"type": "progress", "done": done, "total": 9}) for done in range(5)]
    first = [reports[0], message(1), *reports[1:3], DROP]
    second = [*reports[1:4], message(2), reports[4], 1000]
    with playing(first, second) as (_, client):
        events = [event for event in follow(client) if isinstance(event, ProgressEvent)]
    assert [event.progress.done for event in events] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "token", ["secret-token-1\n", " secret-token-1", "secret\ttoken", "schlüssel"]
)
def test_a_token_that_no_header_takes_is_refused_and_not_repeated(token):
    """A newline from a file is the usual slip, and a token does not belong into an error."""
    with pytest.raises(ValueError, match="visible ASCII") as refused:
        Address.find("http://127.0.0.1:1", token)
    assert token.strip() not in str(refused.value)


def test_a_redirect_is_no_success(connect):
    """A server that sends elsewhere has not cancelled anything: the error names the address."""

    class Redirects(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(308)
            self.send_header("Location", "https://elsewhere/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Redirects) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            client = connect(f"http://127.0.0.1:{server.server_port}")
            with pytest.raises(Unreachable, match="redirects to https://elsewhere/"):
                client.job("id").cancel()
        finally:
            server.shutdown()
            thread.join()
