"""The exit status of a program: its outcome, and the message of its verdict."""

import pytest

from qiskit_runtime.contract.wire.verdict import Outcome
from runner.exit_status import ExitStatus


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (ExitStatus(0), Outcome.SUCCEEDED),
        (ExitStatus(0, Outcome.TERMINATED), Outcome.SUCCEEDED),
        (ExitStatus(0, error={"message": "m"}), Outcome.FAILED),
        (ExitStatus(1), Outcome.FAILED),
        (ExitStatus(-11), Outcome.SIGNALLED),
        (ExitStatus(-11, oom_killed=True), Outcome.SIGNALLED),
        (ExitStatus(-9, oom_killed=True), Outcome.OUT_OF_MEMORY),
        (ExitStatus(-9, Outcome.OVER_TIME, oom_killed=True), Outcome.OVER_TIME),
        (ExitStatus(-15, Outcome.TERMINATED), Outcome.TERMINATED),
        (ExitStatus(3, Outcome.OVER_TIME), Outcome.OVER_TIME),
    ],
)
def test_end_of_a_program_is_judged(end, outcome):
    """The exit status decides the outcome; success wins over a stop that came too late."""
    verdict = end.verdict()
    assert verdict.outcome is outcome
    assert (verdict.exit_code, verdict.signal) == (
        (end.code, None) if end.code >= 0 else (None, -end.code)
    )


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (ExitStatus(0), ""),
        (ExitStatus(3), "the program exited with code 3"),
        (ExitStatus(-11), "the program was ended by signal 11 (Segmentation fault)"),
        (ExitStatus(-40), "the program was ended by signal 40 (Real-time signal 6)"),
        (ExitStatus(-33), "the program was ended by signal 33 (unknown)"),
        (ExitStatus(1, error={"reason": "TooLarge", "message": "40 qubits"}), "40 qubits"),
        (ExitStatus(-11, error={"reason": "r"}), ""),
    ],
)
def test_message_of_an_end_is_the_error_or_the_code_or_the_signal(end, message):
    """A program's own error wins over its exit code, and a signal is named where it has a name."""
    assert end.verdict().message == message
    assert end.verdict().reason == end.error.get("reason", "")
