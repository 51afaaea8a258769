"""Resource classes on a real cluster: a job runs in a pod of its backend's class."""

import json

import pytest

from qiskit_runtime.contract.resources.resource import CLASS_LABEL, JOB_LABEL, WARM_LABEL
from tests.cluster.stand import open_stand, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

MEMORY = "640Mi"
POOLS = {
    "RUNTIME_RUNNER_CLASSES": json.dumps({"large": {"memory": MEMORY}}),
    "RUNTIME_WARM_POOL_SIZE": "1",
    "RUNTIME_WARM_POOL_CLASSES": json.dumps({"large": {"size": 1}}),
    "RUNTIME_WARM_POOL_KEY": "of this test alone",
}
COUNT = json.dumps({"n": 20, "pause": 0.05})


def find_waiting(stand):
    """The names of the Jobs whose pods wait and are ready, by their classes."""
    idle = f"{WARM_LABEL},{JOB_LABEL}="
    jobs = stand.batch.list_namespaced_job(stand.namespace, label_selector=idle).items
    classes = {job.metadata.name: job.metadata.labels.get(CLASS_LABEL, "") for job in jobs}
    pods = stand.core.list_namespaced_pod(stand.namespace, label_selector=WARM_LABEL).items
    ready = {
        pod.metadata.labels["job-name"]
        for pod in pods
        if any(one.ready for one in pod.status.container_statuses or ())
    }
    return {classes[name]: name for name in ready & set(classes)}


def read_memory(stand, pod):
    """The memory limit of a pod."""
    found = stand.core.read_namespaced_pod(pod, stand.namespace)
    return found.spec.containers[0].resources.limits["memory"]


def test_job_takes_the_waiting_pod_of_its_backend_s_class(tmp_path):
    """Each class has a pod that waits; a job takes that of its class, which is replaced."""
    with open_stand(tmp_path, **POOLS) as stand:
        stand._create("runtimebackends", "RuntimeBackend", "big", {"resourceClass": "large"})
        both = {"", "large"}
        wait_until(lambda: set(find_waiting(stand)) == both, 180, "a pod of each class waits")
        before = find_waiting(stand)
        stand.submit("j", "count", COUNT, backend="big")
        status = stand.wait_for("j", "Completed", "Failed")["status"]
        assert (status["phase"], status["jobName"]) == ("Completed", before["large"])
        assert read_memory(stand, status["podName"]) == MEMORY
        wait_until(lambda: set(find_waiting(stand)) == both, 180, "another one waits")
        after = find_waiting(stand)
        assert after[""] == before[""] and after["large"] != before["large"]
        stand.submit("k", "count", COUNT)
        status = stand.wait_for("k", "Completed", "Failed")["status"]
        assert (status["phase"], status["jobName"]) == ("Completed", before[""])
        assert read_memory(stand, status["podName"]) == "512Mi"
