"""The CRDs in k8s/: hand-written, so held against the contract here."""

from pathlib import Path

import yaml

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    DEFAULT_TTL_SECONDS,
    MAX_EXECUTION_SECONDS,
    MAX_INLINE_RESULT_BYTES,
    MAX_PARAMS_BYTES,
    MAX_SESSION_TIMESTAMPS,
    MAX_STATUS_MESSAGE_CHARACTERS,
    START_DEADLINE_SECONDS,
)
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import JobSpec
from qiskit_runtime.contract.resources.resource import GROUP, VERSION
from qiskit_runtime.contract.resources.runtimesession import PLURAL
from qiskit_runtime.contract.resources.session import SessionMode, SessionSpec, SessionState

CRDS = Path(__file__).parents[2] / "k8s" / "crds"
CRD = yaml.safe_load((CRDS / "runtimejobs.yaml").read_text())
SESSIONS = yaml.safe_load((CRDS / "runtimesessions.yaml").read_text())
SESSION = SESSIONS["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SCHEMA = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]["properties"]
STATUS = SCHEMA["properties"]["status"]["properties"]


def fields(schema, path=""):
    """Every named field below a schema, with its path."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def test_every_field_has_its_sentence():
    """`kubectl explain` helps everywhere."""
    silent = [path for path, field in fields(SCHEMA) if not field.get("description", "")]
    assert silent == []


def test_group_version_and_phases_are_the_contract_s():
    """The resource is called and goes through what the contract says."""
    assert (CRD["spec"]["group"], CRD["spec"]["versions"][0]["name"]) == (GROUP, VERSION)
    assert STATUS["phase"]["enum"] == list(Phase)
    assert all(len(reason) <= STATUS["reason"]["maxLength"] for reason in Reason)


def test_spec_has_every_field_of_the_contract_s_spec():
    """A job that REST can ask for, kubectl can ask for, within the same limits."""
    schema = JobSpec.model_json_schema(by_alias=True)["properties"]
    assert set(schema) <= set(SPEC)
    for name in ("programId", "backend", "hub", "group", "project"):
        assert SPEC[name]["maxLength"] == schema[name]["maxLength"], name
    assert SPEC["tags"]["maxItems"] == schema["tags"]["maxItems"]


def test_defaults_and_limits_are_the_contract_s():
    """No second copy of a number differs."""
    assert SPEC["backend"]["default"] == DEFAULT_BACKEND
    assert SPEC["maxExecutionSeconds"]["default"] == DEFAULT_MAX_EXECUTION_SECONDS
    assert SPEC["maxExecutionSeconds"]["maximum"] == MAX_EXECUTION_SECONDS
    assert SPEC["startDeadlineSeconds"]["default"] == START_DEADLINE_SECONDS
    assert SPEC["ttlSecondsAfterFinished"]["default"] == DEFAULT_TTL_SECONDS
    assert SPEC["paramsFrom"]["properties"]["bytes"]["maximum"] == MAX_PARAMS_BYTES
    assert STATUS["result"]["maxLength"] == MAX_INLINE_RESULT_BYTES
    assert STATUS["message"]["maxLength"] == MAX_STATUS_MESSAGE_CHARACTERS
    assert State(Phase.QUEUED).phase in STATUS["phase"]["enum"]


def test_all_of_the_spec_is_immutable_but_what_may_change():
    """Each field but three refuses another value, and to appear or to go."""
    free = {"tags", "cancelRequested", "suspend"}
    (appear, *_) = SCHEMA["properties"]["spec"]["x-kubernetes-validations"]
    for name in set(SPEC) - free:
        assert SPEC[name]["x-kubernetes-validations"][0]["rule"] == "self == oldSelf", name
        if name not in SCHEMA["properties"]["spec"]["required"]:
            assert appear["rule"].count(f"has(self.{name})") == 1, name
            assert appear["rule"].count(f"has(oldSelf.{name})") == 1, name


def test_no_stray_key_is_in_a_schema():
    """A comma in an unquoted sentence would end it and begin a key, which API servers drop."""
    known = {
        "type", "description", "default", "enum", "format", "items", "maxItems", "maxLength",
        "maximum", "minLength", "minimum", "pattern", "properties", "required",
        "additionalProperties", "maxProperties",
    }  # fmt: skip
    stray = [
        (path, key)
        for schema in (SCHEMA, SESSION)
        for path, field in fields(schema)
        for key in field
        if key not in known and not key.startswith("x-kubernetes-")
    ]
    assert stray == []


def test_every_field_of_a_session_has_its_sentence():
    """`kubectl explain rsession` helps everywhere."""
    silent = [path for path, field in fields(SESSION) if not field.get("description", "")]
    assert silent == []


def test_session_s_fields_and_states_are_the_contract_s():
    """A session that REST can ask for, kubectl can ask for, within the same limits."""
    assert (SESSIONS["spec"]["group"], SESSIONS["spec"]["names"]["plural"]) == (GROUP, PLURAL)
    spec, status = (SESSION["properties"][part]["properties"] for part in ("spec", "status"))
    schema = SessionSpec.model_json_schema(by_alias=True)["properties"]
    assert set(schema) | {
        "acceptingJobs", "cancelRequested", "closeRequestedAt", "lastAdmittedAt",
    } == set(spec)  # fmt: skip
    for name in ("backend", "hub", "group", "project"):
        assert spec[name]["maxLength"] == schema[name]["maxLength"], name
    for name in ("maxTtlSeconds", "interactiveTtlSeconds"):
        assert (spec[name]["default"], spec[name]["maximum"]) == (
            schema[name]["default"], schema[name]["maximum"],
        )  # fmt: skip
    assert spec["ttlSecondsAfterClosed"]["default"] == DEFAULT_TTL_SECONDS
    assert spec["mode"]["enum"] == list(SessionMode)
    assert status["state"]["enum"] == list(SessionState)
    assert status["timestamps"]["maxItems"] == MAX_SESSION_TIMESTAMPS


def test_all_of_a_session_s_spec_is_immutable_but_what_closes_it():
    """Each field but four refuses another value."""
    spec = SESSION["properties"]["spec"]["properties"]
    free = {"acceptingJobs", "cancelRequested", "closeRequestedAt", "lastAdmittedAt"}
    for name in set(spec) - free:
        assert spec[name]["x-kubernetes-validations"][0]["rule"] == "self == oldSelf", name
