"""Which pod gets a job's input, and what follows when it is not there any more."""

import base64
import json
from datetime import UTC, datetime

import pytest
from controller.inputs import PodInputs
from controller.observe.pod_finder import PodFinder
from controller.observe.program_library import ProgramLibrary

from controller.build.job import build_name
from controller.observe.cluster_view import ClusterView, Seen
from qiskit_runtime.contract.lifecycle import RunnerState

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN_SPEC = {"programId": "hello-quantum", "backend": "aer_simulator"}
RUN_SPEC |= {"maxExecutionSeconds": 9, "startDeadlineSeconds": 9}


def make_job(**status):
    """A RuntimeJob."""
    return {"metadata": {"name": "j", "uid": "u"}, "spec": RUN_SPEC, "status": status}


RUN = build_name(make_job())


def make_pod(name, *, runs=False, **metadata):
    """A pod on a node, before its container was made or while that runs."""
    state = {"containerID": "c", "state": {"running": {}}} if runs else {"state": {}}
    stamp = {"creationTimestamp": "2026-11-23T12:00:00Z"}
    return {
        "metadata": {"name": name, **stamp, **metadata},
        "spec": {"nodeName": "n", "containers": [{"image": "i", "resources": {"requests": {}}}]},
        "status": {"phase": "Pending", "containerStatuses": [state]},
    }


class Cluster:
    """An API server that has this Kubernetes Job, these pods, and Secrets."""

    def __init__(self, job, *pods, holder=""):
        self.job, self.pods = job, list(pods)
        self.secret = self._make(json.dumps({"pod": holder}).encode()) if holder else None
        self.asked = 0

    def _make(self, document):
        return {
            "metadata": {"name": RUN, "uid": "s"},
            "data": {"job.json": base64.b64encode(document).decode()},
        }

    async def get_job(self, name):
        self.asked += 1
        return self.job

    async def find_pods(self, name):
        return self.pods

    async def find_secret(self, name):
        return self.secret

    async def create_secret(self, manifest):
        if self.secret:
            return None
        self.secret = {**manifest, "metadata": {**manifest["metadata"], "uid": "s"}}
        return self.secret

    async def delete_secret(self, name, uid=""):
        assert uid == "s"
        self.secret = None

    @property
    def holder(self):
        """Who has the input."""
        if self.secret is None:
            return None
        return json.loads(base64.b64decode(self.secret["data"]["job.json"]))["pod"]


def kubernetes_job(*, suspend=False):
    """A Job that was just made, or is suspended."""
    stamp = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": RUN, "creationTimestamp": stamp}, "spec": {"suspend": suspend}}


async def find(cluster, job, pod, unused=()):
    """Where the pod is, as an operator finds it that has just started."""
    view = ClusterView(unused={RUN: set(unused)})
    inputs = PodInputs(cluster, ProgramLibrary(view), "i:1")
    place, seen = await PodFinder(cluster, view, inputs).find(
        Seen(job, cluster.job, pod), job, NOW, log_is_over=False
    )
    return place.place, seen.pod["metadata"]["name"] if seen.pod else None


FIRST, SECOND = make_pod("p1"), make_pod("p2")
RAN = {"attempt": 1, "podName": "p1"}
CASES = {
    "its first pod": (make_job(), FIRST, "", (), (RunnerState.STARTING, "p1"), "p1"),
    "the pod that has it": (make_job(), FIRST, "p1", (), (RunnerState.STARTING, "p1"), "p1"),
    "no pod yet": (make_job(), None, "", (), (RunnerState.STARTING, None), None),
    "a second pod, not knowing of the first": (
        make_job(), SECOND, "p1", (), (RunnerState.DISRUPTED, None), "p1",
    ),
    "a second pod, the first never started": (
        make_job(podName="p1"), SECOND, "p1", ("p1",), (RunnerState.STARTING, "p2"), "p2",
    ),
    "a second pod after a run": (
        make_job(**RAN), SECOND, "p1", ("p1",), (RunnerState.DISRUPTED, None), "p1",
    ),
    "a second pod after a run, the input deleted": (
        make_job(**RAN), SECOND, "", (), (RunnerState.DISRUPTED, None), None,
    ),
    "the pod that has it is gone": (
        make_job(), None, "p1", (), (RunnerState.DISRUPTED, None), "p1",
    ),
    "gone before it started": (make_job(), None, "p1", ("p1",), (RunnerState.STARTING, None), None),
    "being deleted": (
        make_job(), make_pod("p1", deletionTimestamp="2026-11-23T12:00:00Z"), "", (),
        (RunnerState.STARTING, "p1"), None,
    ),
    "it runs": (make_job(), make_pod("p1", runs=True), "p1", (), (RunnerState.RUNNING, "p1"), "p1"),
}  # fmt: skip


@pytest.mark.parametrize(("job", "pod", "holder", "unused", "found", "then"), CASES.values(),
                         ids=CASES)  # fmt: skip
async def test_input_goes_to_one_pod(job, pod, holder, unused, found, then):
    """Another pod gets it only where the first surely never started; not knowing is an end."""
    cluster = Cluster(kubernetes_job(), *([pod] if pod else []), holder=holder)
    assert await find(cluster, job, pod, unused) == found
    assert cluster.holder == then


@pytest.mark.parametrize("pod", [None, FIRST], ids=["no pod", "a pod that is about to go"])
async def test_suspended_job_gives_nothing_away(pod):
    """There is nobody who should have the input."""
    cluster = Cluster(kubernetes_job(suspend=True))
    assert (await find(cluster, make_job(), pod))[0] is RunnerState.SUSPENDED
    assert cluster.secret is None


async def test_pod_that_ends_is_found_behind_its_successor():
    """A view that shows the second pod asks, and goes on with the one that has the input."""
    cluster = Cluster(kubernetes_job(), SECOND, make_pod("p1", runs=True), holder="p1")
    assert await find(cluster, make_job(**RAN), SECOND) == (RunnerState.RUNNING, "p1")


async def test_two_operators_hand_it_to_one_pod():
    """Who comes second finds that it is taken, and writes nothing over it."""
    cluster = Cluster(kubernetes_job(), SECOND)
    inputs = PodInputs(cluster, ProgramLibrary(ClusterView()), "i:1")
    assert await inputs.find_holder(make_job()) is None
    cluster.secret = Cluster(None, holder="p1").secret
    await inputs.give(make_job(), "p2")
    assert (await inputs.find_holder(make_job())).pod == cluster.holder == "p1"
