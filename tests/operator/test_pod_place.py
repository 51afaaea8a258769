"""A pod's place, for each state that a kubelet reports."""

import pytest

from pod_place import find_place
from qiskit_runtime.contract.lifecycle import Place


def make_pod(state=None, *, phase="Pending", metadata=None, conditions=(), **status):
    """A pod with one container in this state."""
    containers = [] if state is None else [{"state": state}]
    status |= {"phase": phase, "containerStatuses": containers, "conditions": list(conditions)}
    return {"metadata": metadata or {}, "status": status}


NOT_SCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: no cpu"}

CASES = {
    "none yet": (None, (Place.STARTING, "", None)),
    "made": (make_pod(), (Place.STARTING, "", None)),
    "no node": (
        make_pod(conditions=[NOT_SCHEDULED]),
        (Place.UNSCHEDULABLE, "0/1 nodes: no cpu", None),
    ),
    "no image": (
        make_pod({"waiting": {"reason": "ImagePullBackOff", "message": "pulling x:1"}}),
        (Place.IMAGE_PULL, "pulling x:1", None),
    ),
    "creating": (
        make_pod({"waiting": {"reason": "ContainerCreating"}}),
        (Place.STARTING, "", None),
    ),
    "running": (make_pod({"running": {}}, phase="Running"), (Place.RUNNING, "", None)),
    "ended": (
        make_pod({"terminated": {"exitCode": 1, "reason": "Error", "message": "m"}}),
        (Place.ENDED, "m", 1),
    ),
    "out of memory": (
        make_pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        (Place.OUT_OF_MEMORY, "", 137),
    ),
    "evicted": (
        make_pod(phase="Failed", reason="Evicted", message="disk"),
        (Place.DISRUPTED, "Evicted: disk", None),
    ),
    "deleted": (
        make_pod({"running": {}}, metadata={"deletionTimestamp": "now"}),
        (Place.DISRUPTED, "the pod was deleted while the job ran", None),
    ),
}


@pytest.mark.parametrize(("pod", "place"), CASES.values(), ids=CASES)
def test_pod_has_its_place(pod, place):
    """Each state of a pod is one place in the life cycle's words."""
    assert find_place(pod) == place
