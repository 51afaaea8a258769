"""The status that a RuntimeJob gets."""

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.verdict import Outcome, Verdict
from status_builder import MAX_INLINE_BYTES, build_status

VERDICT = Verdict(Outcome.SUCCEEDED, exit_code=0, final=True, lines=3, sha256="ab", seconds=1.25)


def test_running_begins_once():
    """The start's time is of the first time that the job was seen running."""
    first = build_status({}, State(Phase.RUNNING), generation=1)
    again = build_status(first | {"startedAt": "then"}, State(Phase.RUNNING), generation=2)
    assert first["startedAt"].endswith("Z")
    assert (again["startedAt"], again["observedGeneration"]) == ("then", 2)
    assert "conditions" not in first


def test_final_status_is_whole():
    """One status says all of the end: phase, condition, result, record."""
    status = build_status(
        {"jobName": "j"}, State(Phase.COMPLETED), generation=1, verdict=VERDICT, result='"x"'
    )
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "Completed",
        "True",
        "Completed",
    )
    assert (status["jobName"], status["result"], status["duration"]) == ("j", '"x"', "1.2s")
    assert status["record"] == {"lines": 3, "sha256": "ab", "complete": True}


def test_failure_says_why():
    """The condition has the reason and the message of the status."""
    state = State(Phase.FAILED, Reason.OUT_OF_MEMORY, "too much")
    (condition,) = build_status({}, state, generation=1)["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == (
        "Failed",
        "OutOfMemory",
        "too much",
    )


def test_large_result_is_not_inline():
    """A status stays small whatever a program publishes."""
    large = '"' + "é" * MAX_INLINE_BYTES + '"'
    assert "result" not in build_status(
        {}, State(Phase.COMPLETED), generation=1, verdict=VERDICT, result=large
    )
