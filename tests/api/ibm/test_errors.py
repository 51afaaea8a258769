"""Errors in today's dialect: one form for all, those of no route too, and never the user's 5xx."""

import json

import httpx
import pytest
from fastapi import FastAPI

from api.routes.ibm.errors import ErrorForm
from qiskit_runtime.contract.limits import (
    MAX_PARAMS_DEPTH,
    MAX_QPY_VERSION,
    MAX_SAMPLEX_VERSION,
)

JOBS = "/api/v1/jobs"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def api(server):
    """The common server."""
    return server.http


@pytest.fixture
def guarded_api(guarded):
    """A server that asks for a token, and a client without one."""
    with httpx.Client(base_url=guarded.http.base_url, trust_env=False, timeout=30) as client:
        yield client


def check(answer: httpx.Response, status: int, says: str = "", code: int | None = None) -> str:
    """See that an answer is an error of this status in the dialect's form; returns its message."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "errors", "trace"}
    assert body["error"]["code"] == body["errors"][0]["code"] == (code or status)
    assert set(body["errors"][0]) == {"code", "message", "solution", "more_info"}
    assert answer.headers["uber-trace-id"].startswith(body["trace"])
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert says in body["error"]["message"]
    return str(body["error"]["message"])


@pytest.mark.parametrize("prefix", ["/api/v1", "/experimental"])
def test_what_no_route_answers_has_the_form(api, prefix):
    """Unknown paths and methods, bodies that are none, and types that are not taken."""
    check(api.get(f"{prefix}/nothing"), 404, "Not Found")
    check(api.get(prefix), 404)
    check(api.put(f"{prefix}/jobs"), 405, "Method Not Allowed")
    check(api.post(f"{prefix}/jobs", content=b"{}", headers={"content-type": "text/plain"}), 415)
    check(api.post(f"{prefix}/jobs", content=b"{", headers=JSON), 400, "body")
    check(api.post(f"{prefix}/jobs", content=b"\xff", headers=JSON), 400, "body")


def test_a_refused_token_has_the_form(guarded_api):
    """401 says that a token is needed, wherever it is."""
    for path in ("/api/v1/jobs", "/experimental/nothing", "/api/v1/instances/usage"):
        check(guarded_api.get(path), 401, "token")
        wrong = {"Authorization": "Bearer wrong-token"}
        answer = guarded_api.get(path, headers=wrong)
        check(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_another_host_or_origin_has_the_form(api):
    """421 and 403 come from no route either."""
    check(api.get(JOBS, headers={"host": "evil.example"}), 421, "evil.example")
    check(api.get(JOBS, headers={"origin": "http://evil.example"}), 403, "evil.example")


def test_other_paths_keep_their_form(api):
    """The 2021 dialect's errors are as they were."""
    answer = api.get("/jobs/nobodys")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Job not found"})
    assert "uber-trace-id" not in answer.headers
    assert api.get("/experimentally").json() == {"detail": "Not Found"}


def test_a_job_that_is_not_there_has_ibms_code(api):
    """1291, under every path of a job."""
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/results", None),
        ("GET", "/logs", None),
        ("GET", "/metrics", None),
        ("POST", "/cancel", None),
        ("PUT", "/tags", {"tags": []}),
    ):
        answer = api.request(method, f"{JOBS}/nobodys{path}", json=body)
        check(answer, 404, "Job not found", 1291)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "program_id"),
        ({"program_id": ""}, "program_id"),
        ({"program_id": 1}, "program_id"),
        ({"program_id": "x" * 129}, "program_id"),
        ({"program_id": "hello-quantum", "params": [1]}, "params"),
        ({"program_id": "hello-quantum", "params": 1}, "params"),
        ({"program_id": "hello-quantum", "params": None}, "params"),
        ({"program_id": "hello-quantum", "params": "{}"}, "params"),
        ({"program_id": "hello-quantum", "tags": "a"}, "tags"),
        ({"program_id": "hello-quantum", "tags": [1]}, "tags[0]"),
        ({"program_id": "hello-quantum", "tags": ["a"] * 33}, "tags"),
        ({"program_id": "hello-quantum", "cost": "60"}, "cost"),
        ({"program_id": "hello-quantum", "cost": 0}, "cost"),
        ({"program_id": "hello-quantum", "private": "yes"}, "private"),
        ({"program_id": "hello-quantum", "log_level": "LOUD"}, "log_level"),
        ({"program_id": "hello-quantum", "backend": 7}, "backend"),
        ({"program_id": "hello-quantum", "calibration_id": "first"}, "calibration_id"),
        ({"program_id": "hello-quantum", "backend": "nobodys"}, "backend"),
        ({"program_id": "hello-quantum", "session_id": "x" * 64}, "session_id"),
        ({"program_id": "sampler", "params": {"pubs": [], "optoins": {}}}, "params"),
        ({"program_id": "sampler", "params": {"pubs": 1, "version": 2}}, "params.pubs"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(api, body, names):
    """Whatever is wrong with a request, the answer is 400 and says where."""
    assert check(api.post(JOBS, json=body), 400).startswith(names)


def test_a_program_that_is_not_there_is_404(api):
    """The official client makes RuntimeProgramNotFound of it."""
    check(api.post(JOBS, json={"program_id": "nobodys"}), 404, "Program not found")


def test_a_list_that_can_not_be_read_is_refused_by_name(api):
    """Each query's error names it."""
    for name, value in (
        ("limit", "-1"),
        ("offset", "x"),
        ("pending", "maybe"),
        ("created_after", "yesterday"),
        ("sort", "UP"),
    ):
        assert check(api.get(JOBS, params={name: value}), 400).startswith(name)


def test_parameters_stay_the_text_that_was_sent(api):
    """Spaces, escapes, large numbers and the order of keys are those of the client."""
    text = '{ "b":1.0e0 , "a":"\\u00e9\\ud83d" ,"n":123456789012345678901234567890}'
    body = f'{{"tags":["a","params"], "params" :  {text}\n, "program_id":"hello-quantum"}}'
    answer = api.post(JOBS, content=body.encode(), headers=JSON)
    # Half a surrogate pair may be in a text of JSON, and programs decide about it.
    assert answer.status_code == 200, answer.text
    assert f'"params":{text}' in api.get(f"{JOBS}/{answer.json()['id']}").text


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ("[" * 10_000 + "]" * 10_000, "deep"),
        ('{"a":' * 5000 + "1" + "}" * 5000, f"deeper than {MAX_PARAMS_DEPTH}"),
        ('{"a": 1, "a": 2}', "twice"),
        ("{a: 1}", "not valid JSON"),
        ('{"a": }', "not valid JSON"),
        ('{"a": "\x00"}', "not valid JSON"),
        ("[{}]", "object"),
        ('{"a": [}]', "not valid JSON"),
        ('{"a": "', "not valid JSON"),
        ("[[],".ljust(2_000_000, "[") + "]", "lists and objects"),
    ],
    ids=[
        "deep-list",
        "deep",
        "twice",
        "word",
        "none",
        "control",
        "list",
        "crossed",
        "open",
        "many",
    ],
)
def test_parameters_that_are_not_safe_to_read_are_refused(api, params, says):
    """The reason is said, and nothing of it is decoded."""
    body = f'{{"program_id": "hello-quantum", "params": {params}}}'
    message = check(api.post(JOBS, content=body.encode(), headers=JSON), 400)
    assert says in message


def test_parameters_twice_are_refused(api):
    """A key may be in an object once, also where its value is not read."""
    body = b'{"program_id": "hello-quantum", "params": {}, "params": {"a": 1}}'
    check(api.post(JOBS, content=body, headers=JSON), 400, "twice")


QPY, SAMPLEX = MAX_QPY_VERSION + 1, MAX_SAMPLEX_VERSION + 1


@pytest.mark.parametrize(
    ("program", "place", "says"),
    [
        (
            {"circuits": {"qpy_version": QPY}},
            "quantum_program.circuits",
            f"QPY version {QPY}; this server's Qiskit reads up to {MAX_QPY_VERSION}",
        ),
        (
            {"items": [{}, {"samplex": {"ssv": SAMPLEX}}]},
            "quantum_program.items[1].samplex",
            f"samplex version {SAMPLEX}; this server reads up to {MAX_SAMPLEX_VERSION}",
        ),
    ],
    ids=["qpy", "samplex"],
)
@pytest.mark.parametrize("filling", ["", "x" * 200_000], ids=["small", "large"])
def test_circuits_that_are_too_new_are_refused_with_both_numbers(
    api, program, place, says, filling
):
    """A client that is newer than this server is told so when it submits."""
    params = {"quantum_program": program, "filling": filling}
    message = check(api.post(JOBS, json={"program_id": "steps", "params": params}), 400)
    assert f"{place}: {says}" in message


def test_versions_that_can_be_read_and_other_data_pass(api):
    """The newest that can be read, a text that looks like a version, and data of the user."""
    too_new = {"qpy_version": MAX_QPY_VERSION + 1, "ssv": 99}
    params = {
        "quantum_program": {"circuits": {"qpy_version": MAX_QPY_VERSION}},
        "samplex": {"ssv": MAX_SAMPLEX_VERSION},
        "text": json.dumps(too_new),
        "passthrough_data": too_new,
        "qpy_version": True,
    }
    answer = api.post(JOBS, json={"program_id": "steps", "params": params})
    assert answer.status_code == 200, answer.text


def test_the_versions_are_those_of_the_runner():
    """The numbers of the contract are what the installed libraries read."""
    from qiskit.qpy.common import QPY_VERSION
    from samplomatic.ssv import SSV

    assert (MAX_QPY_VERSION, MAX_SAMPLEX_VERSION) == (QPY_VERSION, SSV)


def test_a_version_header_that_is_none_is_refused(api):
    """No date is 400; a date of the past or of the future is taken."""
    for version, status in (("tomorrow", 400), ("2024-01-01", 200), ("2031-01-01", 200)):
        answer = api.get("/api/v1/backends", headers={"IBM-API-Version": version})
        assert answer.status_code == status
    check(api.get("/api/v1/backends", headers={"IBM-API-Version": "x"}), 400, "IBM-API-Version")


@pytest.mark.anyio
async def test_a_fault_of_the_server_has_the_form_and_is_logged(caplog):
    """A client gets a number that is in the log, and not the reason; the server gets the error."""
    app = FastAPI()

    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise RuntimeError("secret reason")

    app.add_middleware(ErrorForm, prefixes=("/api/v1",))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/v1/broken")
    message = check(answer, 500)
    assert "secret" not in message
    assert answer.json()["trace"] in caplog.text
