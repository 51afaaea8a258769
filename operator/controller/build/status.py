"""The status of a RuntimeJob, from its state and its record. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from qiskit_runtime.contract.lifecycle import Phase, State
from qiskit_runtime.contract.limits import MAX_INLINE_RESULT_BYTES, MAX_STATUS_MESSAGE_CHARACTERS
from qiskit_runtime.contract.moment import format_moment
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RESULT_IN_RECORD, RuntimeJob
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_stream import ATTEMPT
from qiskit_runtime.contract.wire.verdict import Verdict


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The Kubernetes Job and the pod that run a job, and how far the pod has come.

    The names are empty, and the times None, until they are known. A pod that was started ahead
    has times before the job's own.
    """

    job: str = ""
    pod: str = ""
    scheduled: datetime | None = None
    container_started: datetime | None = None

    def fields(self, before: Manifest) -> Manifest:
        """Return the status fields of what is known; the times of another pod go."""
        named = {"jobName": self.job, "podName": self.pod}
        stages = {
            "scheduledAt": self.scheduled,
            "containerStartedAt": self.container_started,
        }
        is_other = bool(self.pod) and self.pod != before.get("podName")
        times = {name: _format_seconds(time) if time else None for name, time in stages.items()}
        return {name: value for name, value in named.items() if value} | {
            name: time for name, time in times.items() if time or is_other
        }


NO_FACTS = RunFacts()
"""Those of a job that was not started."""


@dataclass(frozen=True, slots=True)
class FinalRecord:
    """The record of a job that has ended, as its status describes it."""

    verdict: Verdict | None = None
    result: str | None = None
    lines: int = 0
    secrets: list[str] = field(default_factory=list)
    record_bytes: int = 0
    """The size of the Secrets together."""
    progress: Progress | None = None
    """The progress that was reported last."""


def build_status(
    job: RuntimeJob,
    state: State,
    facts: RunFacts,
    now: datetime,
    record: FinalRecord | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Build the change of a RuntimeJob's status; None stands for a field to be removed.

    It is empty where nothing changes. ``progress`` is news of the running program; a final state
    comes with a ``record``, and the change then makes the status whole.
    """
    before = job.status
    known = job.job.status
    # Do not write when only the message has changed: those of a scheduler change all the time.
    if not state.phase.is_final and (known.phase, known.reason) == (state.phase, state.reason):
        return _build_progress(before, progress)
    status: Manifest = {
        "phase": state.phase.value,
        "reason": state.reason.value or None,
        "message": state.message[:MAX_STATUS_MESSAGE_CHARACTERS] or None,
        "observedGeneration": job.generation,
        "queuedAt": _format_seconds(job.created),
        **facts.fields(before),
        **_build_progress(before, record.progress if record else progress),
    }
    if state.phase is Phase.RUNNING:
        status |= {"startedAt": format_moment(now), "attempt": ATTEMPT}
    if record is not None:
        status |= _build_end(before, state, now, record)
    return {key: value for key, value in status.items() if before.get(key) != value}


def _format_seconds(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _build_end(before: Manifest, state: State, now: datetime, record: FinalRecord) -> Manifest:
    verdict = record.verdict
    status: Manifest = {
        "finishedAt": format_moment(now),
        "conditions": [_build_condition(state, now)],
        "record": {
            "secrets": record.secrets,
            "lines": record.lines,
            "bytes": record.record_bytes,
            "sha256": verdict.sha256 if verdict else None,
            "complete": verdict is not None,
        },
    }
    if verdict is not None:
        started = now - timedelta(seconds=verdict.seconds)
        status |= {
            "startedAt": before.get("startedAt", format_moment(started)),
            "attempt": ATTEMPT,
            "duration": f"{verdict.seconds:.1f}s",
            "usage": {
                "seconds": verdict.seconds,
                "peakMemoryBytes": verdict.peak_memory_bytes,
            },
            "versions": verdict.versions,
            "seeds": None if verdict.seed is None else {"simulator": verdict.seed},
            "circuits": verdict.circuits,
        }
    return status | _build_result(record.result)


def _build_progress(before: Manifest, progress: Progress | None) -> Manifest:
    if progress is None:
        return {}
    if before.get("progress") == progress.fields:
        return {}
    # None removes a best value that is there.
    return {"progress": {"best": None, **progress.fields}}


def _build_result(result: str | None) -> Manifest:
    if result is None:
        return {}
    if len(result.encode()) > MAX_INLINE_RESULT_BYTES:
        return {"resultFrom": RESULT_IN_RECORD}
    return {"result": result}


def _build_condition(state: State, now: datetime) -> Manifest:
    return {
        "type": state.phase.value,
        "status": "True",
        "reason": state.reason.value or state.phase.value,
        "message": state.message[:MAX_STATUS_MESSAGE_CHARACTERS],
        "lastTransitionTime": _format_seconds(now),
    }
