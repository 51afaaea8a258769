"""A pod's place, for each state that a kubelet reports."""

from datetime import UTC, datetime, timedelta

import pytest

from pod_place import find_place, is_over_time
from qiskit_runtime.contract.lifecycle import Place
from qiskit_runtime.contract.verdict import Outcome, Verdict

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOB = {"metadata": {"name": "j"}, "status": {}}
NOT_SCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}


def ago(seconds):
    """A moment as Kubernetes writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_pod(state=None, *, phase="Pending", metadata=None, conditions=(), **status):
    """A pod with one container in this state."""
    containers = [] if state is None else [{"state": state}]
    status |= {"phase": phase, "containerStatuses": containers, "conditions": list(conditions)}
    container = {"image": "x:1", "resources": {"requests": {"memory": "2Gi", "cpu": "250m"}}}
    return {
        "metadata": metadata or {},
        "spec": {"containers": [container]},
        "status": status,
    }


def ended(code, reason="Error", message=""):
    """A pod whose container has ended."""
    return make_pod({"terminated": {"exitCode": code, "reason": reason, "message": message}})


def failed_job(reason):
    """A Job that has failed."""
    return {"status": {"conditions": [{"type": "Failed", "status": "True", "reason": reason}]}}


CASES = {
    "no pod yet": (JOB, None, Place.STARTING, "no pod"),
    "no job either": (None, None, Place.JOB_DELETED, ""),
    "pod gone": (failed_job("BackoffLimitExceeded"), None, Place.DISRUPTED, "deleted"),
    "job over time": (failed_job("DeadlineExceeded"), None, Place.OVER_TIME, ""),
    "made": (JOB, make_pod(), Place.STARTING, "pending"),
    "no node": (
        JOB,
        make_pod(conditions=[NOT_SCHEDULED]),
        Place.UNSCHEDULABLE,
        "0/1 nodes: no cpu (it asks for cpu 250m, memory 2Gi)",
    ),
    "no image": (
        JOB,
        make_pod({"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}),
        Place.IMAGE_PULL,
        "image x:1: ImagePullBackOff: back-off",
    ),
    "creating": (
        JOB,
        make_pod({"waiting": {"reason": "ContainerCreating"}}),
        Place.STARTING,
        "ContainerCreating",
    ),
    "running": (JOB, make_pod({"running": {}}, phase="Running"), Place.RUNNING, ""),
    "being deleted": (
        JOB,
        make_pod({"running": {}}, metadata={"deletionTimestamp": ago(5)}),
        Place.RUNNING,
        "deleted while the job ran",
    ),
    "on a lost node": (
        JOB,
        make_pod({"running": {}}, metadata={"deletionTimestamp": ago(61)}),
        Place.DISRUPTED,
        "node does not answer",
    ),
    "ended": (JOB, ended(1, message="m"), Place.ENDED, "m"),
    "ended without its job": (None, ended(143), Place.JOB_DELETED, ""),
    "out of memory": (JOB, ended(137, "OOMKilled"), Place.OUT_OF_MEMORY, ""),
    "program out of memory, runner alive": (JOB, ended(3, "OOMKilled"), Place.ENDED, ""),
    "evicted": (
        JOB,
        make_pod(phase="Failed", reason="Evicted", message="disk"),
        Place.DISRUPTED,
        "evicted: disk",
    ),
    "shut down": (JOB, make_pod(phase="Failed", reason="Shutdown"), Place.DISRUPTED, "Shutdown"),
}


@pytest.mark.parametrize(("job", "pod", "where", "words"), CASES.values(), ids=CASES)
def test_pod_has_its_place(job, pod, where, words):
    """Each state of a pod is one place in the life cycle's words."""
    place = find_place(job, pod, NOW)
    assert place.place is where
    assert words in place.detail
    assert bool(place.detail) == bool(words)


@pytest.mark.parametrize(
    ("outcome", "code", "counts"),
    [
        (Outcome.SUCCEEDED, 0, True),
        (Outcome.OUT_OF_MEMORY, 3, True),
        (Outcome.SUCCEEDED, 1, False),
        (Outcome.SUCCEEDED, 137, False),
    ],
)
def test_termination_message_counts_only_with_its_exit_code(outcome, code, counts):
    """A program can write that file and then have its supervisor killed."""
    text = Verdict(outcome, final=True).to_json()
    place = find_place(JOB, ended(code, message=text), NOW)
    assert (place.verdict is not None) is counts
    assert place.exit_code == code


@pytest.mark.parametrize(("seconds", "over"), [(69, False), (71, True)])
def test_runner_has_a_minute_to_keep_its_own_time_limit(seconds, over):
    """Only then the cluster's clock decides: for a container that runs and for one that ended."""
    running = make_pod({"running": {"startedAt": ago(seconds)}})
    done = make_pod(
        {"terminated": {"exitCode": 0, "startedAt": ago(seconds), "finishedAt": ago(0)}}
    )
    assert [is_over_time(pod, 10, NOW) for pod in (running, done)] == [over, over]
    assert not is_over_time(None, 10, NOW)
