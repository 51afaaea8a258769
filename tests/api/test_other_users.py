"""A server and the other users of its machine, and programs: real users, real processes."""

import json
import os
import socket
from contextlib import contextmanager

import pytest

from api.peers import Peer, can_identify, find_uid
from tests.api.conftest import run_server

OTHER_USER = 4242
IS_ROOT = os.geteuid() == 0
WITH_ANOTHER_USER_ID = f"import os; os.geteuid = lambda: {OTHER_USER}"
"""If the tests can't become another user, the server takes another user id for its own."""

GET = "GET /jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LIVE = GET.replace("/jobs", "/livez")
UPGRADE = GET.replace("/jobs", "/stream/jobs/any").replace(
    "Connection: close",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@contextmanager
def dial(server):
    """A connection of another user: a socket is whose it was made by."""
    if IS_ROOT:
        os.seteuid(OTHER_USER)
    try:
        connection = socket.socket()
    finally:
        if IS_ROOT:
            os.seteuid(0)
    with connection:
        connection.settimeout(30)
        connection.connect(("127.0.0.1", server.port))
        yield connection


def ask(server, request):
    """Send a request as another user; returns the answer."""
    with dial(server) as connection:
        connection.sendall(request.encode())
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A server of this user's, without a token."""
    prepare = "" if IS_ROOT else WITH_ANOTHER_USER_ID
    folder = tmp_path_factory.mktemp("mine")
    with run_server(folder, prepare=prepare, RUNTIME_WORKERS="1") as running:
        yield running


@pytest.mark.parametrize("request_", [GET, UPGRADE], ids=["http", "websocket"])
def test_another_user_of_the_machine_is_refused(mine, request_):
    """Without a token another user gets 403 with the remedy, over HTTP and websocket."""
    answer = ask(mine, request_)

    assert answer.startswith(b"HTTP/1.1 403"), answer
    assert b"RUNTIME_TOKEN" in answer and b"--allow-anonymous" in answer


def test_probe_is_for_everybody(mine):
    """/livez says yes to everybody."""
    assert ask(mine, LIVE).startswith(b"HTTP/1.1 200")


def test_another_user_who_does_not_wait_is_refused(mine):
    """A request whose sender has gone by the time it is read starts nothing."""
    body = json.dumps(mine.make_body("steps"))
    request = GET.replace("GET", "POST").replace(
        "\r\n\r\n",
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}",
    )
    for _ in range(20):
        with dial(mine) as connection:
            connection.sendall(request.encode())
    # It has seen them all, as it takes connections in turn.
    assert ask(mine, LIVE)
    assert list((mine.data / "jobs").iterdir()) == []


def test_everybody_is_served_where_that_is_said(tmp_path):
    """--allow-anonymous lets other users in."""
    with run_server(tmp_path / "s", RUNTIME_ALLOW_ANONYMOUS="true", RUNTIME_WORKERS="1") as running:
        assert ask(running, GET).startswith(b"HTTP/1.1 200")


def test_another_user_with_the_token_is_served(guarded):
    """With a token, it alone counts."""
    request = GET.replace("Connection", "Authorization: Bearer open-sesame\r\nConnection")
    assert ask(guarded, request).startswith(b"HTTP/1.1 200")
    assert ask(guarded, GET).startswith(b"HTTP/1.1 401")


def _connect(listening, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    client = socket.socket(family)
    client.connect((host, listening.getsockname()[1]))
    accepted, peer = listening.accept()
    return client, accepted, peer[:2], accepted.getsockname()[:2]


@pytest.mark.parametrize(
    ("listens", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("::1", "::1"),
        ("::", "127.0.0.1"),
        ("::", "::1"),
    ],
)
def test_the_kernel_tells_whose_a_connection_is(listens, host):
    """Over IPv4, IPv6 and one within the other; and nobody's once its process has closed it."""
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    dual = {"dualstack_ipv6": True} if listens == "::" else {}
    with socket.create_server((listens, 0), family=family, **dual) as listening:
        client, accepted, *ends = _connect(listening, host)
        with client, accepted:
            assert find_uid(*ends) == os.geteuid()
            client.shutdown(socket.SHUT_WR)
            assert find_uid(*ends) == os.geteuid()
            client.close()
            assert find_uid(*ends) is None
            assert not Peer(*ends).is_trusted
            accepted.close()
            assert find_uid(*ends) is None


def test_nobodys_connection_is_not_trusted():
    """Addresses without a connection, or none at all, are no process of this user."""
    assert can_identify()
    assert find_uid(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert find_uid(("no address", 1), ("127.0.0.1", 2)) is None
    for client, server in ((None, None), (("127.0.0.1", 1), ("socket", None))):
        assert not Peer(client, server).is_trusted


SPY = """
import os
from pathlib import Path

def parent(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""

def is_checker(pid):
    return "api.params_worker" in Path(f"/proc/{pid}/cmdline").read_text()

def look_at(pid):
    found = {}
    for name in ("environ", "mem", "maps", "fd/0"):
        try:
            open(f"/proc/{pid}/{name}", "rb").read(1)
            found[name] = "opened"
        except OSError as error:
            found[name] = type(error).__name__
    return found

def main(backend, messenger, name):
    server = parent(os.getppid())
    beside = [pid for pid in os.listdir("/proc") if pid.isdigit() and parent(pid) == server]
    checker, = filter(is_checker, beside)
    command = Path(f"/proc/{server}/cmdline").read_text()
    return [command, look_at(server), look_at(checker)]
"""

CHECKED_APART = {"parameters": {"properties": {"name": {"pattern": "^s"}}}}
"""A schema that the server leaves to a process of its own."""


def test_program_is_shut_out_of_the_servers_process(tmp_path):
    """A program of the same user reads neither environment, memory nor files of the server.

    Nor those of the process that checks all clients' parameters.
    """
    # Root's capabilities would open everything.
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if IS_ROOT else []
    folder = tmp_path / "s"
    with run_server(
        folder, prefix=bare, RUNTIME_WORKERS="1", RUNTIME_TOKEN="open-sesame"
    ) as server:
        spy = folder / "programs" / "spy"
        spy.mkdir()
        metadata = {"name": "spy", "description": "Looks around.", "spec": CHECKED_APART}
        (spy / "spy.json").write_text(json.dumps(metadata))
        (spy / "spy.py").write_text(SPY)
        server.http.headers["X-Access-Token"] = "open-sesame"
        job_id = server.run("spy", params='{"name": "spy"}')
        assert server.wait(job_id)["status"] == "Completed"
        command, *found = json.loads(server.text(job_id, "results"))
    assert "serve(listener" in command
    assert [set(seen.values()) for seen in found] == [{"PermissionError"}] * 2, found
