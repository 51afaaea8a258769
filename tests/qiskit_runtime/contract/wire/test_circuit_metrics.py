"""Circuits' metrics: a verdict and a status carry them, and a program can't forge huge ones."""

import json
import math

import pytest
from pydantic import ValidationError

from qiskit_runtime.contract.resources.job import JobStatus
from qiskit_runtime.contract.wire.circuit_metrics import MAX_LISTED, CircuitMetrics
from qiskit_runtime.contract.wire.verdict import (
    MAX_VERDICT_BYTES,
    Outcome,
    Verdict,
    parse_verdict,
)
from runner.channel import ChannelBroken, read_circuits

TWO = CircuitMetrics(count=3, executions=2, qubits=[5, 2], depths=[7, 1])
LARGEST = CircuitMetrics(
    count=2**53 - 1,
    executions=2**53 - 1,
    qubits=[2**31 - 1] * MAX_LISTED,
    depths=[2**31 - 1] * MAX_LISTED,
)


@pytest.mark.parametrize("metrics", [None, TWO, LARGEST])
def test_metrics_come_back_from_a_verdict(metrics):
    """The largest ones fit into the verdict's line too, beside a message."""
    verdict = Verdict(Outcome.SUCCEEDED, 0, message="m" * 1000, circuits=metrics)
    text = verdict.to_json()
    assert len(text) <= MAX_VERDICT_BYTES - 100
    assert parse_verdict(text) == verdict


def test_metrics_give_way_to_the_message():
    """A verdict that is too long for its line keeps the beginning of what its author needs."""
    verdict = Verdict(
        Outcome.FAILED, 1, message="\x01" * 1000, versions={"v": "1" * 99}, circuits=LARGEST
    )
    read = parse_verdict(verdict.to_json())
    assert (read.circuits, read.versions) == (None, None)
    assert len(read.message) == 300


def test_status_keeps_the_verdict_s_metrics():
    """The local store's file and the resource's status have them as an object."""
    status = JobStatus().with_verdict(Verdict(Outcome.SUCCEEDED, 0, circuits=TWO))
    written = json.loads(status.model_dump_json(by_alias=True))["circuits"]
    assert written == TWO
    assert JobStatus.model_validate({"circuits": written}).circuits == TWO


def test_status_that_no_verdict_gives_is_invalid():
    """A resource's status is parsed as the contract has it."""
    with pytest.raises(ValidationError, match="from 0 on"):
        JobStatus.model_validate({"circuits": TWO | {"count": -1}})


def forge(**changed):
    """Return the JSON of metrics of which some fields are others."""
    one = {"count": 1, "executions": 1, "qubits": [1], "depths": [1]}
    return json.dumps(one | changed)


@pytest.mark.parametrize(
    "forged",
    [
        "[]",
        "null",
        "nonsense",
        '{"count": 1, "executions": 1}',
        forge(count=-1),
        forge(count=True),
        forge(count=1.5),
        forge(count=None),
        forge(executions=math.inf),
        forge(count=2**53),
        forge(depths=[]),
        forge(count=0),
        forge(qubits="1"),
        forge(qubits=5, depths=5),
        forge(qubits=["1"]),
        forge(qubits=[2**31]),
        forge(count=65, qubits=[1] * 65, depths=[1] * 65),
        forge(more=1),
    ],
)
def test_forged_metrics_are_refused(forged):
    """The channel's packet is broken, the verdict none: as for any field that a program sends."""
    read_circuits(forge().encode())
    with pytest.raises(ChannelBroken, match="about circuits"):
        read_circuits(forged.encode())
    if forged not in ("null", "nonsense"):
        assert parse_verdict(f'{{"outcome": "Succeeded", "circuits": {forged}}}') is None
