"""Access to the server: the token on every route, and the pages and names that are let in."""

import json
import re
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus

from api.settings import ApiSettings
from tests.api.conftest import run_server

NO_TOKENS = {
    "none": {},
    "wrong": {"Authorization": "Bearer open-sesam"},
    "longer": {"Authorization": "Bearer open-sesame2"},
    "empty": {"Authorization": ""},
    "bearer-alone": {"Authorization": "Bearer"},
    "bearer-quotes": {"Authorization": 'Bearer ""'},
    "bearer-nothing": {"Authorization": "Bearer nothing"},
    "bare": {"Authorization": "open-sesame"},
    "basic": {"Authorization": "Basic open-sesame"},
    "digest": {"Authorization": "Digest Bearer open-sesame"},
    "empty-access-token": {"X-Access-Token": ""},
    "wrong-access-token": {"X-Access-Token": "Open-Sesame"},
    "cookie": {"Cookie": "token=open-sesame"},
    "not-ascii": {"X-Access-Token": "öpen-sesame"},
}

GOOD_TOKENS = {
    "bearer": {"Authorization": "Bearer open-sesame"},
    "bearer-in-small": {"authorization": "bearer open-sesame"},
    "access-token": {"X-Access-Token": "open-sesame"},
    "access-token-and-basic": {"Authorization": "Basic eDp5", "X-Access-Token": "open-sesame"},
}

OUTSIDE_THE_DOCUMENT = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/", "/nope"]


@pytest.fixture(scope="module")
def stranger(guarded):
    """A client of the guarded server that has no token."""
    with httpx.Client(base_url=guarded.http.base_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def addresses(guarded):
    """Every method and path that the server has: documented, documentation, and its assets."""
    document = guarded.http.get("/openapi.json").json()
    routes = [
        (method.upper(), path.replace("{job_id}", str(uuid4())).replace("{program_id}", "nope"))
        for path, methods in document["paths"].items()
        for method in methods
    ]
    assert len(routes) >= 10
    pages = [guarded.http.get(page).text for page in ("/docs", "/redoc")]
    assets = [asset for page in pages for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page)]
    assert len(assets) >= 3
    return routes + [("GET", path) for path in OUTSIDE_THE_DOCUMENT + assets]


@pytest.mark.parametrize("headers", NO_TOKENS.values(), ids=NO_TOKENS)
def test_every_address_without_the_token_is_401(stranger, addresses, headers):
    """No route, page or asset answers anything but 401, whatever is sent instead of the token."""
    raw = {name: value.encode() for name, value in headers.items()}
    for method, path in addresses:
        answer = stranger.request(method, path, headers=raw)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        body = answer.json()
        # Today's dialect says the same in its own form.
        assert "token" in (body["detail"] if "error" not in body else body["error"]["message"])


@pytest.mark.parametrize("headers", GOOD_TOKENS.values(), ids=GOOD_TOKENS)
def test_every_address_with_the_token_answers(stranger, addresses, headers):
    """The token in either header opens every address: what is refused is not for its lack."""
    for method, path in addresses:
        answer = stranger.request(method, path, headers=headers)
        assert answer.status_code not in (401, 403, 421), (method, path)
        assert answer.status_code < 500, (method, path)


@pytest.mark.parametrize("headers", NO_TOKENS.values(), ids=NO_TOKENS)
def test_websocket_without_the_token_is_401(guarded, known, headers):
    """The websocket is refused before its handshake, for jobs that exist and those that do not."""
    raw = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    for job_id in (known, str(uuid4())):
        with pytest.raises(InvalidStatus) as refused:
            guarded.listen(job_id, additional_headers=raw)
        assert refused.value.response.status_code == 401


@pytest.fixture(scope="module")
def known(guarded):
    """A job of the guarded server."""
    return guarded.run_steps(["final", 1])


@pytest.mark.parametrize("headers", GOOD_TOKENS.values(), ids=GOOD_TOKENS)
def test_websocket_with_the_token_streams(guarded, known, headers):
    """The token in either header opens the websocket."""
    with guarded.listen(known, additional_headers=headers) as websocket:
        assert websocket.recv(timeout=20) == "1"


def test_token_is_in_no_answer_and_in_no_log(guarded, stranger):
    """A token that was sent, right or wrong, is never repeated."""
    answer = stranger.get("/jobs", headers={"Authorization": "Bearer a-wrong-token"})
    stranger.get("/jobs", headers={"Authorization": "Bearer open-sesame"})

    assert "a-wrong-token" not in answer.text + str(answer.headers)
    log = guarded.log.read_text()
    assert "open-sesame" not in log and "a-wrong-token" not in log


def test_program_does_not_see_the_token(guarded):
    """The server's settings are not in the environment of a program, nor in its parents'."""
    folder = guarded.data.parent / "programs" / "spy"
    folder.mkdir()
    (folder / "spy.json").write_text('{"name": "spy", "description": "Looks around."}')
    (folder / "spy.py").write_text(
        "import os\n\ndef main(backend, messenger):\n    return dict(os.environ)\n"
    )
    job_id = guarded.run("spy")

    assert guarded.wait(job_id)["status"] == "Completed"
    environment = json.loads(guarded.text(job_id, "results"))
    assert environment
    assert "open-sesame" not in environment.values()


@pytest.mark.parametrize(
    "token",
    [
        *("x", "sevenof", " ", "open sesame", " open-sesame", "open-sesame\n", "open\tsesame"),
        *("a" * 1025, "grüß-gott", "open-sesame\x7f", "open\x00sesame"),
    ],
)
def test_token_that_nobody_could_present_or_all_could_guess_is_refused(token):
    """A token has 8 to 1,024 visible ASCII characters, and the refusal does not repeat it."""
    with pytest.raises(ValidationError) as refused:
        ApiSettings(token=token)

    assert "8 to 1024 characters" in str(refused.value)
    assert len(token) < 7 or token not in str(refused.value)


@pytest.mark.parametrize("token", ["", "open-sesame", "!~!~!~!~", "a" * 1024])
def test_token_that_a_header_can_carry_is_taken(token):
    """No token, and one of any visible characters, are taken as they are."""
    assert ApiSettings(token=token).token.get_secret_value() == token


ORIGINS_LET_IN = [
    "http://localhost:{port}",
    "http://127.0.0.1:{port}",
    "http://[::1]:{port}",
    "http://LOCALHOST:{port}",
]

ORIGINS_REFUSED = [
    "http://evil.example",
    "http://evil.example:{port}",
    "http://localhost",
    "http://localhost:1",
    "https://localhost",
    "http://localhost.evil.example:{port}",
    "http://127.0.0.1.evil.example:{port}",
    "http://127.0.0.2:{port}",
    "null",
    "",
    "file://",
    "chrome-extension://abcdef",
    "http://[:{port}",
    "http://localhost:99999",
]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("origin", ORIGINS_LET_IN)
def test_page_of_this_machine_is_let_in(server, origin, host):
    """localhost, 127.0.0.1 and [::1] are one origin, for HTTP and for the websocket."""
    headers = {"Origin": origin.format(port=server.port), "Host": f"{host}:{server.port}"}

    assert server.http.get("/backends", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", ORIGINS_REFUSED)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/docs"), ("OPTIONS", "/jobs")],
)
def test_page_of_another_origin_is_403(server, origin, method, path):
    """A page from anywhere else gets nothing, and can start nothing."""
    origin = origin.format(port=server.port)
    answer = server.http.request(method, path, headers={"Origin": origin})

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ORIGINS_LET_IN)
def test_websocket_of_a_page_of_this_machine_opens(server, finished, origin):
    """A page at localhost may open the socket at 127.0.0.1."""
    with server.listen(finished, origin=origin.format(port=server.port)) as websocket:
        assert websocket.recv(timeout=20) == "1"


@pytest.mark.parametrize("origin", ORIGINS_REFUSED)
def test_websocket_of_a_page_of_another_origin_is_403(server, finished, origin):
    """Browsers let any page open any websocket: the server has to refuse it."""
    headers = {"Origin": origin.format(port=server.port)}
    with pytest.raises(InvalidStatus) as refused:
        server.listen(finished, additional_headers=headers)

    assert refused.value.response.status_code == 403


@pytest.fixture(scope="module")
def finished(server):
    """An ended job with one message."""
    job_id = server.run_steps(["final", 1])
    server.wait(job_id)
    return job_id


HOSTS_REFUSED = [
    *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.2", "0.0.0.0"),
    *("localhost.", "", ":8000", "[::2]", "[::1", "localhost:port", "localhost@evil.example"),
]


@pytest.mark.parametrize("host", HOSTS_REFUSED)
def test_name_that_is_not_this_machines_is_421(server, finished, host):
    """A name that another site points here (DNS rebinding) is not served."""
    answer = server.http.get("/jobs", headers={"Host": host})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["detail"]

    stream = server.http.get(f"/stream/jobs/{finished}", headers={"Host": host})
    assert stream.status_code == 421


def test_host_that_was_allowed_is_served(tmp_path):
    """RUNTIME_ALLOWED_HOSTS adds names, and their pages, and nothing else."""
    with run_server(tmp_path / "server", RUNTIME_ALLOWED_HOSTS="Runtime.Example,other") as running:
        host = f"runtime.example:{running.port}"
        good = {"Host": host, "Origin": f"http://{host}"}
        assert running.http.get("/backends", headers=good).status_code == 200
        foreign = {"Host": host, "Origin": f"http://localhost:{running.port}"}
        assert running.http.get("/backends", headers=foreign).status_code == 403
        assert running.http.get("/backends", headers={"Host": "third"}).status_code == 421
