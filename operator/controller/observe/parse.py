"""Parse the manifests of Kubernetes Jobs and pods, and of what jobs run on. Pure."""

from datetime import datetime
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from controller.observe.objects import Condition, Container, KubernetesJob, Pod, Termination
from qiskit_runtime.contract.resources.resource import (
    CLAIMED_AT,
    CLASS_LABEL,
    JOB_LABEL,
    SESSION_LABEL,
    WARM_LABEL,
    Manifest,
)

_JOB_NAME = "batch.kubernetes.io/job-name"


def parse_job(manifest: Manifest) -> KubernetesJob:
    """Parse a Kubernetes Job."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    return KubernetesJob(
        **_parse_identity(metadata),
        owners=tuple(owner["uid"] for owner in metadata.get("ownerReferences", ())),
        is_deleted="deletionTimestamp" in metadata,
        is_suspended=bool(manifest.get("spec", {}).get("suspend")),
        conditions=tuple(
            Condition(one["type"], one["status"] == "True", one.get("reason", ""))
            for one in status.get("conditions") or ()
        ),
        created=_parse_time(metadata.get("creationTimestamp")),
        started=_parse_time(status.get("startTime")),
        template_digest=metadata.get("labels", {}).get(WARM_LABEL, ""),
        resource_class=metadata.get("labels", {}).get(CLASS_LABEL, ""),
        session=metadata.get("labels", {}).get(SESSION_LABEL, ""),
        claimed=_parse_time(metadata.get("annotations", {}).get(CLAIMED_AT)),
    )


def parse_pod(manifest: Manifest) -> Pod:
    """Parse a runner's pod."""
    metadata, spec, status = manifest["metadata"], manifest["spec"], manifest.get("status", {})
    container: Manifest = next(iter(spec.get("containers", ())), {})
    resources = container.get("resources", {})
    reported: Manifest = next(iter(status.get("containerStatuses") or ()), {})
    return Pod(
        **_parse_identity(metadata),
        job_name=read_job_name(manifest),
        deleted=_parse_time(metadata.get("deletionTimestamp")),
        has_node="nodeName" in spec,
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        disruption=_parse_disruption(status),
        **_parse_scheduling(status),
        image=container.get("image", ""),
        requests=tuple(sorted(resources.get("requests", {}).items())),
        memory_bytes=int(parse_quantity(resources.get("limits", {}).get("memory", "0"))),
        address=status.get("podIP", ""),
        is_ready=bool(reported.get("ready")),
        is_unreachable=bool(reported.get("ready")) and _is_not_ready(status),
        container=_parse_container(reported),
    )


def _is_not_ready(status: Manifest) -> bool:
    conditions = status.get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "False" for one in conditions)


def read_job_name(pod: Manifest) -> str:
    """Return the name of the Kubernetes Job that made a pod."""
    name: str = pod["metadata"].get("labels", {}).get(_JOB_NAME, "")
    return name


def _parse_identity(metadata: Manifest) -> dict[str, Any]:
    return {
        "name": metadata["name"],
        "uid": metadata["uid"],
        "version": int(metadata["resourceVersion"]),
        "runtimejob": metadata.get("labels", {}).get(JOB_LABEL, ""),
    }


def _parse_container(status: Manifest) -> Container:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    return Container(
        was_made=bool(status.get("containerID")),
        is_running="running" in state,
        running_since=_parse_time(running.get("startedAt")),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        termination=_parse_termination(state.get("terminated")),
    )


def _parse_termination(ended: Manifest | None) -> Termination | None:
    if not ended:
        return None
    return Termination(
        exit_code=ended.get("exitCode"),
        reason=ended.get("reason", ""),
        message=str(ended.get("message") or ""),
        started=_parse_time(ended.get("startedAt")),
        finished=_parse_time(ended.get("finishedAt")),
    )


def _parse_scheduling(status: Manifest) -> dict[str, Any]:
    """Parse when a pod got its node, or the scheduler's message while it has none."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return {"not_scheduled": str(condition.get("message", "no node takes its pod"))}
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            return {"scheduled": _parse_time(condition.get("lastTransitionTime"))}
    return {}


def _parse_disruption(status: Manifest) -> str:
    """Parse the message of who ends a pod; empty where nobody has said so."""
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return str(condition.get("message") or condition.get("reason", ""))
    return ""


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
