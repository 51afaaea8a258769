"""Circuits as clients send them, and what Qiskit's transpiler can be told about them."""

import inspect
from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit, transpile

TRANSPILER_OPTIONS = frozenset(inspect.signature(transpile).parameters) - {"circuits", "backend"}


def read_circuits(value: Any) -> list[QuantumCircuit]:
    """The circuits as a list, or a ValueError that names the field."""
    listed = list(value) if isinstance(value, list | tuple) else [value]
    if not listed or not all(isinstance(circuit, QuantumCircuit) for circuit in listed):
        kinds = sorted({type(item).__name__ for item in listed}) or ["an empty list"]
        expected = "a circuit or a list of circuits"
        raise ValueError(f"circuits: expected {expected}, got {', '.join(kinds)}")
    return listed


def refuse_free_parameters(circuits: Sequence[QuantumCircuit]) -> None:
    """Raise a ValueError that names the first circuit with a parameter that has no value."""
    for index, circuit in enumerate(circuits):
        if circuit.num_parameters:
            raise ValueError(f"circuits[{index}]: has free parameters; bind them first")
