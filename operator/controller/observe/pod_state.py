"""Where a RuntimeJob's pod is, in the words of the life cycle. Pure.

The reconciler asks with what kopf has told of the Kubernetes Job and its pod.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.build.job import OVERTIME_SECONDS
from qiskit_runtime.contract.lifecycle import RunnerState
from qiskit_runtime.contract.wire.verdict import EXIT_CODES, EXIT_UNREADABLE, Verdict, parse_verdict

Manifest = dict[str, Any]

_PULL_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
)
_CONTAINER_REASONS = ("CreateContainerError", "CreateContainerConfigError", "RunContainerError")
NO_POD_SECONDS = 10.0
"""How long the cluster may take to make a pod."""

_LOST_SECONDS = 60.0
"""How long after its deletion's grace a pod may still be said to run: its node is lost then."""

GONE = "its pod was deleted while the job ran"
"""What is said of a pod that went away."""

SUSPENDED = "its Kubernetes Job was suspended while the job ran"
"""The same, where the pod went for that."""

_ENDED = (
    RunnerState.ENDED,
    RunnerState.OUT_OF_MEMORY,
    RunnerState.DISRUPTED,
    RunnerState.OVER_TIME,
    RunnerState.JOB_DELETED,
)


_JOB_ENDS = ("Complete", "Failed")


@dataclass(frozen=True, slots=True)
class PodState:
    """The pod's place, the cluster's words for what holds or ended it, and its exit code."""

    place: RunnerState
    detail: str = ""
    exit_code: int | None = None
    verdict: Verdict | None = None
    """What its termination message says, where the exit code bears it out."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing runs any more."""
        return self.place in _ENDED


def read_pod_state(job: Manifest | None, pod: Manifest | None, now: datetime) -> PodState:
    """Where the pod of a job that was started is."""
    if pod is None:
        return _find_without_pod(job, now)
    status = pod.get("status", {})
    state = _container_state(status)
    if status.get("reason") == "Evicted":
        return PodState(RunnerState.DISRUPTED, f"its pod was evicted: {status.get('message', '')}")
    if is_deleted(pod) and never_ran(pod) and not _is_lost(pod, now):
        return _find_without_pod(job, now)
    if ended := state.get("terminated"):
        return _find_ended(job, ended)
    if status.get("phase") == "Failed":
        return PodState(
            RunnerState.DISRUPTED, f"{status.get('reason', '')}: {status.get('message', '')}"
        )
    if _is_lost(pod, now):
        return PodState(RunnerState.DISRUPTED, "its pod was deleted, and its node does not answer")
    if "running" in state:
        return PodState(RunnerState.RUNNING, say_gone(job) if is_deleted(pod) else "")
    if is_suspended(job):
        return _find_without_pod(job, now)
    return _find_hold(pod, state.get("waiting", {}))


def is_over_time(pod: Manifest | None, limit_seconds: float, now: datetime) -> bool:
    """Whether the runner, which keeps the time limit, has failed to."""
    state = _container_state(pod.get("status", {})) if pod else {}
    ran = state.get("terminated") or state.get("running") or {}
    if not ran.get("startedAt"):
        return False
    until = _parse_time(ran["finishedAt"]) if ran.get("finishedAt") else now
    seconds = (until - _parse_time(ran["startedAt"])).total_seconds()
    return seconds > limit_seconds + OVERTIME_SECONDS


def has_log(pod: Manifest) -> bool:
    """Whether its container has started, and so has something to say."""
    state = _container_state(pod.get("status", {}))
    if is_deleted(pod) and never_ran(pod):
        return False
    return "running" in state or "terminated" in state


def never_ran(pod: Manifest) -> bool:
    """Whether its container was never made, as far as the kubelet has told.

    Of a pod that is deleted before, the kubelet says that its container has ended.
    """
    container = _container(pod.get("status", {}))
    state = container.get("state") or {}
    started = (state.get("terminated") or {}).get("startedAt")
    return not (container.get("containerID") or started or "running" in state)


def is_deleted(pod: Manifest) -> bool:
    """Whether the pod has been told to end."""
    return "deletionTimestamp" in pod["metadata"]


def is_suspended(job: Manifest | None) -> bool:
    """Whether somebody (Kueue, an administrator) holds the Kubernetes Job: it has no pod then."""
    return job is not None and bool(job.get("spec", {}).get("suspend"))


def say_gone(job: Manifest | None) -> str:
    """What is said of a running job whose pod went away."""
    return SUSPENDED if is_suspended(job) else GONE


def waits_since(job: Manifest) -> datetime | None:
    """Since when the Kubernetes Job may run; None while it is suspended, or being resumed."""
    if is_suspended(job) or _has_condition(job, "Suspended"):
        return None
    begun = job.get("status", {}).get("startTime") or job["metadata"].get("creationTimestamp")
    return _parse_time(begun) if begun else None


def can_run_again(runtimejob: Manifest, job: Manifest | None, pod: Manifest | None) -> bool:
    """Whether the Kubernetes Job of a job that has ended may have another pod, now or later."""
    if job is None or is_deleted(job) or any(_has_condition(job, kind) for kind in _JOB_ENDS):
        return False
    if is_suspended(job) or _has_condition(job, "Suspended") or pod is None or is_deleted(pod):
        return True
    return bool(pod["metadata"]["name"] != runtimejob["status"].get("podName"))


def _has_condition(job: Manifest, kind: str) -> bool:
    conditions = job.get("status", {}).get("conditions") or []
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def _was_suspended(job: Manifest) -> bool:
    """Whether somebody has suspended the Kubernetes Job, ever."""
    conditions = job.get("status", {}).get("conditions") or []
    return any(one["type"] == "Suspended" for one in conditions)


def _container(status: Manifest) -> Manifest:
    containers: list[Manifest] = status.get("containerStatuses") or [{}]
    return containers[0]


def _container_state(status: Manifest) -> Manifest:
    state: Manifest = _container(status).get("state") or {}
    return state


def _find_without_pod(job: Manifest | None, now: datetime) -> PodState:
    """A pod that has not come yet, or is gone: its Job tells."""
    if job is None:
        return PodState(RunnerState.JOB_DELETED)
    for condition in job.get("status", {}).get("conditions") or []:
        if condition["type"] in ("Failed", "FailureTarget") and condition["status"] == "True":
            if condition.get("reason") == "DeadlineExceeded":
                return PodState(RunnerState.OVER_TIME)
            return PodState(RunnerState.DISRUPTED, say_gone(job))
        if condition["type"] == "Complete" and condition["status"] == "True":
            return PodState(RunnerState.ENDED, "its pod is gone")
    if is_suspended(job):
        detail = f"its Kubernetes Job {job['metadata']['name']} is suspended"
        return PodState(RunnerState.SUSPENDED, detail)
    since = waits_since(job)
    if since and (now - since).total_seconds() > NO_POD_SECONDS:
        detail = f"the cluster makes no pod for it: kubectl describe job {job['metadata']['name']}"
        return PodState(RunnerState.UNSCHEDULABLE, detail)
    return PodState(RunnerState.STARTING, "the cluster has made no pod for it")


def _find_ended(job: Manifest | None, ended: Manifest) -> PodState:
    exit_code, message = ended.get("exitCode"), str(ended.get("message") or "")
    if ended.get("reason") == "OOMKilled" and exit_code == 137:
        return PodState(RunnerState.OUT_OF_MEMORY, exit_code=exit_code)
    verdict = parse_verdict(message)
    if verdict is not None and EXIT_CODES[verdict.outcome] != exit_code:
        # A program can write that file, and then have its supervisor killed.
        verdict = None
    if verdict is None and is_suspended(job):
        return PodState(RunnerState.DISRUPTED, SUSPENDED, exit_code)
    if exit_code == EXIT_UNREADABLE and job is not None and _was_suspended(job):
        # Resumed so soon that this pod found the input of the one before it.
        return PodState(
            RunnerState.DISRUPTED, f"its Kubernetes Job was suspended: {message}", exit_code
        )
    place = RunnerState.ENDED if job is not None else RunnerState.JOB_DELETED
    words = SUSPENDED if is_suspended(job) else ""
    return PodState(place, words if verdict else message, exit_code, verdict)


def _is_lost(pod: Manifest, now: datetime) -> bool:
    deleted = pod["metadata"].get("deletionTimestamp")
    return bool(deleted) and (now - _parse_time(deleted)).total_seconds() > _LOST_SECONDS


def _find_hold(pod: Manifest, waiting: Manifest) -> PodState:
    container = pod["spec"]["containers"][0]
    if waiting.get("reason") in _PULL_REASONS:
        words = f"{waiting['reason']}: {waiting.get('message', '')}"
        return PodState(RunnerState.IMAGE_PULL, f"image {container['image']}: {words}")
    if waiting.get("reason") in _CONTAINER_REASONS:
        words = f"{waiting['reason']}: {waiting.get('message', '')}"
        return PodState(RunnerState.UNSCHEDULABLE, f"its container can't be started: {words}")
    for condition in pod.get("status", {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            asked = ", ".join(
                f"{name} {amount}"
                for name, amount in sorted(container["resources"]["requests"].items())
            )
            detail = f"{condition.get('message', 'no node takes its pod')} (it asks for {asked})"
            return PodState(RunnerState.UNSCHEDULABLE, detail)
    return PodState(RunnerState.STARTING, f"its pod is {waiting.get('reason', 'pending')}")


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
