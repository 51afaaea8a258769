"""Today's programs in a real runner: their logs and circuits, and hostile data contained there."""

import json
import zlib
from base64 import b64encode
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime.quantum_program import QuantumProgram

from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import Outcome
from tests.programs.encoded_messenger import as_posted
from tests.programs.executor_client import decode, encode

MIB = 2**20


def bell():
    """A Bell pair, measured."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.fixture
def run_library(start_run):
    """Run a program of the library, by its id."""

    def run(program, params, **fields):
        runner = start_run()
        runner.start_job(Path(program), params, **fields)
        return runner.finish()

    return run


def quantum_program():
    """One Bell pair for the executor, as its client sends it."""
    program = QuantumProgram(shots=9)
    program.append_circuit_item(bell())
    return encode(program)


PARAMS = {
    "sampler": as_posted({"pubs": [[bell(), None, 9]]}),
    "estimator": as_posted({"pubs": [[bell().remove_final_measurements(inplace=False), "ZZ"]]}),
    "executor": quantum_program(),
    "circuit-runner": as_posted({"circuits": [bell()], "shots": 9}),
    "calibrate": '{"schema_version": "v0.1"}',
}


@pytest.mark.parametrize("program", list(PARAMS))
def test_job_s_log_is_never_empty_at_debug(run_library, console, program):
    """Each program says what it ran, by lines of ours alone."""
    events, verdict, _ = run_library(program, PARAMS[program], log_level="DEBUG")
    lines = console(events).decode().splitlines()

    assert verdict.outcome is Outcome.SUCCEEDED
    assert f"DEBUG:runner:the program {program.replace('-', '_')}, " in lines[0]
    assert f"the seed {verdict.seed}" in lines[0] or verdict.seed is None
    assert len(lines) < 20
    prefixes = ("DEBUG:runner:", "INFO:qiskit_runtime.programs.")
    assert [line for line in lines if not line.startswith(prefixes)] == []


@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_sampler_says_what_it_ran(run_library, console, level):
    """The line has circuit, qubits, depth, shots, seed and seconds; by default there is none."""
    params = as_posted({"pubs": [[bell(), None, 9]], "seed_simulator": 77})
    events, verdict, _ = run_library("sampler", params, log_level=level)
    lines = console(events).decode().splitlines()

    assert verdict.circuits == CircuitMetrics(count=1, executions=1, qubits=[2], depths=[3])
    if level == "WARNING":
        assert lines == []
        return
    [line] = [line for line in lines if "executions" in line]
    assert line.startswith("INFO:qiskit_runtime.programs.simulate.runs:ran 'circuit-")
    assert "(2 qubits, depth 3), 1 executions of 9 shots with the seed 77 in 0." in line


def test_executor_runs_in_a_job(run_library):
    """Its parameters are posted, its result is read, and its circuit counted, as in any job."""
    events, verdict, _ = run_library("executor", quantum_program())
    [text] = [event.text for event in events if isinstance(event, Message)]

    assert verdict.outcome is Outcome.SUCCEEDED, verdict.message
    assert verdict.circuits == CircuitMetrics(count=1, executions=1, qubits=[2], depths=[3])
    assert verdict.seed is not None
    assert decode("executor", text)[0]["meas"].shape == (9, 2)


def test_bomb_ends_in_its_job_s_memory(run_library):
    """A tensor of a few MB that inflates to gigabytes ends the program, and says of what."""
    params = json.loads(quantum_program())
    bomb = zlib.compressobj()
    data = b"".join(bomb.compress(bytes(64 * MIB)) for _ in range(48)) + bomb.flush()
    params["quantum_program"]["items"][0]["circuit_arguments"] = {
        "data": b64encode(data).decode(),
        "shape": [48 * 64 * MIB // 8],
        "dtype": "f64",
    }
    _, verdict, _ = run_library("executor", params, memory_bytes=512 * MIB)
    assert verdict.outcome is not Outcome.SUCCEEDED
    assert "OutOfMemory" in (verdict.reason, verdict.outcome.value)
    assert verdict.peak_memory_bytes < 1024 * MIB


def test_garbled_parameters_end_in_a_message_that_names_the_field(run_library):
    """The job's message begins with the field; the program's traceback is in the log."""
    params = json.loads(quantum_program())
    params["quantum_program"]["items"][0]["chunk_size"] = 0
    _, verdict, _ = run_library("executor", params)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.message.startswith("ValueError: quantum_program.items[0].circuit.chunk_size")
