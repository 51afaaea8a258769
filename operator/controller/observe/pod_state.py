"""The state of a RuntimeJob's pod, in the terms of the life cycle. Pure."""

from dataclasses import dataclass
from datetime import datetime

from controller.build.job import OVERTIME_SECONDS
from controller.observe.objects import JOB_ENDS, KubernetesJob, Pod, Termination
from qiskit_runtime.contract.lifecycle import ENDED_STATES, RunnerState
from qiskit_runtime.contract.wire.verdict import EXIT_CODES, EXIT_UNREADABLE, Verdict, parse_verdict

_PULL_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
)
_CONTAINER_REASONS = ("CreateContainerError", "CreateContainerConfigError", "RunContainerError")

_KILLED = 137
"""The exit code after SIGKILL."""

NO_POD_SECONDS = 10.0
"""How long the cluster may take to make a pod."""

_LOST_SECONDS = 60.0
"""How long after its deletion's grace a pod may still be reported to run: its node is lost then."""

GONE = "its pod was deleted while the job ran"
"""The message of a job whose pod is gone."""

SUSPENDED = "its Kubernetes Job was suspended while the job ran"
"""The same, where the pod went for that."""


@dataclass(frozen=True, slots=True)
class PodState:
    """The state of a runner, the cluster's words for what holds or ended it, and its exit code."""

    runner: RunnerState
    detail: str = ""
    exit_code: int | None = None
    verdict: Verdict | None = None
    """The verdict in its termination message, where the exit code bears it out."""

    @property
    def has_ended(self) -> bool:
        """Return whether nothing runs any more."""
        return self.runner in ENDED_STATES


def read_pod_state(job: KubernetesJob | None, pod: Pod | None, now: datetime) -> PodState:
    """Return the state of the pod of a job that was started."""
    if pod is None:
        return _read_without_pod(job, now)
    if pod.reason == "Evicted":
        return PodState(RunnerState.DISRUPTED, _describe_cause(job, pod))
    if pod.is_deleted and pod.never_ran and not _is_lost(pod, now):
        return _read_without_pod(job, now)
    if pod.container.termination:
        return _read_end(job, pod, pod.container.termination)
    if pod.phase == "Failed":
        return PodState(RunnerState.DISRUPTED, _describe_cause(job, pod))
    if _is_lost(pod, now):
        return PodState(RunnerState.DISRUPTED, "its pod was deleted, and its node does not answer")
    if pod.container.is_running:
        return PodState(RunnerState.RUNNING, _describe_cause(job, pod))
    if job is not None and job.is_suspended:
        return _read_without_pod(job, now)
    return _read_hold(pod)


def is_over_time(
    job: KubernetesJob | None, pod: Pod | None, limit_seconds: float, now: datetime
) -> bool:
    """Return whether the runner, which keeps the time limit, has failed to."""
    claimed = job.claimed if job else None
    limit = limit_seconds + OVERTIME_SECONDS
    return pod is not None and pod.container.ran_seconds(now, claimed) > limit


def describe_loss(job: KubernetesJob | None, pod: Pod | None = None) -> str:
    """Return the message of a running job whose pod is gone, or going."""
    if job is not None and job.is_suspended:
        return SUSPENDED
    return f"{GONE} ({pod.disruption})" if pod is not None and pod.disruption else GONE


def can_run_again(ended_pod: str, job: KubernetesJob | None, pod: Pod | None) -> bool:
    """Return whether the Kubernetes Job of an ended job may have another pod, now or later.

    ``ended_pod`` is the name of the pod that ran.
    """
    if job is None or job.is_deleted or job.has_condition(*JOB_ENDS):
        return False
    if job.is_suspended or job.has_condition("Suspended") or pod is None or pod.is_deleted:
        return True
    return pod.name != ended_pod


def _read_without_pod(job: KubernetesJob | None, now: datetime) -> PodState:
    """Return the state of a pod that has not come yet, or is gone, by its Kubernetes Job."""
    if job is None:
        return PodState(RunnerState.JOB_DELETED)
    for condition in job.conditions:
        if condition.type in ("Failed", "FailureTarget") and condition.is_true:
            if condition.reason == "DeadlineExceeded":
                return PodState(RunnerState.OVER_TIME)
            return PodState(RunnerState.DISRUPTED, describe_loss(job))
        if condition.type == "Complete" and condition.is_true:
            return PodState(RunnerState.ENDED, "its pod is gone")
    if job.is_suspended:
        return PodState(RunnerState.SUSPENDED, f"its Kubernetes Job {job.name} is suspended")
    if job.waited_seconds(now) > NO_POD_SECONDS:
        detail = f"the cluster makes no pod for it: kubectl describe job {job.name}"
        return PodState(RunnerState.UNSCHEDULABLE, detail)
    return PodState(RunnerState.STARTING, "the cluster has made no pod for it")


def _describe_cause(job: KubernetesJob | None, pod: Pod) -> str:
    """Return who has ended a pod, or is ending it; empty where nobody has, as far as is known."""
    if pod.reason == "Evicted":
        return f"its pod was evicted: {pod.message}"
    if pod.is_deleted or (job is not None and job.is_suspended):
        return describe_loss(job, pod)
    # A node that shuts down, or a pod that was preempted or rejected.
    return f"{pod.reason}: {pod.message}" if pod.phase == "Failed" and pod.reason else ""


def _read_end(job: KubernetesJob | None, pod: Pod, ended: Termination) -> PodState:
    """Return the state of a pod whose container has ended."""
    code, message = ended.exit_code, ended.message
    if ended.reason == "OOMKilled" and code == _KILLED:
        return PodState(RunnerState.OUT_OF_MEMORY, exit_code=code)
    is_suspended = job is not None and job.is_suspended
    verdict = parse_verdict(message)
    if verdict is not None and EXIT_CODES[verdict.outcome] != code:
        # A program can write that file, and then have its supervisor killed.
        verdict = None
    if verdict is None and is_suspended:
        return PodState(RunnerState.DISRUPTED, SUSPENDED, code)
    if code == EXIT_UNREADABLE and job is not None and job.was_suspended:
        # Resumed so soon that this pod found the input of the one before it.
        words = f"its Kubernetes Job was suspended: {message}"
        return PodState(RunnerState.DISRUPTED, words, code)
    runner = RunnerState.ENDED if job is not None else RunnerState.JOB_DELETED
    return PodState(runner, _describe_cause(job, pod) if verdict else message, code, verdict)


def _is_lost(pod: Pod, now: datetime) -> bool:
    return pod.deleted is not None and (now - pod.deleted).total_seconds() > _LOST_SECONDS


def _read_hold(pod: Pod) -> PodState:
    """Return the state of a pod that is on its way, with what holds it."""
    reason = pod.container.waiting_reason
    words = f"{reason}: {pod.container.waiting_message}"
    if reason in _PULL_REASONS:
        return PodState(RunnerState.IMAGE_PULL, f"image {pod.image}: {words}")
    if reason in _CONTAINER_REASONS:
        return PodState(RunnerState.UNSCHEDULABLE, f"its container can't be started: {words}")
    if pod.not_scheduled is not None:
        requested = ", ".join(f"{name} {amount}" for name, amount in pod.requests)
        detail = f"{pod.not_scheduled} (it asks for {requested})"
        return PodState(RunnerState.UNSCHEDULABLE, detail)
    return PodState(RunnerState.STARTING, f"its pod is {reason or 'pending'}")
