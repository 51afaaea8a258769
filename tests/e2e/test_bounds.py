"""The bounds of a namespace, on a real API server: a number of jobs, and a platform's quotas."""

import httpx
import pytest
from kubernetes.client.exceptions import ApiException

from tests.cluster.stand import open_stand, wait_until
from tests.faults.history import FINAL

pytestmark = pytest.mark.cluster

IMPATIENT = "from controller.record import archive; archive.QUOTA_SECONDS = 1.0"
BODY = {
    "programId": "hello-quantum", "hub": "h", "group": "g", "project": "p",
    "backend": "aer_simulator", "params": ['{"greeting": "Hi"}'],
}  # fmt: skip


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """Three jobs at most; the operator waits one second for a quota."""
    with open_stand(tmp_path_factory.mktemp("stand"), RUNTIME_MAX_JOBS="3") as stand:
        stand.parts["operator"].kill()
        stand.start_operator(script=IMPATIENT)
        yield stand


def set_quota(stand, **hard):
    """A quota that is in force."""
    hard = {name.replace("__", "/"): value for name, value in hard.items()}
    stand.core.create_namespaced_resource_quota(
        stand.namespace, {"metadata": {"name": "q"}, "spec": {"hard": hard}}
    )
    read = stand.core.read_namespaced_resource_quota
    # It refuses as soon as it knows what there is.
    wait_until(lambda: read("q", stand.namespace).status.used, 120, "the quota is in force")


@pytest.fixture
def quota(stand):
    """Sets a quota, until the test ends."""
    yield lambda **hard: set_quota(stand, **hard)
    stand.core.delete_namespaced_resource_quota("q", stand.namespace)


@pytest.fixture(autouse=True)
def clean(stand):
    """Each test begins without jobs, for the API too."""
    for name in stand.jobs():
        stand.delete(name)
    wait_until(lambda: count_jobs(stand) == 0, 60, "the API knows no job")


def count_jobs(stand):
    """Return the number of jobs that the API knows; None while it starts."""
    try:
        return httpx.get(f"{stand.url}/jobs", timeout=10).json()["total"]
    except httpx.HTTPError:
        return None


def post(stand):
    """The answer to a job."""
    return httpx.post(f"{stand.url}/jobs", json=BODY, timeout=10)


def test_post_over_the_number_is_429_until_one_is_deleted(stand):
    """Jobs of kubectl count too; the answer has the number, and when to come again."""
    for number in range(3):
        stand.submit(f"held-{number}", "count", suspend=True)
    wait_until(lambda: post(stand).status_code == 429, 30, "the API knows all of them")
    refused = post(stand)
    assert "3 jobs of at most 3" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    stand.delete("held-0")
    wait_until(lambda: post(stand).status_code == 200, 30, "there is room")


def test_quota_bounds_kubectl_and_is_a_429_over_rest(stand, quota):
    """The chart's quota counts RuntimeJobs, of kubectl and of the API alike."""
    quota(**{"count__runtimejobs.qiskit-runtime.dev": "0"})
    with pytest.raises(ApiException, match="exceeded quota"):
        stand.submit("one-too-many", "count")
    answer = post(stand)
    assert answer.status_code == 429 and "ResourceQuota" in answer.json()["detail"]


def test_input_that_a_quota_refuses_is_a_reason_with_a_deadline(stand, quota):
    """The job says what it waits for, and fails at its deadline; it does not hang."""
    quota(count__secrets="0")
    stand.submit("no-input", "count", startDeadlineSeconds=15)
    wait_until(
        lambda: stand.get("no-input").get("status", {}).get("reason") == "Unschedulable",
        60,
        "it says so",
    )
    assert "refuses the Secret of its input" in stand.get("no-input")["status"]["message"]
    status = stand.wait_for("no-input", *FINAL)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Unschedulable")


def test_job_whose_record_a_quota_refuses_has_its_end(stand, quota):
    """The result is on the status; the logs are gone as evicted ones are, with 410."""
    stand.submit("no-record", "count", '{"n": 100, "pause": 0.1}')
    stand.wait_for("no-record", "Running")
    quota(count__secrets="0")
    status = stand.wait_for("no-record", *FINAL)["status"]
    assert status["phase"] == "Completed" and '"n": 100' in status["result"]
    assert status["record"]["secrets"] == []
    answer = httpx.get(f"{stand.url}/jobs/no-record/logs", timeout=10)
    assert answer.status_code == 410
