"""Where a RuntimeJob's pod is, in the words of the life cycle. Pure."""

from typing import Any

from qiskit_runtime.contract.lifecycle import Place

Manifest = dict[str, Any]

_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")


def find_place(pod: Manifest | None) -> tuple[Place, str, int | None]:
    """The pod's place, the cluster's words for what holds or ended it, and the exit code."""
    if pod is None:
        return Place.STARTING, "", None
    if "deletionTimestamp" in pod["metadata"]:
        return Place.DISRUPTED, "the pod was deleted while the job ran", None
    status = pod.get("status", {})
    containers: list[Manifest] = status.get("containerStatuses") or [{}]
    container: Manifest = containers[0].get("state", {})
    if ended := container.get("terminated"):
        place = Place.OUT_OF_MEMORY if ended.get("reason") == "OOMKilled" else Place.ENDED
        return place, str(ended.get("message", "")), ended.get("exitCode")
    if status.get("phase") == "Failed":
        return Place.DISRUPTED, f"{status.get('reason', '')}: {status.get('message', '')}", None
    if "running" in container:
        return Place.RUNNING, "", None
    return _find_hold(status, container.get("waiting", {}))


def _find_hold(status: Manifest, waiting: Manifest) -> tuple[Place, str, None]:
    if waiting.get("reason") in _PULL_REASONS:
        return Place.IMAGE_PULL, str(waiting.get("message", waiting["reason"])), None
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Place.UNSCHEDULABLE, condition.get("message", ""), None
    return Place.STARTING, "", None
