"""A pool of pods that wait for jobs, on an installed chart: its rights, policies and addresses."""

import json
import time

import pytest

from tests.charts.conftest import CHART
from tests.charts.test_installation import BELL

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

IDLE = "qiskit-runtime.dev/warm,qiskit-runtime.dev/runtimejob="


def idle_jobs(tools, namespace):
    """The Jobs that wait for a RuntimeJob, by name."""
    found = json.loads(tools.kubectl("-n", namespace, "get", "jobs", "-l", IDLE, "-o", "json"))
    return {one["metadata"]["name"]: one for one in found["items"]}


def wait_for(holds):
    """Return the first true answer."""
    until = time.monotonic() + 120
    while not (answer := holds()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.5)
    return answer


def test_job_of_an_installation_takes_over_a_pod(tools):
    """The operator's own account claims the Job, and reaches the pod; another takes its place."""
    with tools.namespace() as namespace:
        tools.helm(
            "install", "r", str(CHART), f"--namespace={namespace}", *tools.local_images(),
            "--wait", "--timeout=3m", "--set=crds.install=false", "--set=api.replicas=1",
            "--set=jobs.namespace=", "--set=redis.persistence.enabled=false",
            "--set=runner.memory=512Mi", "--set=warmPool.size=1",
        )  # fmt: skip

        def is_ready():
            jobs = idle_jobs(tools, namespace).items()
            return [name for name, job in jobs if job.get("status", {}).get("ready")]

        [name] = wait_for(is_ready)
        tools.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(BELL))
        wait = ("wait", "--for=condition=Completed", "rj/bell", "--timeout=60s")
        tools.kubectl("-n", namespace, *wait)
        job = json.loads(tools.kubectl("-n", namespace, "get", "rj", "bell", "-o", "json"))
        assert job["status"]["jobName"] == name
        assert sum(json.loads(job["status"]["result"]).values()) == 1024
        run = json.loads(tools.kubectl("-n", namespace, "get", "job", name, "-o", "json"))
        assert run["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        assert set(wait_for(is_ready)) == set(idle_jobs(tools, namespace)) != {name}
        tools.kubectl("-n", namespace, "delete", "rj", "bell")
        wait_for(lambda: not tools.run("kubectl", "-n", namespace, "get", "job", name).stdout)
        tools.kubectl("delete", "namespace", namespace, "--timeout=120s")
