"""Bad input, by mistake or on purpose: refused by name, and never a server error."""

import json
import socket
from uuid import uuid4

import pytest

from api.bodies import MAX_BODY_BYTES
from api.strict_json import MAX_BODY_DEPTH
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MAX_PARAMS_DEPTH
from tests.api.conftest import Server, wait_until

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _starts_nothing(server):
    """A request that is refused here makes no job."""
    wait_until(lambda: _total(server, pending=True) == 0)
    before = _total(server, pending=False)
    yield
    assert _total(server, pending=True) == 0
    assert _total(server, pending=False) == before


def _total(server: Server, *, pending: bool) -> int:
    return server.http.get("/jobs", params={"pending": pending, "limit": 0}).json()["total"]


def _body(**fields):
    return Server.make_body("steps") | fields


@pytest.mark.parametrize("field", ["programId", "hub", "group", "project", "backend", "params"])
def test_missing_field_is_422_that_names_it(server, field):
    """All six fields of 2021 are required."""
    body = _body()
    del body[field]
    answer = server.http.post("/jobs", json=body)

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert (error["loc"], error["type"]) == (["body", field], "missing")
    assert set(error) == {"loc", "msg", "type"}


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        *((name, 7, "") for name in ("programId", "hub", "group", "project", "backend", "params")),
        *(
            (name, None, "")
            for name in ("programId", "hub", "group", "project", "backend", "params")
        ),
        *((name, "x" * 129, "128") for name in ("programId", "hub", "group", "project", "backend")),
        ("programId", "", "1"),
        ("params", {}, ""),
        ("params", {"iterations": 3}, ""),
        ("params", "{}", ""),
        ("tags", "x", ""),
        ("tags", ["x"] * 33, "32"),
    ],
)
def test_wrong_field_is_422_that_names_it_and_its_limit(server, field, value, limit):
    """A field of a wrong type or size is named in ``loc``, and its limit in ``msg``."""
    answer = server.http.post("/jobs", json=_body(**{field: value}))

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == ["body", field]
    assert limit in error["msg"]


@pytest.mark.parametrize("value", [7, None, {}, ["{}"]])
def test_params_that_hold_no_text_are_422(server, value):
    """An entry of params is a text; its place is in ``loc``."""
    answer = server.http.post("/jobs", json=_body(params=[value]))

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "params", 0]


@pytest.mark.parametrize(
    "field", ["programId", "hub", "group", "project", "backend", "params", "tags"]
)
def test_lone_surrogate_is_422_that_names_the_field(server, field):
    """Half a character is no text: nothing could store it or send it back."""
    value = '["\\ud800"]' if field in ("params", "tags") else '"\\ud800"'
    body = json.dumps(_body(**{field: "HERE"})).replace('"HERE"', value)
    answer = server.http.post("/jobs", content=body, headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", field]


@pytest.mark.parametrize(
    "params",
    ["[1,2]", "null", "3", '"text"', "true", "NaN", "[]"],
)
def test_params_that_are_not_an_object_are_422(server, params):
    """Only the JSON text of an object can be keyword arguments."""
    answer = server.post(params=params)

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == ["body", "params", 0]
    assert "params[0]" in error["msg"] and "object" in error["msg"]


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("{} {}", "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
        ('{"a": 1,}', "not valid JSON"),
        ("\ufeff{}", "not valid JSON"),
        ('{"a": "\n"}', "not valid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"a": 1, "a": 2}', "'a'"),
        ('{"x": [{"b": 1, "b": 1}]}', "'b'"),
        ('{"\\ud800": 1, "\\ud800": 2}', "twice"),
        ('{"a": ' + "[" * MAX_PARAMS_DEPTH + "]" * MAX_PARAMS_DEPTH + "}", str(MAX_PARAMS_DEPTH)),
        ('{"a":' * 5000 + "1" + "}" * 5000, str(MAX_PARAMS_DEPTH)),
        ('{"a": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}", "lists and objects"),
        ('{"a": ' + "[" * 1_000_000, ""),
    ],
    ids=[
        *("empty", "open", "two", "quotes", "comma", "bom", "newline", "digits"),
        *("twice", "twice-within", "twice-surrogate", "deep", "deep-objects", "bomb", "open-bomb"),
    ],
)
def test_params_that_no_program_could_read_are_422(server, params, says):
    """Broken, ambiguous or bottomless JSON in params is refused with the reason."""
    answer = server.post(params=params)

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == ["body", "params", 0]
    assert error["msg"].startswith("params[0]: ")
    assert says in error["msg"]
    assert len(answer.content) < 1000


def test_params_over_eight_mebibytes_are_413(server):
    """A single byte over the limit is refused; the answer names field, size and limit."""
    size = MAX_PARAMS_BYTES + 1
    answer = server.post(params="{}" + " " * (size - 2))

    assert answer.status_code == 413
    detail = answer.json()["detail"]
    assert detail.startswith("params") and str(size) in detail and str(MAX_PARAMS_BYTES) in detail
    assert MAX_PARAMS_BYTES == 8 * 2**20


def test_params_limit_counts_bytes_not_characters(server):
    """Four million characters of two bytes each are over 8 MiB."""
    answer = server.post(params='{"a": "' + "é" * (MAX_PARAMS_BYTES // 2) + '"}')

    assert answer.status_code == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_body_over_the_limit_is_413(server, chunked):
    """A body over the limit is refused, whether or not it says its length beforehand."""
    content = b" " * (MAX_BODY_BYTES + 1)
    pieces = (content[at : at + 65536] for at in range(0, len(content), 65536))
    answer = server.http.post("/jobs", content=pieces if chunked else content, headers=JSON)

    assert answer.status_code == 413
    assert str(MAX_BODY_BYTES) in answer.json()["detail"]
    assert ("content-length" in answer.request.headers) != chunked


def test_endless_upload_is_ended(server):
    """A chunked upload that never ends is answered with 413, and its connection closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        client.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 4 * MAX_BODY_BYTES:
                client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 413")
    assert server.http.get("/backends").status_code == 200


def test_upload_that_breaks_off_makes_no_job(server):
    """The beginning of a request is not taken for the whole, even if it is JSON."""
    body = json.dumps(_body()).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        head = f"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 10}\r\n"
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    # The check that no job was made is this module's fixture; this lets the server see the end.
    for _ in range(5):
        assert server.http.get("/backends").status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"\xff\xfe\xfd",
        b'{"programId": "\xff"}',
        b'{"programId": "steps", "programId": "steps"}',
        b'{"programId": "\x00"}',
        b"[" * 1_000_000,
        b"[" * (MAX_BODY_DEPTH + 1) + b"]" * (MAX_BODY_DEPTH + 1),
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"1" * 100_000,
        b"null",
        b"[]",
        b'"text"',
        b"NaN",
        b"1e999",
    ],
    ids=lambda content: str(content[:12]),
)
def test_body_that_is_no_good_json_is_422(server, content):
    """A body that is not the JSON of an object, safe to read, is refused in the form of a 422."""
    answer = server.http.post("/jobs", content=content, headers=JSON)

    assert answer.status_code == 422
    for error in answer.json()["detail"]:
        assert set(error) == {"loc", "msg", "type"}
        assert error["loc"][0] == "body"
    assert len(answer.content) < 2000


def test_depth_of_a_body_names_the_limit(server):
    """The answer to a body that is nested too deeply has the limit."""
    depth = MAX_BODY_DEPTH + 1
    answer = server.http.post("/jobs", content=b"[" * depth + b"]" * depth, headers=JSON)

    assert f"{MAX_BODY_DEPTH} levels" in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("application/jsonp", "text/json", "application/problem+json", "*/*", "json", ""),
    ],
)
def test_body_of_another_type_is_415(server, kind):
    """Only application/json is taken: the types that a foreign page can send are not."""
    content = json.dumps(_body())
    answer = server.http.post("/jobs", content=content, headers={"Content-Type": kind})

    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_body_without_a_type_is_415(server):
    """A missing type is another type."""
    request = server.http.build_request("POST", "/jobs", content=json.dumps(_body()))
    request.headers.pop("content-type", None)

    assert server.http.send(request).status_code == 415


@pytest.mark.parametrize(
    "program", ["nope", "../steps", "steps/../steps", "steps\x00", "\u017fteps", " steps", "%2e%2e"]
)
def test_unknown_program_is_404(server, program):
    """A program that is not there is 404 with JSON; 2021 answered 500."""
    answer = server.post(program)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Program not found"})


@pytest.mark.parametrize(
    "backend", ["nope", "String", "AER_SIMULATOR", " ", "string ", "../x", "\x00", "ä" * 128]
)
def test_unknown_backend_is_404_that_names_the_field(server, backend):
    """A backend that is not there is 404, and the answer says which field and where to look."""
    answer = server.post(backend=backend)

    assert answer.status_code == 404
    named = f"backend: no backend is named '{backend}'; GET /backends lists them"
    assert answer.json() == {"detail": named}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(
            (f"{name}={value}", name)
            for name in ("limit", "offset")
            for value in ("-1", "x", "1.5", "")
        ),
        *((f"{name}={10**30}", name) for name in ("limit", "offset")),
        *((f"{name}={'9' * 5000}", name) for name in ("limit", "offset")),
        *((f"pending={value}", "pending") for value in ("maybe", "2", "")),
    ],
)
def test_wrong_query_is_422_that_names_the_field(server, query, field):
    """A number that is none, negative or beyond any list is refused, and so is half a boolean."""
    answer = server.http.get(f"/jobs?{query}")

    assert answer.status_code == 422
    [error] = answer.json()["detail"]
    assert error["loc"] == ["query", field]


def test_limits_of_a_page_are_said(server):
    """The answer to a negative limit has the smallest, to a huge one the largest."""
    messages = [
        server.http.get("/jobs", params={"limit": limit}).json()["detail"][0]["msg"]
        for limit in (-1, 10**30)
    ]
    assert "greater than or equal to 0" in messages[0]
    assert str(2**31 - 1) in messages[1]


@pytest.mark.parametrize(
    "query",
    ["hub=%00", "hub=%ff%fe", "tags=" + "x" * 5000, "program=../..", "project=%F0%9F%98%80"],
)
def test_odd_filters_match_nothing(server, query):
    """A filter is only compared: whatever it is, the answer is an empty page."""
    answer = server.http.get(f"/jobs?{query}")

    assert answer.status_code == 200
    assert answer.json() == {"jobs": [], "count": 0, "total": 0}


HOSTILE_IDS = [
    *(
        b"..",
        b"../",
        b"../../etc/passwd",
        b"..%2f..%2fetc%2fpasswd",
        b"%2e%2e",
        b"%2e%2e%2f",
        b"%2F",
    ),
    *(
        b"..%5c",
        b"%00",
        b"a%00b",
        b"x" * 300,
        b"x" * 3000,
        b"%C3%A9",
        b"%ff",
        b"%f0%9f%98%80",
        b"%zz",
        b"%",
    ),
    *(b"*", b"'", b"a%0d%0aSet-Cookie:x", b"job.json", b"$(id)", b"{}", b"a;b", b"a%3Fb%23c"),
]


@pytest.mark.parametrize("job_id", HOSTILE_IDS, ids=lambda text: text[:24].decode())
def test_hostile_id_is_404(server, job_id):
    """No id that we did not make leads anywhere, however it is spelled, on any route."""
    routes = [
        *(b"GET /jobs/%s", b"GET /jobs/%s/logs", b"GET /jobs/%s/results", b"DELETE /jobs/%s"),
        *(b"POST /jobs/%s/cancel", b"GET /programs/%s", b"GET /stream/jobs/%s"),
    ]
    for route in routes:
        status, head, body = _request(server, route % job_id)
        if status == 307:
            # A slash at the end, as 2021's FastAPI: to the same address without it.
            assert b"\nlocation: http://localhost/" in head
            continue
        # Decoded slashes and dots make other paths, which have no route or not this method.
        assert status in (404, 405), route
        assert set(json.loads(body)) == {"detail"}


@pytest.mark.parametrize(
    "line", [b"GET /jobs/\xff", b"GET /jobs/\x00", b"GET /jobs/ x", b"\x00\xff", b"GET"]
)
def test_request_that_is_no_http_is_400(server, line):
    """A request line that can't be read is 400, and the server goes on."""
    status, *_ = _request(server, line)

    assert status in (400, 404)
    assert server.http.get("/backends").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE"])
def test_method_that_is_not_there_is_405(server, method):
    """Other methods are refused; where a body may be it has the form of all errors."""
    answer = server.http.request(method, "/jobs")

    assert answer.status_code == 405
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed"}


def test_unknown_path_is_404_json(server):
    """An unknown path is answered in the form of all errors."""
    answer = server.http.get(f"/{uuid4()}")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def _request(server: Server, line: bytes) -> tuple[int, bytes, bytes]:
    """Send a request line as it is: clients would mend it. Returns status, headers and body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body
