"""Circuits as clients send them, and what Qiskit's transpiler can be told about them."""

import inspect
from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit, transpile

from qiskit_runtime.contract.nearest import suggest

TRANSPILER_OPTIONS = frozenset(inspect.signature(transpile).parameters) - {"circuits", "backend"}


def check_transpiler_option(field: str, name: str) -> None:
    """Raise a ValueError for a name that Qiskit's transpiler does not know."""
    if name not in TRANSPILER_OPTIONS:
        hint = suggest(name, TRANSPILER_OPTIONS)
        raise ValueError(f"{field}: {name!r} is no option of Qiskit's transpile{hint}")


def as_it_is(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit itself: what stands for transpiling, where that is skipped."""
    return circuit


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
