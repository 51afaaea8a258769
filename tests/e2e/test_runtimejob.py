"""A RuntimeJob on a real cluster: kubectl's way from a manifest to a result.

Needs ``KUBECONFIG`` and, in ``RUNTIME_RUNNER_IMAGE``, a runner image that the cluster has.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from qiskit_runtime.contract.resource import GROUP, VERSION

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("RUNTIME_RUNNER_IMAGE", "")
KIND = (GROUP, VERSION)
FINAL = ("Completed", "Failed", "Cancelled")


@pytest.fixture(scope="module")
def cluster():
    """A client of the cluster, with the CRD there."""
    if not (os.environ.get("KUBECONFIG") and IMAGE):
        reason = "no cluster: KUBECONFIG and RUNTIME_RUNNER_IMAGE name one"
        if os.environ.get("REQUIRE_CLUSTER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    config.load_kube_config()
    with client.ApiClient() as api:
        crd = yaml.safe_load((ROOT / "k8s" / "crds" / "runtimejobs.yaml").read_text())
        crds = client.ApiextensionsV1Api(api)
        try:
            crds.create_custom_resource_definition(crd)
        except ApiException as error:
            if error.status != 409:
                raise
        yield api


@pytest.fixture(scope="module")
def namespace(cluster):
    """A namespace of this run's own, at Pod Security's level restricted."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    core = client.CoreV1Api(cluster)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    core.create_namespace({"metadata": {"name": name, "labels": labels}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="module")
def jobs(cluster, namespace, tmp_path_factory):
    """Runs RuntimeJobs with an operator beside it: ``jobs(spec)`` is the ended resource."""
    api = client.CustomObjectsApi(cluster)
    environment = os.environ | {"RUNTIME_NAMESPACE": namespace}
    log = (tmp_path_factory.mktemp("operator") / "log").open("w")
    command = [sys.executable, "-m", "kopf", "run", "operator/main.py", "--namespace", namespace]
    operator = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
    )

    def run(spec, seconds=60):
        name = f"job-{uuid.uuid4().hex[:8]}"
        body = {
            "apiVersion": "/".join(KIND),
            "kind": "RuntimeJob",
            "metadata": {"name": name},
            "spec": spec,
        }
        api.create_namespaced_custom_object(*KIND, namespace, "runtimejobs", body)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = api.get_namespaced_custom_object(*KIND, namespace, "runtimejobs", name)
            if job.get("status", {}).get("phase") in FINAL:
                return job
            time.sleep(0.2)
        return pytest.fail(f"{name} did not end: {job}\n{Path(log.name).read_text()}")

    yield run
    operator.terminate()
    operator.wait(timeout=20)
    log.close()


def test_example_runs_in_one_pod_and_its_result_is_on_the_status(jobs, cluster, namespace):
    """What `kubectl apply -f k8s/examples/bell.yaml` asks for ends with a bell pair's counts."""
    example = yaml.safe_load((ROOT / "k8s" / "examples" / "bell.yaml").read_text())
    job = jobs(example["spec"])
    status = job["status"]
    assert (status["phase"], status["conditions"][0]["type"]) == ("Completed", "Completed")
    counts = json.loads(status["result"])
    assert set(counts) <= {"00 00", "11 00"}
    assert sum(counts.values()) == 1024
    assert status["record"]["complete"] is True
    pods = client.CoreV1Api(cluster).list_namespaced_pod(namespace).items
    assert [pod.metadata.name for pod in pods] == [status["podName"]]


def test_failure_is_explained_on_the_status(jobs):
    """A job that was called wrongly says how, on its status and as a condition."""
    status = jobs({"programId": "hello-quantum"})["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "InvalidParams")
    assert "greeting" in status["conditions"][0]["message"]


def test_finished_status_is_final(jobs, cluster, namespace):
    """The API server refuses another phase for a job that has ended."""
    job = jobs({"programId": "hello-quantum", "params": '{"greeting": 1}'})
    job["status"]["phase"] = "Failed"
    api = client.CustomObjectsApi(cluster)
    name = job["metadata"]["name"]
    with pytest.raises(ApiException, match="final"):
        api.replace_namespaced_custom_object_status(*KIND, namespace, "runtimejobs", name, job)


def test_unknown_backend_fails_alone(jobs):
    """A mistake that no pod is needed to see is told at once."""
    status = jobs({"programId": "hello-quantum", "backend": "nope"}, seconds=10)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "UnknownBackend")
