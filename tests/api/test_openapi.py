"""The OpenAPI document, and thousands of requests that schemathesis makes from it.

They go to routes, models and checks over a store in memory; what the real store does with damaged
files is ``test_damage``.
"""

import asyncio
import itertools
import time
import warnings
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
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
from api.settings import ApiSettings
from qiskit_runtime.catalog import Catalog
from qiskit_runtime.contract.program import ProgramMetadata, ProgramSource
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

EXAMPLES = {"POST /jobs": 1000, "GET /jobs": 600, "GET /programs": 20, "GET /backends": 20}
"""How many requests of each kind, good and bad; most where there is most to get wrong."""

EXAMPLES_OF_ANOTHER = 300


@pytest.fixture(scope="module")
def store():
    """Where the jobs of these tests are."""
    return FakeStore()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Where the uploaded programs of these tests are: one is always there."""
    folder = DataFolder(tmp_path_factory.mktemp("data"))
    folder.open()
    store = LocalProgramStore(folder, Catalog())
    yield store
    folder.close()


@pytest.fixture(scope="module")
def schema(store, programs):
    """What schemathesis makes of the app's OpenAPI document."""
    app = create_app(ApiSettings(allowed_hosts=("testserver",)), store, programs)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_generated_requests_get_documented_answers(schema, store, programs, capsys):
    """Of 5,000 requests, good and bad, none is a server error; each answer is as documented."""
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
    # The requests went beyond the first check: each of these was reached.
    for reached in (
        *(("POST /jobs", 200), ("POST /jobs", 404), ("POST /jobs", 422)),
        *(("GET /jobs", 200), ("GET /jobs", 422), ("GET /jobs/{job_id}", 200)),
        *(("DELETE /jobs/{job_id}", 204), ("DELETE /jobs/{job_id}", 403)),
        *(("POST /jobs/{job_id}/cancel", 204), ("POST /jobs/{job_id}/cancel", 409)),
        ("GET /stream/jobs/{job_id}", 426),
        *(("POST /programs", 200), ("POST /programs", 409), ("POST /programs", 422)),
        *(("PUT /programs/{program_id}/data", code) for code in (200, 403, 404)),
        *(("PATCH /programs/{program_id}", code) for code in (200, 403, 404)),
        *(("PUT /programs/{program_id}", 200), ("DELETE /programs/{program_id}", 204)),
    ):
        assert answers[reached] > 0, reached


def _modes(operation):
    """Good requests, and bad ones where one can be: whatever is in a path is a good text."""
    can_be_bad = operation.label in ("POST /jobs", "GET /jobs", "POST /programs")
    return [GenerationMode.POSITIVE] + [GenerationMode.NEGATIVE] * can_be_bad


def _run_cases(operation, mode, stores, answers):
    turn = itertools.count()

    @settings(
        max_examples=EXAMPLES.get(operation.label, EXAMPLES_OF_ANOTHER),
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        _make_likely(case, next(turn), *stores)
        response = case.call_and_validate(checks=CHECKS)
        answers[operation.label, response.status_code] += 1

    with warnings.catch_warnings():
        # Hypothesis' and schemathesis' own, about how they generate.
        warnings.simplefilter("ignore")
        run()


def _make_likely(case, turn, store, programs):
    """Half of the requests are for something that is there: a random text never is."""
    if "program_id" in (case.path_parameters or {}) and "upl" not in programs._entries:
        source = ProgramSource(b"def main(backend, messenger): pass\n")
        asyncio.run(programs.create(ProgramMetadata(name="upl", description=""), source))
    if turn % 2:
        return
    if "job_id" in (case.path_parameters or {}) and store.jobs:
        jobs = list(store.jobs)
        # Spread over all of them: those that came first are deleted by now.
        case.path_parameters["job_id"] = jobs[turn * 31 % len(jobs)]
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
            if method != "get":
                wanted |= {"413", "415", "422"}
            if "{" in path:
                wanted.add("404")
            assert wanted <= set(operation["responses"]), (method, path)


def test_document_has_a_title_and_a_sentence_a_route(schema):
    """What a reader of /docs sees is written: title, version, tags, a summary, a description."""
    document = schema.raw_schema
    assert document["info"]["title"] == "Qiskit Runtime"
    tags = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"].endswith(".")
            tags |= set(operation["tags"])
    assert {"jobs", "programs"} <= tags
