"""The life cycle's specification: one table of what is seen and the state that follows."""

import itertools

import pytest

from qiskit_runtime.contract.lifecycle import (
    Limits,
    Observation,
    Phase,
    Reason,
    RunnerState,
    State,
    derive_state,
    reject,
)
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict

LIMITS = Limits(
    max_execution_seconds=7, start_deadline_seconds=30, input_deadline_seconds=5, memory_bytes=2**30
)
QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = Phase


def ended(outcome, **verdict):
    """A runner that ended with this verdict."""
    return {"runner": RunnerState.ENDED, "verdict": Verdict(outcome, **verdict)}


def failed(reason):
    """A program that failed and named a reason."""
    return ended(Outcome.FAILED, exit_code=1, reason=reason, message="words")


P, O, R = RunnerState, Outcome, Reason  # noqa: E741  (a table's columns)
CANCEL = {"cancel_requested": True}
TABLE = [
    # what is seen, phase, reason, what the message holds
    ({"runner": P.NOT_STARTED}, QUEUED, R.NONE, ""),
    ({"runner": P.NOT_STARTED, "waited_seconds": 1e6}, QUEUED, R.NONE, ""),
    ({"runner": P.NOT_STARTED, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "before it started"),
    (
        {"runner": P.NOT_STARTED, "session_closed": "over"},
        CANCELLED,
        R.SESSION_CLOSED,
        "over",
    ),
    (
        {"runner": P.NOT_STARTED, "session_closed": "over", **CANCEL},
        CANCELLED,
        R.CANCELLED_BY_USER,
        "before it started",
    ),
    ({"runner": P.RUNNING, "session_closed": "over"}, RUNNING, R.NONE, ""),
    ({**ended(O.SUCCEEDED, final=True), "session_closed": "over"}, COMPLETED, R.NONE, ""),
    ({"runner": P.STARTING}, QUEUED, R.NONE, ""),
    ({"runner": P.STARTING, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "before it started"),
    ({"runner": P.STARTING, "waited_seconds": 31}, FAILED, R.UNSCHEDULABLE, "within 30 s"),
    ({"runner": P.INPUT_MISSING, "waited_seconds": 5}, QUEUED, R.NONE, ""),
    ({"runner": P.INPUT_MISSING, "waited_seconds": 5.1}, FAILED, R.INPUT_LOST, "within 5 s"),
    (
        {"runner": P.INPUT_MISSING, "waited_seconds": 9, **CANCEL},
        CANCELLED,
        R.CANCELLED_BY_USER,
        "",
    ),
    ({"runner": P.SUSPENDED, "detail": "held"}, QUEUED, R.SUSPENDED, "held"),
    ({"runner": P.SUSPENDED, "detail": "held", "waited_seconds": 1e6}, QUEUED, R.SUSPENDED, "held"),
    ({"runner": P.SUSPENDED, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "before it started"),
    ({"runner": P.UNSCHEDULABLE, "detail": "9 cpu"}, QUEUED, R.UNSCHEDULABLE, "9 cpu"),
    (
        {"runner": P.UNSCHEDULABLE, "detail": "9 cpu", "waited_seconds": 31},
        FAILED,
        R.UNSCHEDULABLE,
        "30 s",
    ),
    ({"runner": P.UNSCHEDULABLE, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "before it started"),
    ({"runner": P.IMAGE_PULL, "detail": "img:1"}, QUEUED, R.IMAGE_PULL, "img:1"),
    (
        {"runner": P.IMAGE_PULL, "detail": "img:1", "waited_seconds": 31},
        FAILED,
        R.IMAGE_PULL,
        "img:1",
    ),
    ({"runner": P.IMAGE_PULL, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "before it started"),
    ({"runner": P.RUNNING}, RUNNING, R.NONE, ""),
    ({"runner": P.RUNNING, **CANCEL}, RUNNING, R.NONE, ""),
    ({"runner": P.RUNNING, "waited_seconds": 1e6}, RUNNING, R.NONE, ""),
    # the verdict decides, wherever the runner is seen
    (ended(O.SUCCEEDED, final=True), COMPLETED, R.NONE, ""),
    ({**ended(O.SUCCEEDED, final=True), **CANCEL}, COMPLETED, R.NONE, ""),
    ({**ended(O.SUCCEEDED, final=True), "runner": P.RUNNING}, COMPLETED, R.NONE, ""),
    ({**ended(O.SUCCEEDED, final=True), "runner": P.DISRUPTED}, COMPLETED, R.NONE, ""),
    (ended(O.SUCCEEDED), COMPLETED, R.NO_RESULT, "without a final result"),
    (failed("ProgramError"), FAILED, R.PROGRAM_ERROR, "words"),
    (failed(""), FAILED, R.PROGRAM_ERROR, "words"),
    (failed("InvalidParams"), FAILED, R.INVALID_PARAMS, "words"),
    (failed("UnknownProgram"), FAILED, R.UNKNOWN_PROGRAM, "words"),
    (failed("UnknownBackend"), FAILED, R.UNKNOWN_BACKEND, "words"),
    (failed("ResultTooLarge"), FAILED, R.RESULT_TOO_LARGE, "words"),
    (failed("TooLarge"), FAILED, R.TOO_LARGE, "words"),
    (failed("OutOfMemory"), FAILED, R.OUT_OF_MEMORY, "1024 MiB"),
    (failed("CancelledByUser"), FAILED, R.PROGRAM_ERROR, "words"),
    (failed("RanTooLong"), FAILED, R.PROGRAM_ERROR, "words"),
    (failed("no reason"), FAILED, R.PROGRAM_ERROR, "words"),
    (ended(O.FAILED, exit_code=3), FAILED, R.PROGRAM_ERROR, "code 3"),
    (ended(O.FAILED, exit_code=1, final=True, message="late"), FAILED, R.PROGRAM_ERROR, "late"),
    ({**failed(""), **CANCEL}, FAILED, R.PROGRAM_ERROR, "words"),
    (ended(O.SIGNALLED, signal=11), FAILED, R.PROGRAM_ERROR, "signal 11"),
    ({**ended(O.SIGNALLED, signal=9), **CANCEL}, FAILED, R.PROGRAM_ERROR, "signal 9"),
    (ended(O.OUT_OF_MEMORY, peak_memory_bytes=2**31), FAILED, R.OUT_OF_MEMORY, "2048 MiB"),
    ({**ended(O.OUT_OF_MEMORY), **CANCEL}, FAILED, R.OUT_OF_MEMORY, "limit of 1024 MiB"),
    (ended(O.OVER_TIME), CANCELLED, R.RAN_TOO_LONG, "7 s"),
    ({**ended(O.OVER_TIME), **CANCEL}, CANCELLED, R.RAN_TOO_LONG, "7 s"),
    (ended(O.TERMINATED), FAILED, R.INTERRUPTED, "told to end"),
    ({**ended(O.TERMINATED), "detail": "node n1 lost"}, FAILED, R.INTERRUPTED, "node n1 lost"),
    ({**ended(O.TERMINATED), "runner": P.OVER_TIME}, CANCELLED, R.RAN_TOO_LONG, "7 s"),
    ({**ended(O.TERMINATED), "runner": P.JOB_DELETED}, FAILED, R.JOB_DELETED, "deleted"),
    ({**ended(O.TERMINATED), **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "while it ran"),
    # an end without a verdict
    ({"runner": P.ENDED, "exit_code": 0}, FAILED, R.RECORD_LOST, "code 0"),
    ({"runner": P.ENDED}, FAILED, R.RECORD_LOST, "no end"),
    ({"runner": P.ENDED, "exit_code": 137}, FAILED, R.INTERRUPTED, "SIGKILL"),
    ({"runner": P.ENDED, "exit_code": -9}, FAILED, R.INTERRUPTED, "SIGKILL"),
    (
        {"runner": P.ENDED, "exit_code": -9, **CANCEL},
        CANCELLED,
        R.CANCELLED_BY_USER,
        "while it ran",
    ),
    ({"runner": P.ENDED, "exit_code": 64, "detail": "no x"}, FAILED, R.INPUT_LOST, "no x"),
    ({"runner": P.OVER_TIME}, CANCELLED, R.RAN_TOO_LONG, "7 s"),
    ({"runner": P.OVER_TIME, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "while it ran"),
    ({"runner": P.OUT_OF_MEMORY, "exit_code": 137}, FAILED, R.OUT_OF_MEMORY, "1024 MiB"),
    ({"runner": P.OUT_OF_MEMORY, **CANCEL}, FAILED, R.OUT_OF_MEMORY, "1024 MiB"),
    ({"runner": P.DISRUPTED, "detail": "evicted"}, FAILED, R.INTERRUPTED, "evicted"),
    ({"runner": P.DISRUPTED}, FAILED, R.INTERRUPTED, "from outside"),
    ({"runner": P.DISRUPTED, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "while it ran"),
    ({"runner": P.JOB_DELETED}, FAILED, R.JOB_DELETED, "deleted"),
    ({"runner": P.JOB_DELETED, **CANCEL}, CANCELLED, R.CANCELLED_BY_USER, "while it ran"),
]


@pytest.mark.parametrize(("seen", "phase", "reason", "message"), TABLE)
def test_observation_leads_to_its_state(seen, phase, reason, message):
    """An observation of a job decides its phase, its reason and its message."""
    state = derive_state(Observation(limits=LIMITS, **seen))
    assert (state.phase, state.reason) == (phase, reason)
    assert message in state.message
    assert bool(state.message) == bool(message or (phase.is_final and reason))


def test_table_covers_every_outcome_runner_phase_and_reason():
    """Nothing that the enums name is left without a row."""
    seen = [row[0] for row in TABLE]
    assert {s["verdict"].outcome for s in seen if "verdict" in s} == set(Outcome)
    assert {s["runner"] for s in seen} == set(RunnerState)
    assert {row[1] for row in TABLE} == set(Phase)
    assert {row[2] for row in TABLE} | {R.UNKNOWN_SESSION} == set(Reason)
    # A session is looked up before there is anything to observe.
    assert reject(R.UNKNOWN_SESSION, "words").phase is FAILED


def test_every_combination_has_a_state_that_explains_itself():
    """Every product of runner, outcome, cancel and clock gives a state; a failure has its words."""
    verdicts = [None, *(Verdict(o, final=f) for o in Outcome for f in (False, True))]
    product = itertools.product(
        RunnerState, verdicts, (False, True), (0, 10, 1e6), (None, 0, -9, 137)
    )
    for runner, verdict, cancel, waited, code in product:
        state = derive_state(Observation(runner, verdict, code, cancel, waited, "d", LIMITS))
        assert isinstance(state, State)
        if state.phase in (FAILED, CANCELLED):
            assert state.reason and state.message
        if verdict is not None:
            assert state.phase.is_final
        if cancel and verdict is None and runner is not RunnerState.RUNNING:
            assert state.phase is CANCELLED or runner is RunnerState.OUT_OF_MEMORY


def test_no_memory_limit_is_named_where_there_is_none():
    """Without a limit the message does not invent one."""
    state = derive_state(Observation(runner=RunnerState.OUT_OF_MEMORY))
    assert "the memory there is" in state.message and "MiB" not in state.message
