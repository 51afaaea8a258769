"""The Kubernetes objects of a RuntimeJob."""

import json

import pytest

from job_builder import NAME_LABEL, RunnerSettings, build_input, build_job
from qiskit_runtime.contract.handover import read_handover

JOB = {
    "metadata": {"name": "bell", "namespace": "jobs", "uid": "6f1c"},
    "spec": {
        "programId": "hello-quantum",
        "backend": "aer_simulator",
        "params": '{"greeting":  "Hi"}',
        "maxExecutionSeconds": 120,
        "startDeadlineSeconds": 1800,
    },
}
RUNNER = RunnerSettings("example.org/runner:1")


@pytest.fixture
def pod():
    """The pod's spec."""
    return build_job(JOB, RUNNER)["spec"]["template"]["spec"]


def test_input_is_what_the_runner_reads(tmp_path):
    """The mounted Secret is a hand-over document, its parameters verbatim."""
    for name, text in build_input(JOB, {"name": "aer_simulator"})["stringData"].items():
        (tmp_path / name).write_text(text)
    handover = read_handover(tmp_path)
    assert (handover.job_id, handover.program) == ("bell", "hello-quantum")
    assert handover.params == JOB["spec"]["params"]
    assert handover.max_execution_seconds == 120


def test_names_follow_from_the_uid():
    """A second operator makes the same objects, another RuntimeJob of the same name others."""
    again = {**JOB, "metadata": {**JOB["metadata"], "uid": "other"}}
    names = [build_job(job, RUNNER)["metadata"]["name"] for job in (JOB, JOB, again)]
    assert names[0] == names[1] != names[2]
    assert build_input(JOB, {})["metadata"]["name"] == names[0]
    assert all(len(name) <= 63 for name in names)


def test_everything_is_owned_by_the_runtimejob():
    """Deleting the RuntimeJob removes all of it, also with the operator gone."""
    for manifest in (build_input(JOB, {}), build_job(JOB, RUNNER)):
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("RuntimeJob", "6f1c")
        assert "blockOwnerDeletion" not in owner
        assert manifest["metadata"]["labels"] == {NAME_LABEL: "bell"}


def test_job_runs_its_pod_at_most_once(pod):
    """Nothing is retried behind the user's back, and the cluster ends what the runner did not."""
    spec = build_job(JOB, RUNNER)["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["activeDeadlineSeconds"] > 120
    assert pod["restartPolicy"] == "Never"


def test_pod_is_restricted(pod):
    """The pod passes Pod Security's level restricted, and has nothing to speak to the API with."""
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    assert "hostPath" not in json.dumps(pod["volumes"])


def test_client_text_reaches_neither_command_nor_environment(pod):
    """What a client sends is in the Secret alone."""
    (container,) = pod["containers"]
    assert "env" not in container
    assert "command" not in container
    assert "hello-quantum" not in json.dumps(build_job(JOB, RUNNER))
