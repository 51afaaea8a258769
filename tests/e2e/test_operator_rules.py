"""The operator's rules on a real API server, each by what a user of kubectl sees of it.

The operator under test is a process of this machine, with a namespace of its own and little room.
"""

import json
import re
import time

import httpx
import pytest
from kubernetes import watch
from kubernetes.client.exceptions import ApiException

from qiskit_runtime.contract.resources.resource import GROUP, JOB_LABEL, VERSION
from tests.cluster.stand import open_stand, wait_until

pytestmark = pytest.mark.cluster

ENDED = ("Completed", "Failed", "Cancelled")
SLEEP = """
import time

def main(backend, messenger, seconds=600):
    messenger.publish("runs")
    time.sleep(seconds)
    return seconds
"""
STUBBORN = """
import signal, time

def main(backend, messenger):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    messenger.publish("runs")
    time.sleep(600)
"""
NOISY = """
import random

def main(backend, messenger):
    # What does not compress.
    print(random.randbytes(1_000_000).hex())
    return "kept"
"""


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    """Two jobs at once, 3 MiB of records, 512 MiB a pod."""
    folder = tmp_path_factory.mktemp("stand")
    room = {"RUNTIME_MAX_RUNNING_JOBS": "2", "RUNTIME_STORAGE_BUDGET_MIB": "3"}
    with open_stand(folder, **room) as stand:
        stand.install("sleep", SLEEP)
        stand.install("stubborn", STUBBORN)
        stand.install("noisy", NOISY)
        yield stand


def status_of(stand, name, seconds=90.0):
    """The status of a job that has ended."""
    return stand.wait_for(name, *ENDED, seconds=seconds)["status"]


def test_ended_job_has_one_job_one_pod_and_no_traces_of_kopf(stand):
    """Neither finalizers nor annotations of ours are left, and every transition has its Event."""
    uid = stand.submit("plain", "count", '{"n": 3, "pause": 0.5}')
    assert status_of(stand, "plain")["phase"] == "Completed"
    metadata = stand.get("plain")["metadata"]
    assert "finalizers" not in metadata
    assert not [key for key in metadata.get("annotations", {}) if "kopf" in key]
    label = f"{JOB_LABEL}=plain"
    assert len(stand.core.list_namespaced_pod(stand.namespace, label_selector=label).items) == 1
    assert len(stand.batch.list_namespaced_job(stand.namespace, label_selector=label).items) == 1
    selector = f"involvedObject.uid={uid}"

    def told():
        events = stand.core.list_namespaced_event(stand.namespace, field_selector=selector).items
        return {event.reason for event in events} == {"Started", "Running", "Completed"}

    wait_until(told, 60, "the Events of a job that completed")


def test_gate_lets_two_run_and_the_others_in_their_order(stand):
    """No more jobs than the limit run at once, first come first served; a cancelled one is out."""
    names = [f"gate-{number}" for number in range(5)]
    before = stand.batch.list_namespaced_job(stand.namespace).metadata.resource_version
    for name in names:
        # So long that the first two still run when the fourth is cancelled.
        stand.submit(name, "sleep", '{"seconds": 7}')
        if name == "gate-3":
            stand.patch(name, cancelRequested=True)
        # Times of creation are whole seconds; the order of these shall be known.
        time.sleep(1.1)
    most = 0

    def all_ended():
        nonlocal most
        # Of one moment: read one by one, a job that ends and its successor both run.
        jobs = stand.jobs()
        phases = [jobs[name].get("status", {}).get("phase") for name in names]
        most = max(most, phases.count("Running"))
        return all(phase in ENDED for phase in phases)

    wait_until(all_ended, 150, "all jobs of the gate have ended")
    phases = {name: stand.phase(name) for name in names}
    assert most <= 2
    assert phases.pop("gate-3") == "Cancelled"
    assert set(phases.values()) == {"Completed"}
    # Their pods may start in another order, on two nodes.
    assert admitted_since(stand, before) == [*phases]


def admitted_since(stand, version):
    """The names of the jobs whose Kubernetes Jobs were made after a version, in their order."""
    stream = watch.Watch().stream(
        stand.batch.list_namespaced_job,
        stand.namespace,
        label_selector=JOB_LABEL,
        resource_version=version,
        timeout_seconds=2,
    )
    return [
        event["object"].metadata.labels[JOB_LABEL] for event in stream if event["type"] == "ADDED"
    ]


def test_suspended_job_waits_and_goes_on(stand):
    """`suspend: true` holds a queued job; others pass it; false lets it run."""
    stand.submit("held", "count", '{"n": 1}', suspend=True)
    stand.submit("passes", "count", '{"n": 1}')
    assert status_of(stand, "passes")["phase"] == "Completed"
    assert stand.phase("held") == "Queued" and not stand.left_of("held")
    stand.patch("held", suspend=False)
    assert status_of(stand, "held")["phase"] == "Completed"


@pytest.mark.parametrize("program", ["sleep", "stubborn"])
def test_cancel_by_patch_ends_a_running_program(stand, program):
    """A patch is enough, also for a program that ignores SIGTERM."""
    name = f"cancel-{program}"
    stand.submit(name, program)
    stand.wait_for(name, "Running")
    time.sleep(2)
    stand.patch(name, cancelRequested=True)
    status = status_of(stand, name, 20)
    assert (status["phase"], status["reason"]) == ("Cancelled", "CancelledByUser")
    wait_until(
        lambda: all(
            pod.status.phase in ("Succeeded", "Failed")
            for pod in stand.core.list_namespaced_pod(
                stand.namespace, label_selector=f"{JOB_LABEL}={name}"
            ).items
        ),
        40,
        "its pod has ended",
    )


def test_job_over_time_is_ended_with_its_limit_named(stand):
    """MaxExecutionSeconds is kept, and the message says it."""
    stand.submit("long", "sleep", maxExecutionSeconds=3)
    status = status_of(stand, "long")
    assert (status["phase"], status["reason"]) == ("Cancelled", "RanTooLong")
    assert "3 s" in status["message"]


def test_out_of_memory_names_limit_and_peak(stand):
    """A person can read how much there was, and how much was asked for."""
    stand.submit("hungry", "hog")
    status = status_of(stand, "hungry")
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfMemory")
    assert "512 MiB" in status["message"]
    (condition,) = status["conditions"]
    assert condition["message"] == status["message"]


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"backend": "nope"}, "UnknownBackend", "nope"),
        ({"program": "nothing-like-it"}, "UnknownProgram", "nothing-like-it"),
    ],
)
def test_what_no_pod_can_run_fails_at_once(stand, spec, reason, words):
    """A name that nobody has costs no pod."""
    spec = {"program": "count", **spec}
    stand.submit(reason.lower(), spec.pop("program"), **spec)
    status = status_of(stand, reason.lower(), 10)
    assert (status["phase"], status["reason"]) == ("Failed", reason)
    assert words in status["message"]
    assert not stand.left_of(reason.lower())


def test_ended_job_goes_after_its_time(stand):
    """TtlSecondsAfterFinished removes the job and all that it owned."""
    stand.submit("short-lived", "count", '{"n": 1}', ttlSecondsAfterFinished=3)
    wait_until(lambda: "short-lived" in stand.jobs(), 5, "it is there")
    wait_until(lambda: "short-lived" not in stand.jobs(), 60, "it is gone")
    wait_until(lambda: not stand.left_of("short-lived"), 60, "so is what it owned")


def test_storage_budget_drops_the_oldest_records(stand):
    """Over the budget old records go and say so; results stay; what does not fit is a 429."""
    names = [f"noisy-{number}" for number in range(5)]
    for name in names:
        stand.submit(name, "noisy")
        assert status_of(stand, name)["phase"] == "Completed"

    def logs(name):
        return httpx.get(f"{stand.url}/jobs/{name}/logs", timeout=10).status_code

    wait_until(lambda: logs(names[0]) == 410, 90, "the oldest record is gone")
    assert logs(names[-1]) == 200
    answer = httpx.get(f"{stand.url}/jobs/{names[0]}/results", timeout=10)
    assert answer.json() == '"kept"'
    body = {"programId": "hello-quantum", "hub": "h", "group": "g", "project": "p"}
    body |= {"backend": "aer_simulator", "params": [json.dumps({"greeting": "x" * 3_200_000})]}
    refused = httpx.post(f"{stand.url}/jobs", json=body, timeout=10)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "of at most 3" in refused.json()["detail"]


def test_finished_status_is_frozen(stand):
    """The API server itself refuses another end."""
    stand.submit("frozen", "count", '{"n": 1}')
    status_of(stand, "frozen")
    job = stand.get("frozen")
    job["status"]["phase"] = "Failed"
    with pytest.raises(ApiException, match="final"):
        stand.custom.replace_namespaced_custom_object_status(
            GROUP, VERSION, stand.namespace, "runtimejobs", "frozen", job
        )


def test_two_operators_by_accident_are_still_one(stand):
    """Each job has one Job, one pod and one end, whichever operator is faster."""
    second = stand.start_operator("second")
    try:
        names = [f"twice-{number}" for number in range(4)]
        for name in names:
            stand.submit(name, "count", '{"n": 20, "pause": 0.05}')
        for name in names:
            assert status_of(stand, name)["phase"] == "Completed"
            label = f"{JOB_LABEL}={name}"
            pods = stand.core.list_namespaced_pod(stand.namespace, label_selector=label).items
            assert len(pods) == 1
    finally:
        second.kill()
    assert not re.search("Traceback|ERROR", second.log()), second.log()


def test_name_of_a_library_program_is_reserved(stand):
    """A RuntimeProgram of such a name is never run, and its condition says so."""
    stand.install("hello-quantum", SLEEP)

    def find_conditions(name):
        found = stand.custom.get_namespaced_custom_object(
            GROUP, VERSION, stand.namespace, "runtimeprograms", name
        )
        conditions = found.get("status", {}).get("conditions", [])
        return [(one["type"], one["status"], one["reason"]) for one in conditions]

    reserved = [("Ready", "False", "NameReserved")]
    wait_until(lambda: find_conditions("hello-quantum") == reserved, 30, "its condition")
    assert find_conditions("sleep") == [("Ready", "True", "Accepted")]
    stand.submit("reserved", "hello-quantum", '{"greeting": "Hi"}')
    status = status_of(stand, "reserved")
    assert status["phase"] == "Completed" and "00 00" in status["result"]


def test_job_made_again_is_another(stand):
    """A job that is deleted and made again at once has its own pod, record and end."""
    for grace in (True, False):
        name = f"again-{grace}".lower()
        stand.submit(name, "sleep" if grace else "count", "{}" if grace else '{"n": 1}')
        stand.wait_for(name, "Running") if grace else status_of(stand, name)
        stand.delete(name)
        uid = stand.submit(name, "count", '{"n": 7, "pause": 0.1}')
        status = status_of(stand, name)
        assert (status["phase"], json.loads(status["result"])["n"]) == ("Completed", 7)
        assert stand.get(name)["metadata"]["uid"] == uid
        frames = httpx.get(f"{stand.url}/jobs/{name}/logs", timeout=10).json()
        assert '"n": 7' in frames


def test_operator_is_quiet_and_unharmed(stand):
    """After all of this its log has no traceback, and it says little."""
    log = stand.parts["operator"].log()
    assert "Traceback" not in log, log
    assert len(log.splitlines()) < 100
