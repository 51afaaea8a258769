"""The state of a pod, for each one that a kubelet reports."""

from datetime import timedelta

import pytest

from controller.observe.parse import parse_job, parse_pod
from controller.observe.pod_state import can_run_again, is_over_time, read_pod_state
from qiskit_runtime.contract.lifecycle import RunnerState
from qiskit_runtime.contract.resources.resource import CLAIMED_AT
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from tests.operator.manifests import NOW, ago, warm_run_manifest, whole

JOB = {"metadata": {"name": "j"}, "status": {}}
NOT_SCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}


def as_job(manifest):
    """A Job, parsed."""
    return manifest and parse_job(whole(manifest, "j"))


def as_pod(manifest):
    """A pod, parsed."""
    return manifest and parse_pod(whole(manifest, "p"))


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


def suspended(value=True, **status):
    """A Job that somebody holds, or has let go again."""
    return {"metadata": {"name": "j"}, "spec": {"suspend": value}, "status": status}


def condition(kind, status="True"):
    """A Job's condition."""
    return {"type": kind, "status": status}


DELETED = {"name": "p", "deletionTimestamp": ago(5)}
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "message": "Taint manager: deleting"}
LOST = {"reason": "ContainerStatusUnknown", "exitCode": 137}
"""What a kubelet says of a container that it never made, when the pod is deleted."""

CASES = {
    "suspended before its pod": (suspended(), None, RunnerState.SUSPENDED, "j is suspended"),
    "suspended while its pod waits": (
        suspended(),
        make_pod(conditions=[NOT_SCHEDULED]),
        RunnerState.SUSPENDED,
        "j is suspended",
    ),
    "suspended, pod never ran": (
        suspended(),
        make_pod({"terminated": LOST}, phase="Failed", metadata=DELETED),
        RunnerState.SUSPENDED,
        "j is suspended",
    ),
    "resumed, pod never ran": (
        suspended(value=False),
        make_pod({"terminated": LOST}, phase="Failed", metadata=DELETED),
        RunnerState.STARTING,
        "no pod",
    ),
    "suspended while it runs": (
        suspended(),
        make_pod({"running": {}}, metadata=DELETED),
        RunnerState.RUNNING,
        "suspended while the job ran",
    ),
    "suspended, and the runner killed": (
        suspended(),
        make_pod({"terminated": {"exitCode": 137, "startedAt": ago(9)}}, metadata=DELETED),
        RunnerState.DISRUPTED,
        "suspended while the job ran",
    ),
    "resumed before the input was taken back": (
        suspended(value=False, conditions=[condition("Suspended", "False")]),
        ended(64, message="the job was handed to the pod p"),
        RunnerState.DISRUPTED,
        "suspended: the job was handed to the pod p",
    ),
    "suspended after it failed": (
        {**suspended(), "status": failed_job("BackoffLimitExceeded")["status"]},
        None,
        RunnerState.DISRUPTED,
        "suspended",
    ),
    "no pod yet": (JOB, None, RunnerState.STARTING, "no pod"),
    "no job either": (None, None, RunnerState.JOB_DELETED, ""),
    "pod gone": (failed_job("BackoffLimitExceeded"), None, RunnerState.DISRUPTED, "deleted"),
    "job over time": (failed_job("DeadlineExceeded"), None, RunnerState.OVER_TIME, ""),
    "made": (JOB, make_pod(), RunnerState.STARTING, "pending"),
    "no node": (
        JOB,
        make_pod(conditions=[NOT_SCHEDULED]),
        RunnerState.UNSCHEDULABLE,
        "0/1 nodes: no cpu (it asks for cpu 250m, memory 2Gi)",
    ),
    "no image": (
        JOB,
        make_pod({"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}),
        RunnerState.IMAGE_PULL,
        "image x:1: ImagePullBackOff: back-off",
    ),
    "creating": (
        JOB,
        make_pod({"waiting": {"reason": "ContainerCreating"}}),
        RunnerState.STARTING,
        "ContainerCreating",
    ),
    "running": (JOB, make_pod({"running": {}}, phase="Running"), RunnerState.RUNNING, ""),
    "being deleted": (
        JOB,
        make_pod({"running": {}}, metadata={"deletionTimestamp": ago(5)}),
        RunnerState.RUNNING,
        "deleted while the job ran",
    ),
    "being evicted": (
        JOB,
        make_pod({"running": {}}, metadata=DELETED, conditions=[DISRUPTED]),
        RunnerState.RUNNING,
        "deleted while the job ran (Taint manager: deleting)",
    ),
    "on a lost node": (
        JOB,
        make_pod({"running": {}}, metadata={"deletionTimestamp": ago(61)}),
        RunnerState.DISRUPTED,
        "node does not answer",
    ),
    "ended": (JOB, ended(1, message="m"), RunnerState.ENDED, "m"),
    "ended without its job": (None, ended(143), RunnerState.JOB_DELETED, ""),
    "out of memory": (JOB, ended(137, "OOMKilled"), RunnerState.OUT_OF_MEMORY, ""),
    "program out of memory, runner alive": (JOB, ended(3, "OOMKilled"), RunnerState.ENDED, ""),
    "evicted": (
        JOB,
        make_pod(phase="Failed", reason="Evicted", message="disk"),
        RunnerState.DISRUPTED,
        "evicted: disk",
    ),
    "shut down": (
        JOB,
        make_pod(phase="Failed", reason="Shutdown"),
        RunnerState.DISRUPTED,
        "Shutdown",
    ),
}


@pytest.mark.parametrize(("job", "pod", "runner", "words"), CASES.values(), ids=CASES)
def test_pod_has_its_state(job, pod, runner, words):
    """Each state of a pod is one of the life cycle's runner states."""
    state = read_pod_state(as_job(job), as_pod(pod), NOW)
    assert state.runner is runner
    assert words in state.detail
    assert bool(state.detail) == bool(words)


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
    state = read_pod_state(as_job(JOB), as_pod(ended(code, message=text)), NOW)
    assert (state.verdict is not None) is counts
    assert state.exit_code == code


CAUSES = {
    "deleted": ({"metadata": DELETED, "conditions": [DISRUPTED]}, "(Taint manager: deleting)"),
    "a node that shuts down": (
        {"phase": "Failed", "reason": "Terminated", "message": "imminent node shutdown"},
        "Terminated: imminent node shutdown",
    ),
    "unknown": ({}, ""),
}


@pytest.mark.parametrize(("fields", "words"), CAUSES.values(), ids=CAUSES)
def test_runner_that_was_told_to_end_was_told_by_somebody(fields, words):
    """The pod says who it was, also when its runner has left with a verdict."""
    text = Verdict(Outcome.TERMINATED, signal=15).to_json()
    state = {"terminated": {"exitCode": 143, "startedAt": ago(9), "message": text}}
    found = read_pod_state(as_job(JOB), as_pod(make_pod(state, **fields)), NOW)
    assert found.runner is RunnerState.ENDED
    assert words in found.detail and bool(words) == bool(found.detail)


@pytest.mark.parametrize(("seconds", "over"), [(69, False), (71, True)])
def test_runner_has_a_minute_to_keep_its_own_time_limit(seconds, over):
    """Only then the cluster's clock decides: for a container that runs and for one that ended."""
    running = make_pod({"running": {"startedAt": ago(seconds)}})
    done = make_pod(
        {"terminated": {"exitCode": 0, "startedAt": ago(seconds), "finishedAt": ago(0)}}
    )
    assert [is_over_time(None, as_pod(pod), 10, NOW) for pod in (running, done)] == [over, over]
    assert not is_over_time(None, None, 10, NOW)


def test_time_that_a_pod_has_waited_for_its_job_is_none_of_the_jobs():
    """A pod that was started ahead is over its time when the job is, not when the pod is."""
    pod = make_pod({"running": {"startedAt": ago(3000)}})
    claims = {seconds: {"annotations": {CLAIMED_AT: ago(seconds)}} for seconds in (69, 71)}
    runs = [parse_job(warm_run_manifest(owner="u", **claims[seconds])) for seconds in (69, 71)]
    assert [is_over_time(run, as_pod(pod), 10, NOW) for run in runs] == [False, True]
    assert [run.waited_seconds(NOW) for run in runs] == [69, 71]


def test_pod_that_never_ran_has_no_log():
    """Nobody follows it, so that the one after it can be followed."""
    never = make_pod({"terminated": LOST}, metadata=DELETED)
    ran = make_pod({"terminated": {**LOST, "startedAt": ago(9)}}, metadata=DELETED)
    assert (as_pod(never).has_log, as_pod(ran).has_log) == (False, True)


CLOCKS = {
    "made": ({}, {}, 60),
    "taken up": ({}, {"startTime": ago(50)}, 50),
    "suspended": ({"suspend": True}, {"startTime": ago(50)}, None),
    "being resumed": (
        {"suspend": False},
        {"startTime": ago(50), "conditions": [condition("Suspended")]},
        None,
    ),
    "resumed": (
        {"suspend": False},
        {"startTime": ago(3), "conditions": [condition("Suspended", "False")]},
        3,
    ),
}


@pytest.mark.parametrize(("spec", "status", "seconds"), CLOCKS.values(), ids=CLOCKS)
def test_clock_of_a_suspended_job_stands(spec, status, seconds):
    """The clock counts from the Job's start, which Kubernetes sets again at each resume."""
    job = {"metadata": {"creationTimestamp": ago(60)}, "spec": spec, "status": status}
    assert as_job(job).waits_since == (
        None if seconds is None else NOW - timedelta(seconds=seconds)
    )


ALIVE = make_pod({"running": {}}, metadata={"name": "p"})
AGAIN = {
    "its Job is gone": (None, None, False),
    "the pod is ending": (suspended(value=False), ALIVE, False),
    "suspended": (suspended(), ALIVE, True),
    "being resumed": (suspended(value=False, conditions=[condition("Suspended")]), ALIVE, True),
    "no pod": (suspended(value=False), None, True),
    "pod deleted": (suspended(value=False), make_pod(metadata=DELETED), True),
    "another pod": (suspended(value=False), make_pod(metadata={"name": "q"}), True),
    "complete": (suspended(conditions=[condition("Complete")]), None, False),
    "failed": (suspended(conditions=[condition("Failed")]), None, False),
    "not failed": (suspended(conditions=[condition("Failed", "False")]), None, True),
    "going": ({**suspended(), "metadata": DELETED}, None, False),
}


@pytest.mark.parametrize(("job", "pod", "again"), AGAIN.values(), ids=AGAIN)
def test_job_that_can_make_another_pod_is_found(job, pod, again):
    """After the end of its RuntimeJob only a Job that is over, or about to be, may stay."""
    assert can_run_again("p", as_job(job), as_pod(pod)) is again
