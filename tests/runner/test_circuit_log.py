"""The circuits that a job ran, in its verdict; its log at each level."""

import copy

import pytest
from qiskit import QuantumCircuit

from qiskit_runtime.contract.wire.circuit_metrics import MAX_LISTED, CircuitMetrics
from qiskit_runtime.contract.wire.verdict import Outcome
from runner.quantum_backend import make_backend

RUNS = """
from qiskit import QuantumCircuit
def main(b, m):
    bell = QuantumCircuit(5)
    bell.h(0)
    bell.cx(0, 3)
    bell.measure_all()
    flip = QuantumCircuit(1)
    flip.x(0)
    flip.measure_all()
    b.run([bell, flip, flip], shots=5).result()
    b.run(flip, shots=5).result()
    END
"""


def measured(depth):
    """One qubit, turned so often less one, and measured."""
    circuit = QuantumCircuit(1)
    for _ in range(depth - 1):
        circuit.x(0)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("return 1", Outcome.SUCCEEDED),
        ("raise ValueError('no')", Outcome.FAILED),
        ("raise SystemExit(3)", Outcome.FAILED),
    ],
)
def test_verdict_has_the_circuits_that_ran(run_program, end, outcome):
    """Their number, used qubits and depths, also where the program failed afterwards."""
    _, verdict, _ = run_program(RUNS.replace("END", end))
    assert verdict.outcome is outcome
    assert verdict.circuits == CircuitMetrics(
        count=3, executions=2, qubits=[5, 1, 1], depths=[3, 2, 2]
    )


def test_job_without_circuits_has_no_metrics(run_program):
    """Nothing ran: nothing is claimed."""
    _, verdict, _ = run_program("def main(b, m):\n    return 1\n")
    assert (verdict.outcome, verdict.circuits) == (Outcome.SUCCEEDED, None)


def test_forged_packet_ends_the_program(run_program):
    """A packet that no runs can make is refused as any broken packet is."""
    _, verdict, _ = run_program("""
        import socket, sys
        def main(b, m):
            body = b'{"count": 1, "executions": -1}'
            packet = b"C" + len(body).to_bytes(4, "big") + body
            socket.socket(fileno=int(sys.argv[1])).sendall(packet)
            import time; time.sleep(20)
        """)
    assert verdict.outcome is not Outcome.SUCCEEDED
    assert "about circuits" in verdict.message
    assert verdict.circuits is None


def test_all_are_counted_and_the_first_are_listed():
    """The lists are bounded; the count is exact, and a copy of the backend counts as well."""
    backend = make_backend({"name": "aer_simulator"})
    backend.run([measured(depth) for depth in range(1, 61)], shots=1).result()
    twin = copy.deepcopy(backend)
    twin.run([measured(depth) for depth in range(61, 101)], shots=1).result()

    assert backend.circuit_metrics == CircuitMetrics(
        count=100,
        executions=2,
        qubits=[1] * MAX_LISTED,
        depths=[*range(1, MAX_LISTED + 1)],
    )


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_log_has_the_program_s_own_lines_and_no_chatter(run_program, console, level):
    """Qiskit's passes log hundreds of lines; a program's own messages come at its job's level."""
    events, _, _ = run_program(
        """
        import logging
        from qiskit import QuantumCircuit, transpile
        def main(b, m):
            circuit = QuantumCircuit(1)
            circuit.h(0)
            transpile(circuit, b)
            logging.getLogger("qiskit").warning("heed")
            for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
                logging.getLogger(__name__).log(getattr(logging, level), "mine")
        """,
        log_level=level,
    )
    levels = ["DEBUG", "INFO", "WARNING", "ERROR"]
    lines = console(events).decode().splitlines()
    heard = [line for line in lines if line.endswith(":mine")]

    assert [line.split(":")[0] for line in heard] == levels[levels.index(level) :]
    assert ("WARNING:qiskit:heed" in lines) == (level != "ERROR")
    assert len(lines) - len(heard) - (level != "ERROR") == (level == "DEBUG")
