"""The status of a RuntimeJob, from what was seen of it. Pure."""

from datetime import UTC, datetime
from typing import Any

from qiskit_runtime.contract.lifecycle import State
from qiskit_runtime.contract.verdict import Verdict

MAX_INLINE_BYTES = 32 * 1024
"""A larger result does not go onto the status."""

Manifest = dict[str, Any]


def build_status(
    before: Manifest,
    state: State,
    *,
    generation: int,
    verdict: Verdict | None = None,
    result: str | None = None,
    **names: str,
) -> Manifest:
    """The status that follows one; final when the state is, and then whole."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = before | names | {"phase": state.phase, "observedGeneration": generation}
    status |= {"reason": state.reason, "message": state.message}
    if state.phase == "Running":
        status.setdefault("startedAt", now)
    if state.phase.is_final:
        status |= {"finishedAt": now, "conditions": [_build_condition(state, now)]}
    if verdict is not None:
        status |= _describe(verdict)
    if result is not None and len(result.encode()) <= MAX_INLINE_BYTES:
        status["result"] = result
    return status


def _build_condition(state: State, now: str) -> Manifest:
    return {
        "type": state.phase,
        "status": "True",
        "reason": state.reason or state.phase,
        "message": state.message,
        "lastTransitionTime": now,
    }


def _describe(verdict: Verdict) -> Manifest:
    return {
        "duration": f"{verdict.seconds:.1f}s",
        "peakMemoryBytes": verdict.peak_memory_bytes or 0,
        "versions": verdict.versions or {},
        "record": {"lines": verdict.lines, "sha256": verdict.sha256, "complete": True},
    }
