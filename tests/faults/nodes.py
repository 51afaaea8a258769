"""The faults of nodes, for a cluster of two (``make kind``): scripts like those of ``scripts``.

A job runs on the one node and another waits in the queue. Then the node goes, in one of the ways in
which nodes go: the job that ran ends as Interrupted, and the one that waited runs on the other.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes import client

from qiskit_runtime.contract.resources.resource import JOB_LABEL
from tests.cluster.stand import Stand, wait_until
from tests.cluster.target import RIG
from tests.faults.recorder import Recorder
from tests.faults.scripts import Script
from tests.faults.steps import kubectl, say, submit, wait_for_end

GRACE_SECONDS = 30
"""Of a runner's pod: from SIGTERM to SIGKILL."""

AWAY_SECONDS = 20
"""How long a pod tolerates that its node does not answer; Kubernetes' own default is 300."""

LOST_SECONDS = 50 + AWAY_SECONDS + GRACE_SECONDS + 60 + 60
"""From the last sign of a node to a job's end: the patience of the cluster and of the pod, its
grace, and the operator's patience with the pod and then with its log."""

SLACK_SECONDS = 40
"""What writes and watches take, on a machine that is busy with a node's start."""

OPTIONS = {
    "RUNTIME_MAX_RUNNING_JOBS": "1",
    "RUNTIME_RUNNER_TOLERATIONS": json.dumps(
        [
            {
                "key": f"node.kubernetes.io/{state}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": AWAY_SECONDS,
            }
            for state in ("unreachable", "not-ready")
        ]
    ),
}
"""The variables of the operator for these scripts."""


def find_nodes(core: client.CoreV1Api) -> list[str]:
    """Return the names of the nodes that are ready and take pods."""
    return sorted(
        node.metadata.name
        for node in core.list_node().items
        if not node.spec.unschedulable
        and not any(taint.effect != "PreferNoSchedule" for taint in node.spec.taints or [])
        and any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)
    )


def drain(stand: Stand, recorder: Recorder) -> None:
    """FI-30: the node is drained, as before maintenance: its pods are evicted by the API."""
    stays, goes = _run_on_one_of_two(stand, recorder)
    say(recorder, f"drain {goes}")
    selector = f"--pod-selector={JOB_LABEL}=runs"
    kubectl("drain", goes, selector, "--delete-emptydir-data", "--timeout=120s")
    try:
        _expect_move(stand, recorder, stays, GRACE_SECONDS)
    finally:
        kubectl("uncordon", goes)


def taint(stand: Stand, recorder: Recorder) -> None:
    """FI-30b: the node gets a taint that no pod tolerates."""
    stays, goes = _run_on_one_of_two(stand, recorder)
    say(recorder, f"taint {goes}")
    kubectl("taint", "node", goes, "qiskit-runtime.dev/test=gone:NoExecute")
    try:
        _expect_move(stand, recorder, stays, GRACE_SECONDS)
    finally:
        kubectl("taint", "node", goes, "qiskit-runtime.dev/test-")


def lose_power(stand: Stand, recorder: Recorder) -> None:
    """FI-30c: the node is gone from one moment to the next, and comes back much later."""
    stays, goes = _run_on_one_of_two(stand, recorder)
    say(recorder, f"{goes} loses its power")
    _rig("node", "stop", goes)
    try:
        _expect_move(stand, recorder, stays, LOST_SECONDS)
    finally:
        _rig("node", "start", goes)
        _wait_for_node(stand, goes)
    say(recorder, f"{goes} is back")
    _expect_nothing_of_it(stand)


def lose_kubelet(stand: Stand, recorder: Recorder) -> None:
    """FI-30d: the node's kubelet stops, the program runs on unseen, and the kubelet comes back."""
    stays, goes = _run_on_one_of_two(stand, recorder)
    say(recorder, f"the kubelet of {goes} stops")
    _rig("node", "exec", goes, "systemctl", "stop", "kubelet")
    try:
        _expect_move(stand, recorder, stays, LOST_SECONDS)
    finally:
        _rig("node", "exec", goes, "systemctl", "start", "kubelet")
        _wait_for_node(stand, goes)
    say(recorder, f"the kubelet of {goes} is back")
    _expect_nothing_of_it(stand)


def restart_node_programs(stand: Stand, recorder: Recorder) -> None:
    """FI-30e: kubelet and containerd of the node are restarted, which costs no job anything."""
    _, goes = _run_on_one_of_two(stand, recorder, frames=40)
    for program in ("kubelet", "containerd"):
        say(recorder, f"restart the {program} of {goes}")
        _rig("node", "exec", goes, "systemctl", "restart", program)
        time.sleep(3)
    wait_for_end(stand, recorder)
    phases = {name: stand.phase(name) for name in stand.jobs()}
    assert set(phases.values()) == {"Completed"}, phases


def _run_on_one_of_two(stand: Stand, recorder: Recorder, frames: int = 1000) -> tuple[str, str]:
    """Submit a job that runs on a node, and one that waits; return the other node, and this one."""
    nodes = find_nodes(stand.core)
    # The control plane's node can't go: nobody would be there to notice.
    stays = next(name for name in nodes if "control-plane" in name)
    goes = next(name for name in nodes if name != stays)
    with _cordoned(stays):
        submit(stand, recorder, "runs", frames=frames, pause=0.5)
        stand.wait_for("runs", "Running")
    assert _find_node(stand, "runs") == goes
    submit(stand, recorder, "waits")
    time.sleep(2)
    assert stand.phase("waits") == "Queued"
    return stays, goes


def _expect_move(stand: Stand, recorder: Recorder, stays: str, seconds: float) -> None:
    """Wait until the job that ran is Interrupted, and the other one has run on the other node."""
    begun = recorder.seconds
    status = stand.wait_for("runs", "Failed", seconds=seconds + SLACK_SECONDS)["status"]
    say(recorder, f"interrupted after {recorder.seconds - begun:.0f} s: {status['message']}")
    assert status["reason"] == "Interrupted", status
    stand.wait_for("waits", "Running", "Completed")
    assert _find_node(stand, "waits") == stays
    wait_for_end(stand, recorder)
    assert stand.phase("waits") == "Completed"


def _expect_nothing_of_it(stand: Stand) -> None:
    """Wait until the node has ended what it still had, and see that the job's end has stayed."""
    label = f"{JOB_LABEL}=runs"
    wait_until(
        lambda: not stand.core.list_namespaced_pod(stand.namespace, label_selector=label).items,
        90,
        "no pod is left of the job that ran",
    )
    assert stand.get("runs")["status"]["reason"] == "Interrupted"


def _find_node(stand: Stand, name: str) -> str:
    """Return the node of a job's pod."""
    pod = stand.get(name)["status"]["podName"]
    return str(stand.core.read_namespaced_pod(pod, stand.namespace).spec.node_name)


@contextmanager
def _cordoned(node: str) -> Iterator[None]:
    """A time in which a node takes no more pods."""
    kubectl("cordon", node)
    try:
        yield
    finally:
        kubectl("uncordon", node)


def _wait_for_node(stand: Stand, name: str) -> None:
    wait_until(lambda: name in find_nodes(stand.core), 180, f"{name} is ready again")


def _rig(*arguments: str) -> None:
    subprocess.run([RIG, *arguments], check=True, stdout=subprocess.DEVNULL)


SCRIPTS: dict[str, Script] = {
    "FI-30": drain,
    "FI-30b": taint,
    "FI-30c": lose_power,
    "FI-30d": lose_kubelet,
    "FI-30e": restart_node_programs,
}
"""The scripts by the ids of the fault catalogue."""
