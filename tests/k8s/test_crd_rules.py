"""Answers of a real API server by the CRDs' rules: accepted, or refused in words that help."""

import uuid

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from qiskit_runtime.contract.resources.resource import GROUP, VERSION
from tests.cluster.stand import apply_crds
from tests.cluster.target import require_cluster

pytestmark = pytest.mark.cluster

SPEC = {"programId": "hello-quantum"}


class Resources:
    """The resources of one kind in a namespace."""

    def __init__(self, api, namespace, kind):
        self._api = client.CustomObjectsApi(api)
        self._kind = kind
        self._where = (GROUP, VERSION, namespace, f"{kind.lower()}s")

    def create(self, spec, name=""):
        """Make one; return its name."""
        name = name or f"r-{uuid.uuid4().hex[:8]}"
        metadata = {"name": name}
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": self._kind, "metadata": metadata}
        self._api.create_namespaced_custom_object(*self._where, body | {"spec": spec})
        return name

    def get(self, name):
        """Return one of them."""
        return self._api.get_namespaced_custom_object(*self._where, name)

    def patch(self, name, **fields):
        """Change one."""
        return self._api.patch_namespaced_custom_object(*self._where, name, fields)

    def patch_status(self, name, **status):
        """Change its status."""
        self._api.patch_namespaced_custom_object_status(*self._where, name, {"status": status})


@pytest.fixture(scope="module")
def make_kind():
    """A namespace of this run's own, with nobody who acts on what is made there."""
    cluster = require_cluster()
    config.load_kube_config(cluster.kubeconfig)
    name = f"crds-{uuid.uuid4().hex[:8]}"
    with client.ApiClient() as api:
        apply_crds(api)
        core = client.CoreV1Api(api)
        core.create_namespace({"metadata": {"name": name}})
        yield lambda kind: Resources(api, name, kind)
        core.delete_namespace(name)


@pytest.fixture(scope="module")
def jobs(make_kind):
    """RuntimeJobs."""
    return make_kind("RuntimeJob")


def test_job_gets_its_defaults(jobs):
    """Fields that are left out have their defaults at once, the phase too."""
    made = jobs.get(jobs.create(SPEC))
    assert made["spec"]["backend"] == "aer_simulator"
    assert made["spec"]["startDeadlineSeconds"] == 1800
    assert made["spec"]["ttlSecondsAfterFinished"] == 7 * 86400
    assert made["status"]["phase"] == "Queued"


REFUSED = {
    "no program": ({}, "programId"),
    "both params": (
        {"params": "{}", "paramsFrom": {"secretName": "x-params"}},
        "params or paramsFrom",
    ),
    "another's secret": (
        {"paramsFrom": {"secretName": "other-params"}},
        "spec.paramsFrom.secretName",
    ),
    "large params": ({"params": "é" * 40_000}, "65536"),
    "no time": ({"maxExecutionSeconds": 0}, "maxExecutionSeconds"),
    "unknown level": ({"logLevel": "LOUD"}, "logLevel"),
    "wrong type": ({"maxExecutionSeconds": "long"}, "maxExecutionSeconds"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_spec_is_refused_with_its_field(jobs, case):
    """The API server's answer names what is wrong."""
    spec, words = REFUSED[case]
    with pytest.raises(ApiException) as refused:
        jobs.create(spec if case == "no program" else SPEC | spec)
    assert refused.value.status == 422 and words in refused.value.body


@pytest.mark.parametrize("name", ["a" * 41, "a.b"])
def test_bad_name_is_refused(jobs, name):
    """A name that a Job, a pod or a path could not carry is refused."""
    with pytest.raises(ApiException) as refused:
        jobs.create(SPEC, name)
    assert "at most 40 small letters" in refused.value.body


IMMUTABLE = [
    {"programId": "other"},
    {"backend": "other"},
    {"params": '{"x": 1}'},
    {"params": None},
    {"maxExecutionSeconds": 5},
    {"startDeadlineSeconds": 5},
    {"ttlSecondsAfterFinished": 5},
    {"hub": "other"},
    {"hub": None},
    {"project": "appears"},
    {"sessionId": "appears"},
]


@pytest.mark.parametrize("change", IMMUTABLE, ids=str)
def test_spec_is_immutable(jobs, change):
    """No field changes, appears or goes."""
    name = jobs.create({**SPEC, "params": "{}", "hub": "h"})
    with pytest.raises(ApiException) as refused:
        jobs.patch(name, spec=change)
    assert refused.value.status == 422 and "immutable" in refused.value.body


def test_cancel_suspend_and_tags_may_change(jobs):
    """These fields may change after the start; a cancel can't be taken back."""
    name = jobs.create(SPEC | {"suspend": True})
    jobs.patch(name, spec={"suspend": False, "tags": ["a"]})
    jobs.patch(name, spec={"cancelRequested": True})
    for back in (False, None):
        with pytest.raises(ApiException) as refused:
            jobs.patch(name, spec={"cancelRequested": back})
        assert "can't be taken back" in refused.value.body


FINAL = {"phase": "Completed", "result": '"x"'}


@pytest.mark.parametrize(
    "change",
    [{"phase": "Failed"}, {"phase": None}, {"result": '"y"'}, {"result": None}, {"message": "m"}],
    ids=str,
)
def test_ended_status_is_final(jobs, change):
    """No field of an ended job's status changes, appears or goes."""
    name = jobs.create(SPEC)
    jobs.patch_status(name, phase="Running")
    jobs.patch_status(name, **FINAL)
    with pytest.raises(ApiException) as refused:
        jobs.patch_status(name, **change)
    assert refused.value.status == 422 and "final" in refused.value.body
    assert jobs.get(name)["status"] == FINAL


def test_ended_job_may_still_be_labelled_and_deleted(jobs):
    """Finality is the status' alone."""
    name = jobs.create(SPEC)
    jobs.patch_status(name, **FINAL)
    assert jobs.patch(name, metadata={"labels": {"a": "b"}})["metadata"]["labels"] == {"a": "b"}


def test_source_of_a_program_is_limited(make_kind):
    """256 KiB of UTF-8 are taken, a byte more is refused with the limit."""
    programs = make_kind("RuntimeProgram")
    programs.create({"source": "#" * 262_144})
    with pytest.raises(ApiException) as refused:
        programs.create({"source": "#" + "é" * 131_072})
    assert "262144" in refused.value.body


def test_backend_needs_a_known_method(make_kind):
    """A device that Aer can't be is refused by the field's name."""
    backends = make_kind("RuntimeBackend")
    backends.create({"method": "stabilizer", "qubits": 20})
    with pytest.raises(ApiException) as refused:
        backends.create({"method": "guess", "qubits": 20})
    assert "method" in refused.value.body


PLACED = {
    "another's program": (
        "RuntimeJob",
        SPEC | {"programFrom": {"secretName": "other-params", "key": "program.py"}},
        "spec.programFrom.secretName",
    ),
    "source and archive": ("RuntimeProgram", {"source": "x", "archive": "eA=="}, "source or arch"),
    "neither": ("RuntimeProgram", {"description": "x"}, "source or archive"),
    "archive no base64": ("RuntimeProgram", {"archive": "not base64"}, "spec.archive"),
    "large source": ("RuntimeProgram", {"source": "é" * 140_000}, "262144"),
    "schema no object": ("RuntimeProgram", {"source": "x", "parameters": "any"}, "parameters"),
    "map without qubits": ("RuntimeBackend", {"couplingMap": [[0, 1]]}, "it needs qubits"),
    "map beyond qubits": (
        "RuntimeBackend",
        {"qubits": 2, "couplingMap": [[0, 2]]},
        "names none beyond",
    ),
    "pair of three": ("RuntimeBackend", {"qubits": 3, "couplingMap": [[0, 1, 2]]}, "couplingMap"),
    "fake device with gates": (
        "RuntimeBackend",
        {"fakeDevice": "FakeLagosV2", "basisGates": ["x"]},
        "of its own",
    ),
    "branching as a gate": (
        "RuntimeBackend",
        {"basisGates": ["cx", "if_else"]},
        "are no gates and there already",
    ),
    "probability": (
        "RuntimeBackend",
        {"noise": {"readout": {"prob1Given0": 1.5}}},
        "prob1Given0",
    ),
    "t2 too long": (
        "RuntimeBackend",
        {"noise": {"relaxation": {"t1Microseconds": 10, "t2Microseconds": 21}}},
        "at most twice",
    ),
    "fixed without value": ("RuntimeBackend", {"seed": {"policy": "Fixed"}}, "goes with"),
    "value without fixed": ("RuntimeBackend", {"seed": {"value": 1}}, "goes with"),
    "class no name": ("RuntimeBackend", {"resourceClass": "Large"}, "resourceClass"),
    "class too long": ("RuntimeBackend", {"resourceClass": "l" * 41}, "resourceClass"),
}


@pytest.mark.parametrize("case", PLACED)
def test_bad_program_or_backend_is_refused_with_its_field(make_kind, case):
    """The API server refuses what a runner could not use, in words that help."""
    kind, spec, words = PLACED[case]
    with pytest.raises(ApiException) as refused:
        make_kind(kind).create(spec)
    assert refused.value.status == 422 and words in refused.value.body


def test_program_and_backend_of_every_field_are_taken(make_kind):
    """The API server takes every field that the CRDs describe, and keeps its value."""
    program = {
        "name": "Coins", "description": "d", "source": "def main(b, m): ...", "version": "2.0",
        "maxExecutionSeconds": 5, "visibility": "public",
        "parameters": {"type": "object", "properties": {"x": {"type": ["integer", "null"]}}},
        "returnValues": {"type": "string"}, "interimResults": {}, "backendRequirements": {"n": 1},
    }  # fmt: skip
    programs, backends = make_kind("RuntimeProgram"), make_kind("RuntimeBackend")
    assert programs.get(programs.create(program))["spec"] == program
    backend = {
        "description": "d", "method": "density_matrix", "qubits": 2, "couplingMap": [[0, 1]],
        "basisGates": ["rz", "sx", "x", "cx"], "seed": {"policy": "Fixed", "value": 2**53 - 1},
        "resourceClass": "large-2",
        "noise": {
            "depolarizing": {"oneQubit": 0.1, "twoQubit": 0.2},
            "readout": {"prob1Given0": 0, "prob0Given1": 1},
            "relaxation": {
                "t1Microseconds": 1.5, "t2Microseconds": 3, "oneQubitGateNanoseconds": 0,
                "twoQubitGateNanoseconds": 300,
            },
        },
    }  # fmt: skip
    assert backends.get(backends.create(backend))["spec"] == backend


SESSION = {"backend": "aer_montreal"}
EARLY, LATE = "2026-11-26T12:00:00.000001Z", "2026-11-26T12:00:00.000002Z"


@pytest.fixture(scope="module")
def sessions(make_kind):
    """RuntimeSessions."""
    return make_kind("RuntimeSession")


def test_session_gets_its_defaults(sessions):
    """It is dedicated, open for eight hours, and accepts jobs."""
    made = sessions.get(sessions.create(SESSION))
    assert made["spec"] == {
        "backend": "aer_montreal", "mode": "dedicated", "maxTtlSeconds": 28800,
        "interactiveTtlSeconds": 60, "ttlSecondsAfterClosed": 604800, "acceptingJobs": True,
    }  # fmt: skip
    assert made["status"] == {"state": "open"}


BAD_SESSIONS = {
    "no backend": ({"mode": "batch"}, "backend"),
    "unknown mode": (SESSION | {"mode": "quick"}, "mode"),
    "no time": (SESSION | {"maxTtlSeconds": 0}, "maxTtlSeconds"),
    "a time that is none": (SESSION | {"closeRequestedAt": "soon"}, "closeRequestedAt"),
}


@pytest.mark.parametrize("case", BAD_SESSIONS)
def test_bad_session_is_refused_with_its_field(sessions, case):
    """The API server's answer names what is wrong."""
    spec, words = BAD_SESSIONS[case]
    with pytest.raises(ApiException) as refused:
        sessions.create(spec)
    assert refused.value.status == 422 and words in refused.value.body


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "batch"},
        {"backend": "other"},
        {"maxTtlSeconds": 5},
        {"hub": None},
        {"project": "p"},
    ],
    ids=str,
)
def test_session_is_immutable(sessions, change):
    """No field of the request changes, appears or goes."""
    name = sessions.create(SESSION | {"hub": "h"})
    with pytest.raises(ApiException) as refused:
        sessions.patch(name, spec=change)
    assert refused.value.status == 422 and "immutable" in refused.value.body


def test_session_is_closed_for_good_and_admits_no_job_afterwards(sessions):
    """The API server refuses by itself, beside the API's compare-and-set."""
    name = sessions.create(SESSION)
    sessions.patch(name, spec={"lastAdmittedAt": EARLY})
    sessions.patch(name, spec={"lastAdmittedAt": LATE})
    with pytest.raises(ApiException, match="never falls"):
        sessions.patch(name, spec={"lastAdmittedAt": EARLY})
    sessions.patch(name, spec={"acceptingJobs": False, "closeRequestedAt": LATE})
    for spec, words in (
        ({"acceptingJobs": True}, "can't accept them again"),
        ({"lastAdmittedAt": "2026-11-26T13:00:00Z"}, "admits none"),
        ({"closeRequestedAt": EARLY}, "never falls"),
    ):
        with pytest.raises(ApiException, match=words):
            sessions.patch(name, spec=spec)
    sessions.patch(name, spec={"cancelRequested": True})
    with pytest.raises(ApiException, match="can't be taken back"):
        sessions.patch(name, spec={"cancelRequested": None})


def test_closed_session_stays_closed(sessions):
    """The end of its last job may be told still."""
    name = sessions.create(SESSION)
    sessions.patch_status(name, state="closed", closedAt=EARLY)
    sessions.patch_status(name, lastJobCompletedAt=LATE, usageSeconds=1.5)
    for change in ({"state": "active"}, {"closedAt": LATE}, {"closedAt": None}):
        with pytest.raises(ApiException, match="stays closed"):
            sessions.patch_status(name, **change)
