"""Circuits in the words of a job's log."""

from collections.abc import Sequence

from qiskit import QuantumCircuit

from qiskit_runtime.programs.simulate.memory import find_used_qubits

LISTED = 4
"""The circuits of a run that its line has words about."""


def describe(circuits: Sequence[QuantumCircuit]) -> str:
    """Return the names, qubits in use and depths of the first circuits, each of them once."""
    distinct = list({id(circuit): circuit for circuit in circuits}.values())
    words = [
        f"{circuit.name!r} ({len(find_used_qubits(circuit))} qubits, depth {circuit.depth()})"
        for circuit in distinct[:LISTED]
    ]
    if len(distinct) > LISTED:
        words.append(f"{len(distinct) - LISTED} more")
    return ", ".join(words)
