"""A session holds a pod of its own: its jobs start at once, and nobody else's takes it."""

import json
import time

import pytest

from qiskit_runtime.contract.resources.resource import JOB_LABEL, SESSION_LABEL, WARM_LABEL
from tests.cluster.stand import open_stand, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

POOL = {"RUNTIME_WARM_POOL_PER_SESSION": "1", "RUNTIME_WARM_POOL_KEY": "of this test alone"}
COUNT = json.dumps({"n": 20, "pause": 0.05})
SESSION = {"mode": "dedicated", "backend": "aer_simulator", "acceptingJobs": True}


def find_held(stand):
    """The Jobs that wait for the session's jobs."""
    label = f"{SESSION_LABEL}=s,{JOB_LABEL}="
    jobs = stand.batch.list_namespaced_job(stand.namespace, label_selector=label).items
    return {job.metadata.name for job in jobs}


def has_ready_pod(stand):
    """Return whether a pod waits for the session's next job."""
    pods = stand.core.list_namespaced_pod(stand.namespace, label_selector=WARM_LABEL).items
    held = find_held(stand)
    mine = [pod for pod in pods if pod.metadata.labels["job-name"] in held]
    return any(one.ready for pod in mine for one in pod.status.container_statuses or ())


def test_session_holds_a_pod_while_it_is_active(tmp_path):
    """Each of its jobs takes over one that was started while the job before it ran."""
    with open_stand(tmp_path, **POOL) as stand:
        stand._create("runtimesessions", "RuntimeSession", "s", {**SESSION, "maxTtlSeconds": 600})
        for number in range(3):
            wait_until(lambda: has_ready_pod(stand), 120, "a pod waits for the session")
            # The operator's watch is as far as this one soon.
            time.sleep(1)
            stand.submit(f"j{number}", "count", COUNT, sessionId="s")
            status = stand.wait_for(f"j{number}", "Completed", "Failed")["status"]
            assert status["phase"] == "Completed"
            assert status["jobName"].startswith("warm-"), status
        wait_until(lambda: has_ready_pod(stand), 120, "a pod waits for the session")
        stand.submit("other", "count", COUNT)
        assert stand.wait_for("other", "Completed")["status"]["jobName"].startswith("other-")
        stand.custom.patch_namespaced_custom_object(
            "qiskit-runtime.dev", "v1alpha1", stand.namespace, "runtimesessions", "s",
            {"spec": {"acceptingJobs": False}},
        )  # fmt: skip
        wait_until(lambda: not find_held(stand), 60, "its pod is given back")
