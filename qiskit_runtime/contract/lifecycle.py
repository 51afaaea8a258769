"""The life cycle: the one map from what is observed of a job to its phase, reason and message.

Local mode and the operator describe what they observe as an ``Observation`` and take the ``State``
that ``derive_state`` returns. The table in its test is the specification.
"""

from dataclasses import dataclass
from enum import StrEnum

from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    INPUT_DEADLINE_SECONDS,
    START_DEADLINE_SECONDS,
)
from qiskit_runtime.contract.wire.verdict import EXIT_UNREADABLE, Outcome, Verdict


class Phase(StrEnum):
    """The phase of a job's life. The last three are final."""

    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_final(self) -> bool:
        """Return whether a job never leaves it."""
        return self in _FINAL


class Reason(StrEnum):
    """Why a job is in its phase, for programs to read; the message says it for people."""

    NONE = ""
    PROGRAM_ERROR = "ProgramError"
    INVALID_PARAMS = "InvalidParams"
    UNKNOWN_PROGRAM = "UnknownProgram"
    UNKNOWN_BACKEND = "UnknownBackend"
    RAN_TOO_LONG = "RanTooLong"
    CANCELLED_BY_USER = "CancelledByUser"
    SESSION_CLOSED = "SessionClosed"
    UNKNOWN_SESSION = "UnknownSession"
    OUT_OF_MEMORY = "OutOfMemory"
    IMAGE_PULL = "ImagePull"
    UNSCHEDULABLE = "Unschedulable"
    SUSPENDED = "Suspended"
    INTERRUPTED = "Interrupted"
    JOB_DELETED = "JobDeleted"
    RESULT_TOO_LARGE = "ResultTooLarge"
    TOO_LARGE = "TooLarge"
    INPUT_LOST = "InputLost"
    RECORD_LOST = "RecordLost"
    NO_RESULT = "NoResult"


class RunnerState(StrEnum):
    """The observed state of the process or pod that runs the job."""

    NOT_STARTED = "Nowhere"
    """Not started yet."""
    INPUT_MISSING = "InputMissing"
    """Not startable: its input is not there (yet)."""
    SUSPENDED = "Suspended"
    """Somebody holds it, before it has started: its clock stands."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    IMAGE_PULL = "ImagePull"
    """The image can't be pulled."""
    STARTING = "Starting"
    """On its way."""
    RUNNING = "Running"
    """It runs."""
    ENDED = "Ended"
    """The runner has exited, with ``exit_code``."""
    OUT_OF_MEMORY = "OutOfMemory"
    """The kernel killed the whole runner for its memory."""
    DISRUPTED = "Disrupted"
    """The runner was ended from outside: evicted, deleted, its node or server lost."""
    OVER_TIME = "OverTime"
    """The cluster ended it: the runner did not keep its own time limit."""
    JOB_DELETED = "JobDeleted"
    """The Kubernetes Job is gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that a message names. Seconds and bytes; 0 is none."""

    max_execution_seconds: float = DEFAULT_MAX_EXECUTION_SECONDS
    start_deadline_seconds: float = START_DEADLINE_SECONDS
    input_deadline_seconds: float = INPUT_DEADLINE_SECONDS
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of a job at one moment.

    ``verdict`` is the record's last line, verified; ``exit_code`` is the runner's own (negative: a
    signal's); ``detail`` is the cluster's text; ``session_closed`` says why its session is over.
    """

    runner: RunnerState = RunnerState.NOT_STARTED
    verdict: Verdict | None = None
    exit_code: int | None = None
    cancel_requested: bool = False
    waited_seconds: float = 0
    detail: str = ""
    limits: Limits = Limits()
    result_lost: bool = False
    """Whether the record could not be read to the final result that the verdict reports."""
    session_closed: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """The phase of a job, with its reason and a sentence for people."""

    phase: Phase
    reason: Reason = Reason.NONE
    message: str = ""


def derive_state(seen: Observation) -> State:
    """Return the state that follows from an observation. Pure."""
    if seen.verdict is not None:
        return _judge(seen, seen.verdict)
    if seen.runner in ENDED_STATES:
        return _explain_lost_end(seen)
    if seen.runner is RunnerState.RUNNING:
        return State(Phase.RUNNING)
    if seen.cancel_requested:
        return _cancelled("before it started")
    if seen.session_closed:
        return State(Phase.CANCELLED, Reason.SESSION_CLOSED, seen.session_closed)
    return _wait(seen)


def reject(reason: Reason, message: str) -> State:
    """Return the state of a job that can't run: its program or backend was deleted, say."""
    return _failed(reason, message)


def _judge(seen: Observation, verdict: Verdict) -> State:
    """Return the state of a job whose program has left a verdict."""
    match verdict.outcome:
        case Outcome.SUCCEEDED if verdict.final and seen.result_lost:
            return _failed(
                Reason.RECORD_LOST, "the program published its result, but its log can't be read"
            )
        case Outcome.SUCCEEDED if verdict.final:
            return State(Phase.COMPLETED)
        case Outcome.SUCCEEDED:
            return State(
                Phase.COMPLETED, Reason.NO_RESULT, "the program ended without a final result"
            )
        case Outcome.OVER_TIME:
            return _ran_too_long(seen.limits)
        case Outcome.TERMINATED:
            return _explain_termination(seen)
        case Outcome.OUT_OF_MEMORY:
            return _failed(
                Reason.OUT_OF_MEMORY, _memory_message(seen.limits, verdict.peak_memory_bytes)
            )
        case Outcome.SIGNALLED:
            return _failed(
                Reason.PROGRAM_ERROR, verdict.message or f"ended by signal {verdict.signal}"
            )
        case Outcome.FAILED if _reason_of(verdict) is Reason.OUT_OF_MEMORY:
            detail = f": {verdict.message}" if verdict.message else ""
            return _failed(Reason.OUT_OF_MEMORY, _memory_message(seen.limits, None) + detail)
        case Outcome.FAILED:
            message = verdict.message or f"the program exited with code {verdict.exit_code}"
            return _failed(_reason_of(verdict), message)


def _explain_termination(seen: Observation) -> State:
    """Return the state of a job whose runner got SIGTERM, by the cause of that."""
    match seen.runner:
        case _ if seen.cancel_requested:
            return _cancelled("while it ran")
        case RunnerState.OVER_TIME:
            return _ran_too_long(seen.limits)
        case RunnerState.JOB_DELETED:
            return _job_deleted()
        case _:
            return _failed(
                Reason.INTERRUPTED, seen.detail or "the runner was told to end while the job ran"
            )


def _explain_lost_end(seen: Observation) -> State:
    """Return the state of a job whose runner ended without a verdict."""
    match seen.runner:
        case RunnerState.OUT_OF_MEMORY:
            return _failed(Reason.OUT_OF_MEMORY, _memory_message(seen.limits, None))
        case _ if seen.cancel_requested:
            return _cancelled("while it ran")
        case RunnerState.OVER_TIME:
            return _ran_too_long(seen.limits)
        case RunnerState.JOB_DELETED:
            return _job_deleted()
        case RunnerState.DISRUPTED:
            return _failed(Reason.INTERRUPTED, seen.detail or "the runner was ended from outside")
        case _ if seen.exit_code == EXIT_UNREADABLE:
            return _failed(Reason.INPUT_LOST, f"its runner could not read its input: {seen.detail}")
        case _ if seen.exit_code in (-9, 137):
            return _failed(
                Reason.INTERRUPTED, "the runner was killed (SIGKILL) and left no verdict"
            )
        case _:
            ended = "ended" if seen.exit_code is None else f"exited with code {seen.exit_code}"
            detail = f": {seen.detail}" if seen.detail else ""
            return _failed(
                Reason.RECORD_LOST, f"the runner {ended} and its record has no end{detail}"
            )


def _wait(seen: Observation) -> State:
    """Return the state of a job that has not started: Queued, until a deadline passes."""
    reason = _HOLDS.get(seen.runner, Reason.NONE)
    if seen.runner is RunnerState.INPUT_MISSING:
        limit = seen.limits.input_deadline_seconds
        if seen.waited_seconds > limit:
            return _failed(Reason.INPUT_LOST, f"its input did not arrive within {limit:g} s")
        return State(Phase.QUEUED)
    limit = seen.limits.start_deadline_seconds
    # The deadline is that of a pod which does not start, not that of a job which waits for room.
    if seen.runner not in _WITHOUT_DEADLINE and seen.waited_seconds > limit:
        return _failed(
            reason or Reason.UNSCHEDULABLE,
            f"not started within {limit:g} s (startDeadlineSeconds): {seen.detail}",
        )
    return State(Phase.QUEUED, reason, seen.detail if reason else "")


def _reason_of(verdict: Verdict) -> Reason:
    """Return the reason in the verdict, if a program may give it: any other could be forged."""
    return Reason(verdict.reason) if verdict.reason in _NAMED_BY_PROGRAM else Reason.PROGRAM_ERROR


def _memory_message(limits: Limits, peak: int | None) -> str:
    known = limits.memory_bytes
    limit = f"its limit of {_mib(known)}" if known else "the memory there is"
    seen = f" (seen at its peak: {_mib(peak)})" if peak else ""
    return f"the program needed more memory than {limit}{seen}"


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _failed(reason: Reason, message: str) -> State:
    return State(Phase.FAILED, reason, message)


def _ran_too_long(limits: Limits) -> State:
    limit = limits.max_execution_seconds
    message = f"ran longer than its limit of {limit:g} s (max_execution_time of program or job)"
    return State(Phase.CANCELLED, Reason.RAN_TOO_LONG, message)


def _job_deleted() -> State:
    return _failed(Reason.JOB_DELETED, "the Kubernetes Job was deleted while the job ran")


def _cancelled(when: str) -> State:
    return State(Phase.CANCELLED, Reason.CANCELLED_BY_USER, f"cancelled by its user {when}")


ENDED_STATES = (
    RunnerState.ENDED,
    RunnerState.OUT_OF_MEMORY,
    RunnerState.DISRUPTED,
    RunnerState.OVER_TIME,
    RunnerState.JOB_DELETED,
)
"""The states in which nothing of the job runs any more."""

_FINAL = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)

_HOLDS = {
    RunnerState.IMAGE_PULL: Reason.IMAGE_PULL,
    RunnerState.UNSCHEDULABLE: Reason.UNSCHEDULABLE,
    RunnerState.SUSPENDED: Reason.SUSPENDED,
}

_WITHOUT_DEADLINE = (RunnerState.NOT_STARTED, RunnerState.SUSPENDED)

_NAMED_BY_PROGRAM = (
    Reason.INVALID_PARAMS,
    Reason.UNKNOWN_PROGRAM,
    Reason.UNKNOWN_BACKEND,
    Reason.RESULT_TOO_LARGE,
    Reason.TOO_LARGE,
    Reason.OUT_OF_MEMORY,
)
