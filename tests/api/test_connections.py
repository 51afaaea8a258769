"""Requests and connections before authentication, open to anybody: real servers, raw sockets."""

import json
import re
import socket
import time
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from api.serving.http_connection import MAX_HEAD_BYTES, MAX_HEADERS
from api.settings import ApiSettings
from tests.api.conftest import read_to_close, run_server, wait_until

MIB = 1 << 20
REQUEST_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 1
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """A server with a token that waits for nobody long, and has room for 20."""
    settings = {
        "RUNTIME_WORKERS": "1",
        "RUNTIME_TOKEN": "open-sesame",
        "RUNTIME_REQUEST_SECONDS": str(REQUEST_SECONDS),
        "RUNTIME_KEEP_ALIVE_SECONDS": str(KEEP_ALIVE_SECONDS),
        "RUNTIME_MAX_CONNECTIONS": "20",
    }
    with run_server(tmp_path_factory.mktemp("brief"), **settings) as running:
        running.http.headers["X-Access-Token"] = "open-sesame"
        wait_until(lambda: running.http.get("/livez").status_code == 200)
        yield running
    log = running.log.read_text()
    assert "Traceback" not in log and "ERROR" not in log, log


@contextmanager
def dial(server):
    """A raw connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        yield connection


def read_all(connection):
    """Everything until the server's end; a reset is an end as well."""
    received = b""
    try:
        while data := connection.recv(1 << 16):
            received += data
    except ConnectionResetError:
        pass
    return received


def ask(server, request):
    """The status and the body of the answer to a raw request."""
    with dial(server) as connection:
        connection.sendall(request)
        connection.settimeout(30)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


ENDLESS = {
    "url": (b"GET /", b"x", b"414"),
    "query": (b"GET /jobs?", b"tags=x&", b"414"),
    "header value": (GET + b"x: ", b"x", b"431"),
    "header name": (GET, b"x", b"431"),
    "headers": (GET, b"x: y\r\n", b"431"),
    "empty headers": (GET, b"x:\r\n", b"431"),
    "blank lines": (b"", b"\r\n", b""),
    "trailers": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n", b""),
    "trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nx: ", b"y", b""),
    "chunk extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"y", b""),
}
"""What comes without an end: before it, the piece, and how it is answered where it is."""


@pytest.mark.parametrize(("start", "piece", "status"), ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_refused_early(brief, start, piece, status):
    """An endless part of a request is cut within a few hundred KB, and costs no memory."""
    before = brief.resident_bytes()
    with dial(brief) as connection:
        connection.settimeout(30)
        connection.sendall(start)
        sent = 0
        chunk = piece * (32_768 // len(piece))
        try:
            while sent < 64 * MIB:
                sent += connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(connection) if sent < 64 * MIB else b""
        assert brief.http.get("/livez").status_code == 200
    # What the kernel's buffers take is sent too.
    assert sent < 16 * MIB
    assert brief.resident_bytes() - before < 4 * MIB
    # A client that does not read before it is cut off may miss its answer.
    assert not answer or status in answer.split(b"\r\n")[0] or b" 401 " in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET + b"x: " + b"x" * (MAX_HEAD_BYTES - 200) + b"\r\n\r\n", 200),
        (GET + b"x: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (GET + b"x: y\r\n" * (MAX_HEADERS - 1) + b"\r\n", 200),
        (GET + b"x: y\r\n" * MAX_HEADERS + b"\r\n", 431),
        (GET.replace(b"livez", b"livez?" + b"x" * (MAX_HEAD_BYTES - 200)) + b"\r\n", 200),
        (GET.replace(b"livez", b"livez?" + b"x" * MAX_HEAD_BYTES) + b"\r\n", 414),
        (b"NONSENSE\r\n\r\n", 400),
    ],
    ids=["header", "large-header", "headers", "many-headers", "url", "long-url", "nonsense"],
)  # fmt: skip
def test_limit_of_a_head_is_exact_and_said(brief, request_, status):
    """64 KiB and 128 headers are taken, more is 414 or 431 with the limit, as JSON."""
    found, body = ask(brief, request_)

    assert found == status
    if status > 400:
        assert re.search(r"\b(65536|128)\b", json.loads(body)["detail"])


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("X", "x" * 7000, 101),
        ("X", "x" * 9000, 431),
        ("X", "x" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_head_of_a_websocket_is_bounded(brief, name, value, status):
    """The answer to a long websocket handshake names the limit, and leaves no traceback."""
    job_id = brief.run_steps(["final", 1])
    headers = {"X-Access-Token": "open-sesame", name: value}
    if status == 101:
        with brief.listen(job_id, additional_headers=headers) as websocket:
            assert read_to_close(websocket) == (["1"], 1000)
        return
    with pytest.raises(InvalidStatus) as refused:
        brief.listen(job_id, additional_headers=headers)
    assert refused.value.response.status_code == status


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_broken_handshake_is_400(brief, method):
    """A handshake that is none is refused, on a connection that was used before as well."""
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    request = GET.replace(b"GET", method).replace(b"livez", b"stream/jobs/any") + upgrade

    assert ask(brief, request)[0] in (400, 405)
    with dial(brief) as connection:
        connection.sendall(GET + b"\r\n")
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.read() == b"ok"
        connection.sendall(request)
        assert int(connection.recv(100).split()[1]) in (400, 405)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize(
    "body", [b"Content-Length: 1\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
)
def test_handshake_with_a_body_is_400(brief, method, body):
    """The library takes none and says nothing: nobody would end such a connection."""
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    assert ask(brief, GET.replace(b"GET", method) + upgrade + body)[0] == 400


def test_trailers_are_not_headers(brief):
    """Trailers of a chunked body are no headers: a token in them does not count."""
    request = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    late = b"0\r\nX-Access-Token: open-sesame\r\n\r\n"

    assert ask(brief, request + late)[0] == 401


SLOW = {
    "nothing": (b"", b"", b""),
    "blank lines": (b"", b"\r\n", b""),
    "half a head": (GET, b"", b" 408 "),
    "a head in drops": (GET, b"x: y\r\n", b" 408 "),
    "no body": (POST + b"X-Access-Token: open-sesame\r\nContent-Length: 9\r\n\r\n", b"", b" 408 "),
    "a body in drops": (
        POST + b"X-Access-Token: open-sesame\r\nContent-Length: 999\r\n\r\n", b" ", b" 408 ",
    ),
    "a body without a token": (POST + b"Content-Length: 999\r\n\r\n", b" ", b" 401 "),
    "drops after an answer": (GET + b"\r\n", b"\r\n", b" 200 "),
    "a second request": (GET + b"\r\n" + GET, b"x: y\r\n", b" 200 "),
}  # fmt: skip
"""What takes too long: what is sent at once, what follows every tenth of a second, the answer."""


@pytest.mark.parametrize(("start", "drop", "answer"), SLOW.values(), ids=SLOW)
def test_request_that_takes_too_long_is_ended(brief, start, drop, answer):
    """Neither silence nor drops keep a connection beyond its time; half a request is a 408."""
    begun = time.monotonic()
    with dial(brief) as connection:
        connection.sendall(start)
        connection.settimeout(0.1)
        received = b""
        while time.monotonic() - begun < 20:
            try:
                data = connection.recv(1 << 16)
                received += data
                if not data:
                    break
            except TimeoutError:
                connection.send(drop)
            except (ConnectionResetError, BrokenPipeError):
                break
    # The time it may take, and, where it was refused, the time to read that.
    assert REQUEST_SECONDS * 0.9 < time.monotonic() - begun < 10
    assert received.startswith(b"HTTP/1.1" + answer) if answer else not received


def test_slow_body_that_comes_is_in_time(brief):
    """A body may take longer than the time for a request, as long as it comes."""
    body = json.dumps(brief.make_body("nobody")).encode() + b" " * (256 << 10)
    head = b"X-Access-Token: open-sesame\r\nContent-Length: %d\r\n\r\n" % len(body)
    with dial(brief) as connection:
        begun = time.monotonic()
        connection.sendall(POST + head)
        for at in range(0, len(body), 32 << 10):
            connection.sendall(body[at : at + (32 << 10)])
            time.sleep(2.5 * REQUEST_SECONDS * (32 << 10) / len(body))
        assert time.monotonic() - begun > 2 * REQUEST_SECONDS
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_connection_is_used_again_around_its_limit(brief):
    """A connection that rests for less than its time is good; later it is closed, not reset."""
    with dial(brief) as connection:
        for _ in range(3):
            connection.sendall(GET + b"\r\n")
            answer = HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"ok")
            time.sleep(KEEP_ALIVE_SECONDS * 0.4)
        assert connection.recv(1) == b""


def test_connection_rests_longer_than_a_proxy_keeps_it():
    """A proxy closes first: Traefik after 90 s, nginx after 60 s, Google's after 600 s."""
    assert ApiSettings().keep_alive_seconds > 600


def test_attackers_room_is_taken_first(brief):
    """With all places taken by idle connections, each other client is served at once."""
    with ExitStack() as stack:
        idle = [stack.enter_context(dial(brief)) for _ in range(60)]
        for _ in range(3):
            begun = time.monotonic()
            with httpx.Client(base_url=brief.http.base_url, trust_env=False, timeout=30) as client:
                assert client.get("/livez").status_code == 200
            assert time.monotonic() - begun < REQUEST_SECONDS + 5
        idle[0].settimeout(30)
        assert read_all(idle[0]) == b""


def test_websockets_leave_room_for_others(brief, gate):
    """Nine tenths of the places are for websockets: the next one is 503, requests go on."""
    job_id = brief.run_steps(["wait", str(gate)], ["final", 1])
    headers = {"X-Access-Token": "open-sesame"}
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(brief.listen(job_id, additional_headers=headers)) for _ in range(18)
        ]
        with pytest.raises(InvalidStatus) as refused:
            brief.listen(job_id, additional_headers=headers)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        assert (
            httpx.get(f"{brief.http.base_url}/livez", trust_env=False, timeout=30).status_code
            == 200
        )
        gate.touch()
        assert [read_to_close(websocket) for websocket in sockets] == [(["1"], 1000)] * 18


def test_idle_sockets_beyond_the_descriptors_stop_nobody(tmp_path):
    """1,200 idle connections to a server that has 1,024 descriptors: it serves and runs jobs."""
    prepare = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (512, 1024))"
    with (
        run_server(tmp_path / "s", prepare=prepare, RUNTIME_WORKERS="1") as server,
        ExitStack() as stack,
    ):
        for _ in range(1200):
            stack.enter_context(dial(server))
        waits = []
        for _ in range(20):
            begun = time.monotonic()
            assert (
                httpx.get(f"{server.http.base_url}/livez", trust_env=False, timeout=30).status_code
                == 200
            )
            waits.append(time.monotonic() - begun)
        assert server.wait(server.run_steps(["final", 1]))["status"] == "Completed"
        open_files = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    log = server.log.read_text()
    assert max(waits) < 5
    assert open_files < 900
    assert len(log) < 8000 and "Traceback" not in log


def test_log_is_not_the_clients_to_fill(brief):
    """A hundred bad requests are a few lines; refused websockets are no errors."""
    before = len(brief.log.read_text().splitlines())
    for _ in range(100):
        assert ask(brief, b"NONSENSE\r\n\r\n")[0] == 400
    for job_id in ("nobody", "other"):
        with pytest.raises(InvalidStatus):
            brief.listen(job_id)

    assert len(brief.log.read_text().splitlines()) - before <= 12


@pytest.mark.parametrize("path", ["/programs", "/jobs"])
@pytest.mark.parametrize("kind", ["multipart/form-data", "application/json", "x/y"])
def test_long_content_type_holds_nobody_up(brief, path, kind):
    """A Content-Type of 60 KB is looked at in no time, and refused where it would matter."""
    value = f'{kind}; x="' + ";" * 60_000
    begun = time.process_time(), time.monotonic()
    answer = brief.http.post(path, content=b"{}", headers={"Content-Type": value})

    assert answer.status_code in (415, 422)
    assert time.monotonic() - begun[1] < 5


def test_many_long_headers_of_parts_hold_nobody_up():
    """A form's parts have short headers: 32 long ones are refused at the first."""
    from api.multipart import FormInvalid, parse_form

    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\nx\r\n' % (b";" * 4000)
    begun = time.process_time()
    with pytest.raises(FormInvalid, match="header"):
        parse_form("multipart/form-data; boundary=b", part * 32 + b"--b--")
    assert time.process_time() - begun < 0.5
