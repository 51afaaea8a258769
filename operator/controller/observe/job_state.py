"""What a job that was started has come to, in the words of the life cycle. Pure."""

from datetime import datetime
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from controller.observe.cluster_view import Seen
from controller.observe.pod_state import PodState, is_over_time, waits_since
from controller.record.copy import RecordCopy
from qiskit_runtime.contract.lifecycle import Limits, Observation, RunnerState, State, derive_state

Manifest = dict[str, Any]


def observe_job(seen: Seen, place: PodState, copy: RecordCopy | None, now: datetime) -> State:
    """The state that follows; ``copy`` is what was read of the record, where it is followed."""
    assert seen.runtimejob is not None
    verdict = copy.verdict if copy else None
    spec = seen.runtimejob["spec"]
    limits = _find_limits(spec, seen.pod)
    where = place.place
    if verdict or place.has_ended:
        if is_over_time(seen.pod, limits.max_execution_seconds, now):
            where = RunnerState.OVER_TIME
        elif seen.job is None:
            where = RunnerState.JOB_DELETED
    return derive_state(
        Observation(
            runner=where,
            verdict=verdict or place.verdict,
            exit_code=place.exit_code,
            result_lost=copy is None or copy.result is None,
            cancel_requested=spec.get("cancelRequested", False),
            waited_seconds=waited_seconds(seen, now),
            detail=place.detail,
            limits=limits,
        )
    )


def waited_seconds(seen: Seen, now: datetime) -> float:
    """For how long the Kubernetes Job has been there, and was not suspended."""
    since = waits_since(seen.job) if seen.job else None
    return (now - since).total_seconds() if since else 0.0


def _find_limits(spec: Manifest, pod: Manifest | None) -> Limits:
    containers = pod["spec"]["containers"] if pod else []
    memory = containers[0]["resources"]["limits"]["memory"] if containers else "0"
    return Limits(
        max_execution_seconds=spec["maxExecutionSeconds"],
        start_deadline_seconds=spec["startDeadlineSeconds"],
        memory_bytes=int(parse_quantity(memory)),
    )
