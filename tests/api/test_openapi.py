"""The OpenAPI document, and requests that schemathesis makes and checks by it.

Each outcome that a route documents and that can be brought about here is, by a request of its own;
thousands of generated ones add to them. They go to routes, models and checks over a store in
memory; what the real store does with damaged files is ``test_damage``.
"""

import asyncio
import base64
import itertools
import time
import warnings
from collections import Counter

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Step
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.jobstore.local.data_folder import DataFolder
from api.main import create_app
from api.programstore.local import LocalProgramStore
from api.routes import ibm
from api.sessionstore.local import LocalSessionStore, SessionFiles
from api.settings import ApiSettings
from qiskit_runtime.contract.catalog import Catalog
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.program import ProgramMetadata, ProgramSource
from tests import drawn_seeds
from tests.api.fake_store import FakeStore

CASES = 5_000
"""How many requests there must have been."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

EXAMPLES = {
    "POST /jobs": 400,
    "GET /jobs": 200,
    "GET /programs": 20,
    "GET /backends": 20,
    "POST /api/v1/jobs": 400,
    "GET /api/v1/jobs": 200,
}
"""How many requests of each kind, good and bad; most where there is most to get wrong.

To make these takes 15 to 25 ms of a processor each, and 3 to 5 ms those of other operations.
"""

EXAMPLES_OF_ANOTHER = 100

NEVER_LOST = ("/globalcatalog/v1/{plan}",)
"""Paths under which there is everything."""

CAN_BE_BAD = (
    "POST /jobs",
    "GET /jobs",
    "POST /programs",
    "POST /api/v1/jobs",
    "GET /api/v1/jobs",
    "PUT /api/v1/jobs/{job_id}/tags",
)
"""The operations of which bad requests are made, too."""

UNREACHED = {"GET /livez", "GET /readyz"}
"""The probes, which have tests of their own."""


@pytest.fixture(scope="module")
def store():
    """The store with the jobs of these tests."""
    return FakeStore()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the programs and sessions of these tests."""
    folder = DataFolder(tmp_path_factory.mktemp("data"))
    folder.open()
    yield folder
    folder.close()


@pytest.fixture(scope="module")
def programs(folder):
    """The store with the uploaded programs of these tests: ``upl`` is always there."""
    return LocalProgramStore(folder, Catalog())


@pytest.fixture(scope="module")
def schema(store, programs, folder):
    """The schema that schemathesis makes of the app's OpenAPI document."""
    sessions = LocalSessionStore(SessionFiles(folder), store)
    app = create_app(ApiSettings(allowed_hosts=("testserver",)), store, programs, sessions)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


JOB = {"programId": "hello-quantum", "hub": "", "group": "", "project": "", "backend": ""}
SOURCE = b"def main(backend, messenger): pass\n"
UPLOAD = {"name": "new", "data": base64.b64encode(SOURCE).decode()}
DATA = {"data": UPLOAD["data"]}
CLOSES = {"accepting_jobs": False}

OUTCOMES = [
    ("POST /jobs", 200, {"body": JOB | {"params": ["{}"]}}),
    ("POST /jobs", 404, {"body": JOB | {"params": [], "programId": "nobodys"}}),
    ("POST /jobs", 422, {"body": JOB | {"params": ["[]"]}}),
    ("GET /jobs", 200, {"query": {"pending": "true"}}),
    ("GET /jobs", 422, {"query": {"limit": "-1"}}),
    ("GET /jobs/{job_id}", 200, {"job": Phase.COMPLETED}),
    ("GET /jobs/{job_id}", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /jobs/{job_id}/logs", 200, {"job": Phase.COMPLETED}),
    ("GET /jobs/{job_id}/logs", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /jobs/{job_id}/results", 200, {"job": Phase.RUNNING}),
    ("GET /jobs/{job_id}/results", 404, {"path": {"job_id": "nobodys"}}),
    ("DELETE /jobs/{job_id}", 204, {"job": Phase.FAILED}),
    ("DELETE /jobs/{job_id}", 403, {"job": Phase.RUNNING}),
    ("DELETE /jobs/{job_id}", 404, {"path": {"job_id": "nobodys"}}),
    ("POST /jobs/{job_id}/cancel", 204, {"job": Phase.RUNNING}),
    ("POST /jobs/{job_id}/cancel", 409, {"job": Phase.COMPLETED}),
    ("POST /jobs/{job_id}/cancel", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /stream/jobs/{job_id}", 426, {"job": Phase.RUNNING}),
    ("GET /programs", 200, {}),
    ("GET /programs", 422, {"query": {"limit": "many"}}),
    ("POST /programs", 200, {"body": UPLOAD}),
    ("POST /programs", 409, {"body": UPLOAD | {"name": "upl"}}),
    ("POST /programs", 422, {"body": UPLOAD | {"data": "?"}}),
    ("GET /programs/{program_id}", 200, {"program": "upl"}),
    ("GET /programs/{program_id}", 404, {"program": "nobodys"}),
    ("GET /programs/{program_id}/data", 200, {"program": "upl"}),
    ("GET /programs/{program_id}/data", 404, {"program": "hello-quantum"}),
    *(
        (f"{method} /programs/{{program_id}}{part}", code, {"program": name, "body": body})
        for method, part, body, changed in (
            ("PUT", "/data", DATA, 200),
            ("PATCH", "", {"description": "New."}, 200),
            ("PUT", "", UPLOAD, 200),
            ("PUT", "/public", None, 204),
            ("PUT", "/private", None, 204),
            ("DELETE", "", None, 204),
        )
        for name, code in (("upl", changed), ("hello-quantum", 403), ("nobodys", 404))
    ),
    ("POST /api/v1/jobs", 200, {"body": {"program_id": "hello-quantum", "params": {}}}),
    ("POST /api/v1/jobs", 400, {"body": {"program_id": "hello-quantum", "params": []}}),
    ("POST /api/v1/jobs", 400, {"body": {"program_id": "hello-quantum", "backend": "nobodys"}}),
    ("POST /api/v1/jobs", 404, {"body": {"program_id": "nobodys"}}),
    ("GET /api/v1/jobs", 200, {"query": {"pending": "false", "sort": "ASC", "limit": "2"}}),
    ("GET /api/v1/jobs", 400, {"query": {"created_after": "yesterday"}}),
    ("GET /api/v1/jobs/{job_id}", 200, {"job": Phase.COMPLETED}),
    ("GET /api/v1/jobs/{job_id}", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /api/v1/jobs/{job_id}/logs", 200, {"job": Phase.COMPLETED}),
    ("GET /api/v1/jobs/{job_id}/logs", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /api/v1/jobs/{job_id}/results", 200, {"job": Phase.COMPLETED}),
    ("GET /api/v1/jobs/{job_id}/results", 200, {"job": Phase.FAILED}),
    ("GET /api/v1/jobs/{job_id}/results", 204, {"job": Phase.RUNNING}),
    ("GET /api/v1/jobs/{job_id}/results", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /api/v1/jobs/{job_id}/metrics", 200, {"job": Phase.COMPLETED}),
    ("GET /api/v1/jobs/{job_id}/metrics", 404, {"path": {"job_id": "nobodys"}}),
    ("POST /api/v1/jobs/{job_id}/cancel", 204, {"job": Phase.RUNNING}),
    ("POST /api/v1/jobs/{job_id}/cancel", 409, {"job": Phase.COMPLETED}),
    ("DELETE /api/v1/jobs/{job_id}", 204, {"job": Phase.RUNNING}),
    ("DELETE /api/v1/jobs/{job_id}", 404, {"path": {"job_id": "nobodys"}}),
    ("PUT /api/v1/jobs/{job_id}/tags", 204, {"job": Phase.FAILED, "body": {"tags": ["a"]}}),
    ("PUT /api/v1/jobs/{job_id}/tags", 400, {"job": Phase.FAILED, "body": {"tags": "a"}}),
    ("GET /api/v1/jobs/{job_id}/interim_results", 200, {"job": Phase.COMPLETED}),
    ("GET /api/v1/jobs/{job_id}/interim_results", 404, {"path": {"job_id": "nobodys"}}),
    ("GET /api/v1/stream/jobs/{job_id}", 426, {"job": Phase.RUNNING}),
    ("POST /api/v1/sessions", 200, {"body": {"backend": "aer_simulator"}}),
    ("POST /api/v1/sessions", 400, {"body": {"backend": "nobodys"}}),
    ("GET /api/v1/sessions/{session_id}", 200, {"session": True}),
    ("GET /api/v1/sessions/{session_id}", 404, {"path": {"session_id": "nobodys"}}),
    ("PATCH /api/v1/sessions/{session_id}", 204, {"session": True, "body": CLOSES}),
    ("PATCH /api/v1/sessions/{session_id}", 400, {"session": True, "body": {}}),
    (
        "PATCH /api/v1/sessions/{session_id}",
        404,
        {"path": {"session_id": "nobodys"}, "body": CLOSES},
    ),
    ("DELETE /api/v1/sessions/{session_id}/close", 204, {"session": True}),
    ("DELETE /api/v1/sessions/{session_id}/close", 404, {"path": {"session_id": "nobodys"}}),
    ("GET /api/v1/instances/usage", 200, {}),
    ("GET /api/v1/workloads", 200, {"query": {"mode": "job"}}),
    ("GET /api/v1/workloads", 400, {"query": {"sort": "name"}}),
    ("POST /v3/resources/search", 200, {"body": {"query": "service_name:quantum-computing"}}),
    ("GET /globalcatalog/v1/{plan}", 200, {"path": {"plan": "open"}}),
    ("GET /queue", 200, {}),
    ("GET /queue", 422, {"query": {"limit": "-1"}}),
    ("GET /system", 200, {}),
    ("GET /backends", 200, {}),
    ("GET /backends/{name}", 200, {"path": {"name": "aer_simulator"}}),
    ("GET /backends/{name}", 404, {"path": {"name": "nobodys"}}),
    ("GET /api/v1/backends", 200, {"query": {"include_mocks": "True"}}),
    ("GET /api/v1/backends/{name}/status", 200, {"path": {"name": "aer_montreal"}}),
    ("GET /api/v1/backends/{name}/status", 404, {"path": {"name": "nobodys"}}),
    *(
        (f"GET /api/v1/backends/{{name}}/{document}", code, {"path": {"name": name}})
        for document in ("configuration", "properties", "defaults")
        for name, code in (("aer_montreal", 200), ("aer_simulator", 200), ("nobodys", 404))
    ),
]
"""What each route answers, and a request that brings it about; ``job`` is one of that phase."""


@pytest.mark.parametrize(
    ("label", "code", "request_"), OUTCOMES, ids=[f"{label} {code}" for label, code, _ in OUTCOMES]
)
def test_documented_outcome_is_reached(schema, store, programs, label, code, request_):
    """The request gets this answer, and the answer is as the document says."""
    _keep_program(programs)
    method, path = label.split()
    parameters = dict(request_.get("path", {}))
    if phase := request_.get("job"):
        parameters["job_id"] = asyncio.run(store.add(phase)).id
    if name := request_.get("program"):
        parameters["program_id"] = name
    if request_.get("session"):
        parameters["session_id"] = _open_session(schema)
    body = request_.get("body")
    case = schema[path][method].Case(
        path_parameters=parameters,
        query=request_.get("query", {}),
        **({} if body is None else {"body": body, "media_type": "application/json"}),
    )

    assert case.call_and_validate(checks=CHECKS).status_code == code


def _open_session(schema):
    """Return the id of a new session."""
    body = {"backend": "aer_simulator"}
    case = schema["/api/v1/sessions"]["POST"].Case(body=body, media_type="application/json")
    return case.call().json()["id"]


def test_every_route_of_the_document_has_its_outcomes(schema):
    """No operation is left out of the table above."""
    labels = {result.ok().label for result in schema.get_all_operations()}
    assert labels - {label for label, _, _ in OUTCOMES} <= UNREACHED


@pytest.mark.timeout(900)
@pytest.mark.no_cover  # the tests of each route are measured
def test_generated_requests_get_documented_answers(schema, store, programs, capsys):
    """No answer to 5,000 requests, good and bad, is a server error; all are as documented."""
    answers: Counter[tuple[str, int]] = Counter()
    begun = time.monotonic()
    for operation in (result.ok() for result in schema.get_all_operations()):
        for mode in _modes(operation):
            _run_cases(operation, mode, (store, programs), answers)
    seconds = time.monotonic() - begun

    cases = answers.total()
    with capsys.disabled():
        print(f"\nschemathesis: {cases} cases in {seconds:.0f} s")
        for (label, code), count in sorted(answers.items()):
            print(f"  {label} {code}: {count}")
    assert cases >= CASES


def _modes(operation):
    """Good requests, and bad ones where one can be: whatever is in a path is a good text."""
    can_be_bad = operation.label in CAN_BE_BAD
    return [GenerationMode.POSITIVE] + [GenerationMode.NEGATIVE] * can_be_bad


def _run_cases(operation, mode, stores, answers):
    turn = itertools.count()

    @settings(
        max_examples=EXAMPLES.get(operation.label, EXAMPLES_OF_ANOTHER),
        phases=[Step.generate],
        derandomize=not drawn_seeds.SEED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        _make_likely(case, next(turn), *stores)
        response = case.call_and_validate(checks=CHECKS)
        answers[operation.label, response.status_code] += 1

    if drawn_seeds.SEED:
        run = hypothesis.seed(drawn_seeds.draw_seed())(run)
    with warnings.catch_warnings():
        # Hypothesis' and schemathesis' own, about how they generate.
        warnings.simplefilter("ignore")
        run()


def _keep_program(programs):
    """Have the program ``upl`` there, whatever an earlier request did to it."""
    if "upl" not in programs._entries:
        source = ProgramSource(SOURCE)
        asyncio.run(programs.create(ProgramMetadata(name="upl", description=""), source))


def _make_likely(case, turn, store, programs):
    """Half of the requests are for something that is there: a random text never is."""
    _keep_program(programs)
    if turn % 2:
        return
    if "job_id" in (case.path_parameters or {}) and store.jobs:
        jobs = list(store.jobs)
        # Spread over all of them: those that came first are deleted by now.
        case.path_parameters["job_id"] = jobs[turn * 31 % len(jobs)]
    if isinstance(case.body, dict) and isinstance(case.body.get("program_id"), str):
        case.body["program_id"] = "hello-quantum"
        case.body["backend"] = ("", None, case.body.get("backend"))[turn % 3]
    if "program_id" in (case.path_parameters or {}):
        case.path_parameters["program_id"] = ("hello-quantum", "upl")[turn // 2 % 2]
    if isinstance(case.body, dict) and isinstance(case.body.get("data"), str):
        case.body["data"] = "IyBhIHByb2dyYW0="
        case.body["spec"] = ({}, case.body.get("spec"))[turn // 2 % 2]
    if isinstance(case.body, dict) and isinstance(case.body.get("programId"), str):
        case.body["programId"] = "hello-quantum"
        case.body.pop("programVersion", None)
        case.body["backend"] = ("string", "", case.body.get("backend"))[turn % 3]
        case.body["params"] = (["{}"], [], case.body.get("params"))[turn // 2 % 3]


def test_document_says_every_error_of_every_route(schema):
    """401, 403 and 421 are everywhere; what has a body says 413, 415 and 422 as well."""
    paths = schema.raw_schema["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            wanted = {"401", "403", "421"}
            is_todays = path.startswith(ibm.PREFIXES)
            if method != "get":
                wanted |= {"413", "415", "400" if is_todays else "422"}
            if "{" in path and path not in NEVER_LOST:
                wanted.add("404")
            if is_todays:
                # Whatever else it is, an error has the dialect's form.
                wanted.add("default")
                assert "422" not in operation["responses"]
            assert wanted <= set(operation["responses"]), (method, path)


def test_document_has_a_title_and_a_sentence_a_route(schema):
    """Everything that /docs shows is written: title, version, tags, summaries, descriptions."""
    document = schema.raw_schema
    assert document["info"]["title"] == "Qiskit Runtime"
    tags = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"].endswith(".")
            tags |= set(operation["tags"])
    assert {"jobs", "programs"} <= tags
