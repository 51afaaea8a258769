"""The one pod that gets a job's input, and the end of a job whose pod is gone."""

import base64
import json

import pytest

from controller.act import JobActor
from controller.actions import Finish, GiveInput, TakeInputBack
from controller.concurrency_limit import ConcurrencyLimit
from controller.decide import decide
from controller.observe.cluster_view import ClusterView
from controller.observe.memory import JobMemory
from controller.observe.observer import JobObserver
from controller.observe.pod_state import read_pod_state
from controller.observe.runnables import Runnables
from controller.observe.warm_pods import WarmPods
from controller.record.state import RecordState
from controller.settings import RunnerSettings, WarmPoolSettings
from qiskit_runtime.contract.lifecycle import Reason, RunnerState
from tests.operator.fake_cluster import FakeCluster
from tests.operator.manifests import NOW, RUN, ago, job_manifest, pod_manifest, run_manifest

pytestmark = pytest.mark.anyio


class Records:
    """Logs that were read to an end that is not the record's."""

    def state(self, job):
        return RecordState(is_done=True) if job.has_run else None


class Operator:
    """An operator that has just started: it sees this Kubernetes Job and this pod."""

    def __init__(self, status, pod, *, others=(), holder="", unused=(), suspend=False):
        self.cluster = cluster = FakeCluster()
        cluster.jobs[RUN] = run_manifest({"spec": {"suspend": suspend}})
        for one in (*others, *([pod] if pod else [])):
            cluster.pods[one["metadata"]["name"]] = one
        if holder:
            cluster.secrets[RUN] = make_secret(holder)
        self.view, self.memory = ClusterView(), JobMemory()
        self.view.put_runtimejob(job_manifest(status))
        self.view.put_job(cluster.jobs[RUN])
        if pod:
            self.view.pods.put(pod)
        self.view.unused_pods[RUN] = set(unused)
        runner = RunnerSettings(image="i:1")
        runnables = Runnables(self.view.programs.find, self.view.backends.find, runner)
        limit = ConcurrencyLimit(1)
        warm = WarmPods(self.view, self.memory, runner, WarmPoolSettings())
        self.observer = JobObserver(
            cluster, self.view, self.memory, limit, runnables, Records(), warm
        )
        self.actor = JobActor(
            cluster, self.view, self.memory, limit, None, None, None, runner, warm, None
        )

    async def settle(self):
        """Give the input and take it back; returns the pod's state and name as they are then."""
        while True:
            view = await self.observer.observe("j", NOW)
            action = decide(view, NOW)
            if not isinstance(action, GiveInput | TakeInputBack):
                break
            await self.actor.act("j", action)
        if isinstance(action, Finish):
            assert action.state.reason is Reason.INTERRUPTED
            return RunnerState.DISRUPTED, None
        state = read_pod_state(view.kubernetes_job, view.pod, NOW)
        return state.runner, view.pod.name if view.pod else None

    @property
    def holder(self):
        """The pod that has the input."""
        secret = self.cluster.secrets.get(RUN)
        return secret and json.loads(base64.b64decode(secret["data"]["job.json"]))["pod"]


def make_secret(holder):
    """The Secret of an input that was given to this pod."""
    document = base64.b64encode(json.dumps({"pod": holder}).encode()).decode()
    return {"metadata": {"name": RUN, "uid": "s"}, "data": {"job.json": document}}


FIRST, SECOND = pod_manifest("p1"), pod_manifest("p2")
RUNS = pod_manifest("p1", {"running": {}})
RAN = {"attempt": 1, "podName": "p1"}
CASES = {
    "its first pod": ({}, FIRST, "", (), (RunnerState.STARTING, "p1"), "p1"),
    "the pod that has it": ({}, FIRST, "p1", (), (RunnerState.STARTING, "p1"), "p1"),
    "no pod yet": ({}, None, "", (), (RunnerState.STARTING, None), None),
    "a second pod, not knowing of the first": (
        {}, SECOND, "p1", (), (RunnerState.DISRUPTED, None), "p1",
    ),
    "a second pod, the first never started": (
        {"podName": "p1"}, SECOND, "p1", ("p1",), (RunnerState.STARTING, "p2"), "p2",
    ),
    "a second pod after a run": (
        RAN, SECOND, "p1", ("p1",), (RunnerState.DISRUPTED, None), "p1",
    ),
    "a second pod after a run, the input deleted": (
        RAN, SECOND, "", (), (RunnerState.DISRUPTED, None), None,
    ),
    "the pod that has it is gone": (
        {}, None, "p1", (), (RunnerState.DISRUPTED, None), "p1",
    ),
    "gone before it started": ({}, None, "p1", ("p1",), (RunnerState.STARTING, None), None),
    "being deleted": (
        {}, pod_manifest("p1", deletionTimestamp=ago(0)), "", (), (RunnerState.STARTING, "p1"),
        None,
    ),
    "it runs": ({}, RUNS, "p1", (), (RunnerState.RUNNING, "p1"), "p1"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "pod", "holder", "unused", "found", "then"), CASES.values(),
                         ids=CASES)  # fmt: skip
async def test_input_goes_to_one_pod(status, pod, holder, unused, found, then):
    """Another pod gets it only where the first surely never started; not knowing is an end."""
    operator = Operator(status, pod, holder=holder, unused=unused)
    assert await operator.settle() == found
    assert operator.holder == then


@pytest.mark.parametrize("pod", [None, FIRST], ids=["no pod", "a pod that is about to go"])
async def test_suspended_job_gives_nothing_away(pod):
    """No pod of a suspended Job gets the input."""
    operator = Operator({}, pod, suspend=True)
    assert (await operator.settle())[0] is RunnerState.SUSPENDED
    assert operator.cluster.secrets == {}


async def test_pod_that_ends_is_found_behind_its_successor():
    """A view that shows the second pod asks, and goes on with the one that has the input."""
    operator = Operator(RAN, SECOND, others=[RUNS], holder="p1")
    assert await operator.settle() == (RunnerState.RUNNING, "p1")


async def test_two_operators_hand_it_to_one_pod():
    """The one that comes second finds that it is taken, and writes nothing over it."""
    operator = Operator({}, SECOND)
    view = await operator.observer.observe("j", NOW)
    assert view.holder is None
    operator.cluster.secrets[RUN] = make_secret("p1")
    await operator.actor.act("j", decide(view, NOW))
    assert operator.memory.holders[RUN].pod == operator.holder == "p1"
