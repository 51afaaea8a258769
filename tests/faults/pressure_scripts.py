"""The faults of a lack of room: a kubelet evicts pods and takes no new ones, a quota is full.

The machine is under none. Each pod that is to go is filled over its own limit of scratch space, so
that a real kubelet evicts it, with a second of grace as under memory pressure. And the nodes lose a
label that the pods of this stand alone need, as a taint would keep all pods away.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster.stand import Part, Stand, wait_until
from tests.faults import steps
from tests.faults.recorder import Recorder
from tests.faults.steps import kubectl, say
from tests.faults.warm_scripts import OPTIONS as POOL_OPTIONS
from tests.faults.warm_scripts import find_idle_pods, is_ready, submit, wait_for_ends, wait_for_pool

ROOM = "qiskit-runtime.dev/test-room"
"""The label of nodes that have room; its value is that of this process."""

POOL = 3
OPTIONS = POOL_OPTIONS | {
    "RUNTIME_RUNNER_NODE_SELECTOR": json.dumps({ROOM: f"of-{os.getpid()}"}),
    "RUNTIME_RUNNER_SCRATCH": "32Mi",
}
"""A pool whose pods are evicted soon, and find a node only while there is room."""

QUOTA_OPTIONS = POOL_OPTIONS | {"RUNTIME_RUNNER_CLASSES": json.dumps({"other": {}})}
"""A pool, and a class of jobs that its pods are not for."""

FILL = "open('/tmp/fill', 'wb').write(bytes(2**26))"
"""Takes twice the scratch space that there is."""

EVICTED_SECONDS = 180.0
"""How long the kubelet may take: it measures a volume each one to two minutes."""

REJECTING_SECONDS = 20.0
REJECTED = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "Pod was rejected: The node had condition: [DiskPressure]. ",
}
"""What a kubelet says of a pod that it does not take."""

HOLDS = """
import asyncio
from controller.claims import Claimer
give = Claimer._give
class NoHandover:
    async def give(self, files):
        await asyncio.sleep(3600)
async def give_or_wait(self, job, plan, pod, holder, handover):
    if job.name == "fi26-claimed":
        await asyncio.sleep(3600)
    if job.name == "fi26-named":
        handover = NoHandover()
    await give(self, job, plan, pod, holder, handover)
Claimer._give = give_or_wait
"""
"""An operator that gets no further with two jobs: a pod is claimed, or it is named in the input."""


def press_the_node(stand: Stand, recorder: Recorder) -> None:
    """FI-26: a node is under pressure: pods that wait, run and are claimed are evicted."""
    recorder.history.bounds[""] = int(OPTIONS["RUNTIME_WARM_POOL_MAX_SIZE"])
    with _room(stand, recorder):
        wait_for_pool(stand, POOL)
        for name in ("fi26-kubelet", "fi26-api"):
            steps.submit(stand, recorder, name, frames=5000)
            stand.wait_for(name, "Running")
        wait_for_pool(stand, POOL)
        operator = _hold_claims(stand, recorder)
        wait_for_pool(stand, POOL)
    _evict(stand, recorder)
    operator.kill()
    stand.parts["operator"].start()
    _expect_to_wait(stand, recorder)
    with _room(stand, recorder):
        ends = wait_for_ends(stand, recorder)
        assert ends == {("Completed", ""), ("Failed", "Interrupted")}, ends
        phases = {name: stand.phase(name) for name in stand.jobs()}
        failed = {name for name, phase in phases.items() if phase == "Failed"}
        assert failed == {"fi26-kubelet", "fi26-api"}, phases
        wait_for_pool(stand, POOL)


def reject_pods(stand: Stand, recorder: Recorder) -> None:
    """FI-28: a node takes no pod at all, as one under disk pressure; the pool waits for better."""
    made: set[str] = set()
    begun = recorder.seconds
    while recorder.seconds < begun + REJECTING_SECONDS:
        made |= {pod.metadata.name for pod in find_idle_pods(stand)}
        for pod in _find_living(stand):
            # A watch may be behind, and the pod gone.
            with suppress(ApiException):
                stand.core.patch_namespaced_pod_status(pod, stand.namespace, {"status": REJECTED})
        time.sleep(0.1)
    say(recorder, f"{len(made)} pods were rejected in {REJECTING_SECONDS:g} s")
    assert POOL <= len(made) <= 2 * POOL, made
    with _room(stand, recorder):
        submit(stand, recorder, "fi28")
        assert wait_for_ends(stand, recorder) == {("Completed", "")}
        wait_for_pool(stand, POOL)


def fill_the_quota(stand: Stand, recorder: Recorder) -> None:
    """FI-29: the pool's pods take all that a quota allows: a job of another class gets the room."""
    wait_for_pool(stand, POOL)
    name, hard = "of-pods", {"pods": str(POOL)}
    quota = client.V1ResourceQuota(
        metadata=client.V1ObjectMeta(name=name), spec=client.V1ResourceQuotaSpec(hard=hard)
    )
    stand.core.create_namespaced_resource_quota(stand.namespace, quota)

    def is_full() -> bool:
        found = stand.core.read_namespaced_resource_quota(name, stand.namespace)
        return bool(found.status.used == hard)

    wait_until(is_full, 60, "the quota is full")
    stand._create("runtimebackends", "RuntimeBackend", "other", {"resourceClass": "other"})
    say(recorder, "the quota is full; a job comes")
    steps.submit(stand, recorder, "fi29", backend="other")
    wait_until(lambda: _waits_for_room(stand, "fi29"), 60, "it waits for room")
    assert wait_for_ends(stand, recorder) == {("Completed", "")}
    stand.core.delete_namespaced_resource_quota(name, stand.namespace)
    wait_for_pool(stand, POOL)


def _hold_claims(stand: Stand, recorder: Recorder) -> Part:
    """Have two jobs claim pods that nothing is handed over to; returns the operator of it."""
    stand.parts["operator"].kill()
    holding = stand.start_operator("holding", HOLDS, **OPTIONS)
    submit(stand, recorder, "fi26-claimed")
    submit(stand, recorder, "fi26-named")
    wait_until(lambda: len(stand.left_of("fi26-claimed")) == 1, 120, "a pod was claimed")
    wait_until(lambda: len(stand.left_of("fi26-named")) == 2, 120, "the input names a pod")
    say(recorder, "two pods are claimed, one of which the input names")
    return holding


def _evict(stand: Stand, recorder: Recorder) -> None:
    """All pods are evicted but one that waits, which a job of that time gets."""
    ready = [pod.metadata.name for pod in find_idle_pods(stand) if is_ready(pod)]
    runs = {name: stand.get(name)["status"]["podName"] for name in ("fi26-kubelet", "fi26-api")}
    claimed = [*_find_pods(stand, "fi26-claimed"), *_find_pods(stand, "fi26-named")]
    say(recorder, "the API evicts a pod that runs, and one that waits")
    _evict_by_api(stand, runs["fi26-api"], ready[0])
    say(recorder, "the kubelet is to evict the same, and the two that are claimed")
    gone = (runs["fi26-kubelet"], *claimed, ready[1])
    _have_evicted(stand, *gone)
    _expect_end(stand, recorder, "fi26-api", "Eviction API: evicting")
    _expect_end(stand, recorder, "fi26-kubelet", "its pod was evicted: ")
    _wait_for_evicted(stand, *gone)
    say(recorder, "they are evicted; a job comes")
    submit(stand, recorder, "fi26-left")
    status = stand.wait_for("fi26-left", "Completed", "Failed")["status"]
    assert (status["phase"], status["podName"]) == ("Completed", ready[2]), status


def _expect_end(stand: Stand, recorder: Recorder, name: str, words: str) -> None:
    """Wait until a job is Interrupted, with words that say by what."""
    status = stand.wait_for(name, "Failed", seconds=EVICTED_SECONDS)["status"]
    say(recorder, f"{name} is {status['reason']}: {status['message']}")
    assert status["reason"] == "Interrupted" and words in status["message"], status


def _expect_to_wait(stand: Stand, recorder: Recorder) -> None:
    """Those that had claimed a pod wait for room, and a new one; no pod of the pool does."""
    submit(stand, recorder, "fi26-waits")
    names = ("fi26-claimed", "fi26-named", "fi26-waits")
    wait_until(lambda: all(_waits_for_room(stand, name) for name in names), 120, "jobs wait")
    say(recorder, "three jobs wait for room")
    wait_until(lambda: not _find_living(stand), 60, "no pod of the pool waits for the same room")


def _evict_by_api(stand: Stand, *pods: str) -> None:
    for pod in pods:
        body = client.V1Eviction(metadata=client.V1ObjectMeta(name=pod))
        stand.core.create_namespaced_pod_eviction(pod, stand.namespace, body)


def _have_evicted(stand: Stand, *pods: str) -> None:
    for pod in pods:
        kubectl("exec", f"--namespace={stand.namespace}", pod, "--", "python", "-c", FILL)


def _wait_for_evicted(stand: Stand, *pods: str) -> None:
    """Return when the kubelet has evicted pods, or they are gone since."""
    wait_until(
        lambda: all(_is_evicted(stand, pod) for pod in pods), EVICTED_SECONDS, f"{pods} are evicted"
    )


def _is_evicted(stand: Stand, pod: str) -> bool:
    with suppress(ApiException):
        return bool(stand.core.read_namespaced_pod(pod, stand.namespace).status.reason == "Evicted")
    return True


def _waits_for_room(stand: Stand, name: str) -> bool:
    status = stand.get(name)["status"]
    return status.get("phase") == "Queued" and status.get("reason") == "Unschedulable"


def _find_pods(stand: Stand, name: str) -> list[str]:
    """Return the names of the pods of a job's Kubernetes Jobs."""
    return [
        pod.metadata.name
        for job in stand.kubernetes_jobs(name)
        for pod in stand.core.list_namespaced_pod(
            stand.namespace, label_selector=f"job-name={job.metadata.name}"
        ).items
    ]


def _find_living(stand: Stand) -> list[str]:
    """Return the names of the pods that wait for a job and have not ended."""
    alive = ("Pending", "Running")
    return [pod.metadata.name for pod in find_idle_pods(stand) if pod.status.phase in alive]


@contextmanager
def _room(stand: Stand, recorder: Recorder) -> Iterator[None]:
    """A time in which the nodes have room for the pods of this stand."""
    say(recorder, "there is room")
    _label_nodes(stand, json.loads(OPTIONS["RUNTIME_RUNNER_NODE_SELECTOR"])[ROOM])
    try:
        yield
    finally:
        _label_nodes(stand, None)
        say(recorder, "there is no room")


def _label_nodes(stand: Stand, value: str | None) -> None:
    for node in stand.core.list_node().items:
        stand.core.patch_node(node.metadata.name, {"metadata": {"labels": {ROOM: value}}})
