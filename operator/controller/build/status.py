"""The status of a RuntimeJob, from what was seen of it. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from qiskit_runtime.contract.lifecycle import Phase, State
from qiskit_runtime.contract.resources.runtimejob import RESULT_IN_RECORD
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_stream import ATTEMPT
from qiskit_runtime.contract.wire.verdict import Verdict

MAX_INLINE_BYTES = 32 * 1024
"""A larger result does not go onto the status."""

MAX_MESSAGE_CHARACTERS = 4096
"""What the CRD admits."""

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a job that has ended, beside its state."""

    verdict: Verdict | None = None
    result: str | None = None
    lines: int = 0
    secrets: list[str] = field(default_factory=list)
    record_bytes: int = 0
    """What the Secrets hold together."""
    progress: Progress | None = None
    """What was reported last."""


def build_status(
    job: Manifest,
    state: State,
    names: Manifest,
    now: datetime,
    ending: Ending | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """What to change of a RuntimeJob's status, None standing for a field to be removed.

    Empty where nothing changes. ``names`` are its ``jobName`` and ``podName``; ``progress`` is
    news of it; a final state comes with an ``ending``, and the change then makes the status whole.
    """
    before: Manifest = job.get("status", {})
    phase, reason = before.get("phase", Phase.QUEUED), before.get("reason")
    # The words of a hold come and go; only another reason is worth a write.
    if not state.phase.is_final and (phase, reason or "") == (state.phase, state.reason):
        return _build_progress(before, progress)
    status: Manifest = {
        "phase": state.phase.value,
        "reason": state.reason.value or None,
        "message": state.message[:MAX_MESSAGE_CHARACTERS] or None,
        "observedGeneration": job["metadata"]["generation"],
        "queuedAt": job["metadata"]["creationTimestamp"],
        **names,
        **_build_progress(before, ending.progress if ending else progress),
    }
    if state.phase is Phase.RUNNING:
        status |= {"startedAt": format_time(now), "attempt": ATTEMPT}
    if ending is not None:
        status |= _build_end(before, state, now, ending)
    return {key: value for key, value in status.items() if before.get(key) != value}


def format_time(time: datetime) -> str:
    """A moment as Kubernetes writes one that is finer than a second: jobs may be shorter."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _build_end(before: Manifest, state: State, now: datetime, ending: Ending) -> Manifest:
    verdict = ending.verdict
    status: Manifest = {
        "finishedAt": format_time(now),
        "conditions": [_build_condition(state, now)],
        "record": {
            "secrets": ending.secrets,
            "lines": ending.lines,
            "bytes": ending.record_bytes,
            "sha256": verdict.sha256 if verdict else None,
            "complete": verdict is not None,
        },
    }
    if verdict is not None:
        started = now - timedelta(seconds=verdict.seconds)
        status |= {
            "startedAt": before.get("startedAt", format_time(started)),
            "attempt": ATTEMPT,
            "duration": f"{verdict.seconds:.1f}s",
            "usage": {
                "seconds": verdict.seconds,
                "peakMemoryBytes": verdict.peak_memory_bytes,
            },
            "versions": verdict.versions,
            "seeds": None if verdict.seed is None else {"simulator": verdict.seed},
        }
    return status | _build_result(ending.result)


def _build_progress(before: Manifest, progress: Progress | None) -> Manifest:
    if progress is None:
        return {}
    if before.get("progress") == progress.fields:
        return {}
    # None removes what was there.
    return {"progress": {"best": None, **progress.fields}}


def _build_result(result: str | None) -> Manifest:
    if result is None:
        return {}
    if len(result.encode()) > MAX_INLINE_BYTES:
        return {"resultFrom": RESULT_IN_RECORD}
    return {"result": result}


def _build_condition(state: State, now: datetime) -> Manifest:
    return {
        "type": state.phase.value,
        "status": "True",
        "reason": state.reason.value or state.phase.value,
        "message": state.message[:MAX_MESSAGE_CHARACTERS],
        "lastTransitionTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
