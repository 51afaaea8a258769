"""The status that a RuntimeJob gets."""

from datetime import timedelta

import pytest

from controller.build.status import (
    FinalRecord,
    RunFacts,
    build_status,
)
from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.limits import MAX_INLINE_RESULT_BYTES, MAX_STATUS_MESSAGE_CHARACTERS
from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from tests.operator.manifests import NOW, ago, make_job

VERDICT = Verdict(Outcome.SUCCEEDED, exit_code=0, final=True, lines=3, sha256="ab", seconds=1.25)
NAMES = RunFacts("j", "p")


def job_with(**status):
    """A RuntimeJob with this status."""
    return make_job(status)


def test_running_is_written_once():
    """The first time that a job is seen running is its start; the second is no write."""
    first = build_status(job_with(), State(Phase.RUNNING), NAMES, NOW)
    assert first["startedAt"] == "2026-11-23T12:00:00.000000Z"
    assert (first["observedGeneration"], first["podName"]) == (2, "p")
    assert "conditions" not in first
    assert build_status(job_with(**first), State(Phase.RUNNING), NAMES, NOW) == {}


def test_other_words_of_the_same_hold_are_no_write():
    """A scheduler's changing message costs no write; another reason does, and its end."""
    held = job_with(phase="Queued", reason="Unschedulable", message="0/1 nodes")
    again = State(Phase.QUEUED, Reason.UNSCHEDULABLE, "0/2 nodes")
    assert build_status(held, again, NAMES, NOW) == {}
    pull = build_status(held, State(Phase.QUEUED, Reason.IMAGE_PULL, "x:1"), NAMES, NOW)
    assert (pull["reason"], pull["message"]) == ("ImagePull", "x:1")
    released = build_status(held, State(Phase.RUNNING), NAMES, NOW)
    assert (released["reason"], released["message"]) == (None, None)


def test_final_status_is_whole():
    """The final status has all of the end: phase, condition, result, record."""
    ending = FinalRecord(VERDICT, '"x"', 4, ["s"], 99)
    status = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, ending)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == (
        "Completed",
        "True",
        "Completed",
    )
    assert (status["jobName"], status["result"], status["duration"]) == ("j", '"x"', "1.2s")
    assert status["record"] == {
        "secrets": ["s"], "lines": 4, "bytes": 99, "sha256": "ab", "complete": True,
    }  # fmt: skip
    assert status["startedAt"] == "2026-11-23T11:59:58.750000Z"


def test_failure_says_why():
    """The condition has the reason and the message of the status, within the CRD's limit."""
    state = State(Phase.FAILED, Reason.OUT_OF_MEMORY, "x" * 5000)
    status = build_status(job_with(), state, NAMES, NOW, FinalRecord())
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"]) == ("Failed", "OutOfMemory")
    assert condition["message"] == status["message"] == "x" * MAX_STATUS_MESSAGE_CHARACTERS
    assert status["record"]["complete"] is False


@pytest.mark.parametrize("fits", [True, False])
def test_large_result_stays_in_the_record(fits):
    """A status stays small whatever a program publishes; its limit is of bytes."""
    result = '"' + "é" * ((MAX_INLINE_RESULT_BYTES - 2) // 2) + '"' + " " * (not fits)
    ending = FinalRecord(VERDICT, result)
    status = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, ending)
    assert ("result" in status, "resultFrom" in status) == (fits, not fits)


def test_progress_alone_is_a_small_write():
    """News of progress changes nothing but itself; what is known already is no write."""
    running = job_with(phase="Running", startedAt="2026-11-23T11:00:00Z")
    news = build_status(running, State(Phase.RUNNING), NAMES, NOW, progress=Progress(1, 9, 0.5))
    assert news == {"progress": {"done": 1, "total": 9, "best": 0.5}}
    known = job_with(phase="Running", progress={"done": 1, "total": 9, "best": 0.5})
    same = Progress(1.0, 9.0, 0.5)
    assert build_status(known, State(Phase.RUNNING), NAMES, NOW, progress=same) == {}
    assert build_status(known, State(Phase.RUNNING), NAMES, NOW) == {}


def test_best_value_that_goes_is_removed():
    """A merge would keep what is not named: None removes the best value of before."""
    known = job_with(phase="Running", progress={"done": 1, "total": 9, "best": 0.5})
    news = build_status(known, State(Phase.RUNNING), NAMES, NOW, progress=Progress(2, 9))
    assert news == {"progress": {"done": 2, "total": 9, "best": None}}
    without = job_with(phase="Running", progress={"done": 2, "total": 9})
    assert build_status(without, State(Phase.RUNNING), NAMES, NOW, progress=Progress(2, 9)) == {}


def test_progress_comes_with_the_start():
    """A job that reports before it was seen running has both in one write."""
    first = build_status(job_with(), State(Phase.RUNNING), NAMES, NOW, progress=Progress(0, 9))
    assert (first["phase"], first["progress"]["total"]) == ("Running", 9)


@pytest.mark.parametrize("phase", [Phase.COMPLETED, Phase.FAILED])
def test_final_status_has_the_last_progress(phase):
    """The end tells how far it came, however soon after the last write."""
    known = job_with(phase="Running", progress={"done": 1, "total": 9})
    ending = FinalRecord(VERDICT, progress=Progress(9, 9, -1.5))
    status = build_status(known, State(phase), NAMES, NOW, ending)
    assert status["progress"] == {"done": 9, "total": 9, "best": -1.5}
    assert "progress" not in build_status(known, State(phase), NAMES, NOW, FinalRecord(VERDICT))


def test_final_status_has_the_circuits():
    """The status has the verdict's circuits as the CRD shapes them, and is read back as such."""
    circuits = CircuitMetrics(count=3, executions=2, qubits=[5, 2], depths=[7, 1])
    verdict = Verdict(Outcome.SUCCEEDED, exit_code=0, circuits=circuits)
    ended = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, FinalRecord(verdict))
    assert ended["circuits"] == {"count": 3, "executions": 2, "qubits": [5, 2], "depths": [7, 1]}
    assert job_with(**ended).job.status.circuits == circuits
    ended = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, FinalRecord(VERDICT))
    assert "circuits" not in ended


def test_final_status_has_the_seed():
    """The status has the verdict's seed; zero is a seed, and no seed is no field."""
    for seed, expected in [(7, {"simulator": 7}), (0, {"simulator": 0})]:
        verdict = Verdict(Outcome.SUCCEEDED, exit_code=0, seed=seed)
        ended = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, FinalRecord(verdict))
        assert ended["seeds"] == expected
    ended = build_status(job_with(), State(Phase.COMPLETED), NAMES, NOW, FinalRecord(VERDICT))
    assert "seeds" not in ended


def test_stages_come_with_a_write_that_happens_anyway():
    """Node and container have their times on the status with the start, and cost no write."""
    facts = RunFacts("j", "p", NOW - timedelta(seconds=3), NOW - timedelta(seconds=1))
    first = build_status(job_with(), State(Phase.RUNNING), facts, NOW)
    assert first["scheduledAt"] == "2026-11-23T11:59:57Z"
    assert first["containerStartedAt"] == "2026-11-23T11:59:59Z"
    running = job_with(phase="Running", podName="p")
    assert build_status(running, State(Phase.RUNNING), facts, NOW) == {}


def test_stage_that_has_not_come_is_not_written():
    """A pod whose image is pulled has its node, and no container."""
    pull = State(Phase.QUEUED, Reason.IMAGE_PULL, "x:1")
    status = build_status(job_with(), pull, RunFacts("j", "p", NOW), NOW)
    assert status["scheduledAt"] == "2026-11-23T12:00:00Z"
    assert "containerStartedAt" not in status


def test_stages_of_another_pod_are_replaced():
    """The times are those of the pod that the status names; an end without a pod keeps them."""
    held = job_with(phase="Queued", reason="ImagePull", podName="old", scheduledAt=ago(9))
    other = State(Phase.QUEUED, Reason.UNSCHEDULABLE, "0/1 nodes")
    status = build_status(held, other, RunFacts("j", "new"), NOW)
    assert (status["podName"], status["scheduledAt"]) == ("new", None)
    ended = build_status(held, State(Phase.FAILED), RunFacts("j"), NOW, FinalRecord())
    assert "scheduledAt" not in ended
