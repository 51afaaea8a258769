"""Kubernetes Jobs that others suspend and resume, as Kueue does: a program runs once at most."""

import time

import pytest

from qiskit_runtime.contract.resources.resource import JOB_LABEL
from tests.cluster.stand import open_stand, wait_until
from tests.faults.history import FINAL

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """An installation whose pods find a node only once it has their label."""
    with open_stand(tmp_path_factory.mktemp("stand")) as stand:
        yield stand


def wait_for_reason(stand, name, reason, seconds=60):
    """The status of a job that waits, once it says this reason."""
    wait_until(
        lambda: stand.get(name).get("status", {}).get("reason") == reason,
        seconds,
        f"{name} says {reason}",
    )
    return stand.get(name)["status"]


def test_running_program_is_interrupted_and_never_runs_again(stand):
    """Suspended while it runs: Failed as Interrupted; there is nothing left to be resumed."""
    stand.submit("preempted", "count", '{"n": 2000}')
    stand.wait_for("preempted", "Running")
    assert stand.suspend("preempted", value=True)
    status = stand.wait_for("preempted", *FINAL, seconds=60)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Interrupted")
    assert "suspended while the job ran" in status["message"]
    wait_until(lambda: not stand.kubernetes_jobs("preempted"), 60, "its Kubernetes Job is gone")


def test_program_runs_once_also_where_no_operator_looks(stand):
    """Suspended and resumed while the operator is down: the second pod refuses the input."""
    stand.submit("unseen", "count", '{"n": 2000}')
    first = stand.wait_for("unseen", "Running")["status"]["podName"]
    stand.parts["operator"].kill()
    try:
        stand.suspend("unseen", value=True)
        label = f"{JOB_LABEL}=unseen"

        def pods():
            return stand.core.list_namespaced_pod(stand.namespace, label_selector=label).items

        wait_until(lambda: not pods(), 90, "its pod is gone")
        stand.suspend("unseen", value=False)
        second = wait_until(
            lambda: [pod for pod in pods() if pod.status.phase in ("Failed", "Succeeded")],
            90,
            "a second pod has ended",
        )[0]
    finally:
        stand.parts["operator"].start()
    (container,) = second.status.container_statuses
    assert container.state.terminated.exit_code == 64
    assert f"handed to the pod {first}" in container.state.terminated.message
    status = stand.wait_for("unseen", *FINAL)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Interrupted")


def test_job_that_is_suspended_before_its_pod_waits_without_a_clock(stand):
    """Neither Unschedulable after 10 s nor Failed at its deadline; resumed, it runs."""
    quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"count/pods": "0"}}}
    stand.core.create_namespaced_resource_quota(stand.namespace, quota)
    read = stand.core.read_namespaced_resource_quota
    wait_until(lambda: read("no-pods", stand.namespace).status.hard, 30, "the quota is in force")
    stand.submit("held", "count", '{"n": 1}', startDeadlineSeconds=11)
    wait_until(lambda: stand.suspend("held", value=True), 30, "there is a Kubernetes Job")
    status = wait_for_reason(stand, "held", "Suspended", 9)
    time.sleep(12)
    assert stand.get("held")["status"] == status
    assert status["phase"] == "Queued" and status["jobName"] in status["message"]
    stand.core.delete_namespaced_resource_quota("no-pods", stand.namespace)
    stand.suspend("held", value=False)
    assert stand.wait_for("held", *FINAL)["status"]["phase"] == "Completed"


def test_suspended_job_can_be_cancelled(stand):
    """The program never ran, and its Kubernetes Job is deleted."""
    stand.submit("withdrawn", "count", '{"n": 2000}', suspend=True)
    status = wait_for_reason(stand, "withdrawn", "Suspended")
    assert "spec.suspend" in status["message"]
    stand.patch("withdrawn", cancelRequested=True)
    status = stand.wait_for("withdrawn", *FINAL)["status"]
    assert (status["phase"], status["reason"]) == ("Cancelled", "CancelledByUser")


def test_pod_that_never_started_is_followed_by_another(tmp_path):
    """Suspended while its pod finds no node: the next pod gets the input, and runs."""
    with open_stand(tmp_path, RUNTIME_RUNNER_NODE_SELECTOR='{"tests/here": "yes"}') as stand:
        (node, *_) = stand.core.list_node().items
        stand.submit("pending", "count", '{"n": 1}')
        named = wait_for_reason(stand, "pending", "Unschedulable")["podName"]
        stand.suspend("pending", value=True)
        wait_for_reason(stand, "pending", "Suspended")
        stand.core.patch_node(node.metadata.name, {"metadata": {"labels": {"tests/here": "yes"}}})
        try:
            stand.suspend("pending", value=False)
            status = stand.wait_for("pending", *FINAL)["status"]
        finally:
            stand.core.patch_node(
                node.metadata.name, {"metadata": {"labels": {"tests/here": None}}}
            )
        assert status["phase"] == "Completed" and status["podName"] != named
