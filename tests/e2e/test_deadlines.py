"""The operator's deadlines, and an operator that was away, on a real API server.

What follows when is in the table of ``tests/operator/test_decide.py``; here each is waited for
once, those of an installation at the same time.
"""

import time

import pytest

from tests.cluster.stand import open_stand, wait_until
from tests.faults.history import FINAL

pytestmark = pytest.mark.cluster

DEAF = """
from controller.observe import resync
from controller.watches import KindInView
resync.ROUND_SECONDS, resync.DELAY_SECONDS = 2.0, 0.2
put = KindInView.put
def deaf_put(self, manifest):
    if manifest.get("kind") != "RuntimeJob":
        put(self, manifest)
KindInView.put = deaf_put
"""
"""An operator whose watch of RuntimeJobs brings nothing."""


def has_reason(stand, name, reason):
    """Return whether the job waits for this reason."""
    return stand.get(name).get("status", {}).get("reason") == reason


UNSTARTABLE = {
    "unschedulable": ("Unschedulable", ["900Gi", "Insufficient memory"]),
    "image": ("ImagePull", ["localhost/no-such-image:1"]),
}


def submit_unstartable(stand, name):
    """Submit a job whose pod can't start, and wait until its status says why."""
    reason, words = UNSTARTABLE[name]
    stand.submit(name, "count", startDeadlineSeconds=30)
    wait_until(lambda: has_reason(stand, name, reason), 29, f"it says {reason}")
    waiting = stand.get(name)["status"]
    assert waiting["phase"] == "Queued"
    assert all(word in waiting["message"] for word in words), waiting


def test_pod_that_can_not_start_says_why_and_ends_at_its_deadline(tmp_path):
    """While it waits the reason is on the status, with what was asked for; then it fails."""
    with open_stand(tmp_path, RUNTIME_RUNNER_MEMORY="900Gi") as stand:
        submit_unstartable(stand, "unschedulable")
        stand.parts["operator"].kill()
        stand.start_operator(RUNTIME_RUNNER_IMAGE="localhost/no-such-image:1")
        submit_unstartable(stand, "image")
        for name, (reason, words) in UNSTARTABLE.items():
            status = stand.wait_for(name, *FINAL, seconds=50)["status"]
            assert (status["phase"], status["reason"]) == ("Failed", reason)
            assert "30 s" in status["message"] and words[0] in status["message"]


QUOTAS = {
    "no-pod": ({"count/pods": "0"}, "kubectl describe job"),
    "no-job": ({"count/jobs.batch": "0"}, "exceeded quota"),
}


def set_quota(stand, name, hard):
    """Make a quota, and wait until it is in force."""
    body = {"metadata": {"name": name}, "spec": {"hard": hard}}
    stand.core.create_namespaced_resource_quota(stand.namespace, body)
    read = stand.core.read_namespaced_resource_quota
    wait_until(lambda: read(name, stand.namespace).status.hard == hard, 20, "the quota is in force")


def test_quota_that_holds_a_job_is_named_and_has_a_deadline(tmp_path):
    """A cluster that refuses the Job or its pod is quoted on the status; later the job fails."""
    with open_stand(tmp_path) as stand:
        # First the one that has a Job, as none is made any more after the second.
        for name, (hard, words) in QUOTAS.items():
            set_quota(stand, name, hard)
            stand.submit(name, "count", startDeadlineSeconds=25)
            wait_until(lambda: has_reason(stand, name, "Unschedulable"), 24, "it says so")  # noqa: B023  (at once)
            assert words in stand.get(name)["status"]["message"]
        for name, (_, words) in QUOTAS.items():
            status = stand.wait_for(name, *FINAL, seconds=60)["status"]
            assert (status["phase"], status["reason"]) == ("Failed", "Unschedulable")
            assert words in status["message"] and "25 s" in status["message"]


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """An installation where one job waits for its parameters, from the beginning."""
    with open_stand(tmp_path_factory.mktemp("patient")) as stand:
        stand.submit("orphan", "count", None, paramsFrom={"secretName": "orphan-params"})
        yield stand


def start_unnoticed(stand):
    """Have the operator die when it has made a job's Kubernetes Job and written nothing of it.

    Where the node is full for a moment, the status says so, and with it the Job's name: the next.
    """
    for number in range(5):
        name = f"once-{number}"
        stand.submit(name, "count", '{"n": 5}')
        wait_until(lambda: len(stand.left_of(name)) >= 3, 30, "its Job, pod and input are there")  # noqa: B023  (at once)
        stand.parts["operator"].kill()
        if "jobName" not in stand.get(name)["status"]:
            return name
        stand.parts["operator"].start()
    pytest.fail("it was written down each time")


def test_job_that_ran_while_nobody_wrote_it_down_is_not_run_again(patient):
    """An operator that dies when it has made the Job, and comes back when that is gone."""
    name = start_unnoticed(patient)
    (job,) = patient.kubernetes_jobs(name)
    patient.batch.delete_namespaced_job(
        job.metadata.name, patient.namespace, propagation_policy="Foreground"
    )
    wait_until(lambda: not patient.kubernetes_jobs(name), 60, "gone")
    time.sleep(31)
    patient.parts["operator"].start()
    status = patient.wait_for(name, *FINAL, seconds=60)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "JobDeleted")
    assert not patient.kubernetes_jobs(name)


def test_input_that_never_comes_fails_the_job(patient):
    """Parameters that nobody writes are waited for a minute, not for ever."""
    status = patient.wait_for("orphan", *FINAL, seconds=100)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "InputLost")
    assert "60 s" in status["message"]


def test_deaf_watch_costs_at_most_a_round(patient):
    """Objects that a watch has missed are found by the operator's resync."""
    patient.parts["operator"].kill()
    operator = patient.start_operator("deaf", DEAF)
    patient.submit("unheard", "count", '{"n": 1}')
    assert patient.wait_for("unheard", *FINAL, seconds=150)["status"]["phase"] == "Completed"
    assert "its watch has missed something" in operator.log()
