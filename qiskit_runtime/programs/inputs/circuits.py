"""Circuits as clients send them, and the options of Qiskit's transpiler about them."""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.converters import circuit_to_dag, dag_to_circuit

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.checks import check_integer

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

TRANSPILER_OPTIONS = frozenset(inspect.signature(transpile).parameters) - {"circuits", "backend"}


def check_transpiler_option(field: str, name: str) -> None:
    """Raise a ValueError for a name that Qiskit's transpiler does not know."""
    if name not in TRANSPILER_OPTIONS:
        hint = suggest(name, TRANSPILER_OPTIONS)
        raise ValueError(f"{field}: {name!r} is no option of Qiskit's transpile{hint}")


def read_circuits(value: Any) -> list[QuantumCircuit]:
    """Return the circuits as a list; a ValueError names the field."""
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


def read_ansatz(name: str, value: Any) -> QuantumCircuit:
    """Return the parametrised circuit, without its final measurements.

    Raises:
        ValueError: it is no circuit, has no parameters, or measures on its way.
    """
    if not isinstance(value, QuantumCircuit):
        raise ValueError(f"{name}: expected a circuit, got {type(value).__name__}")
    circuit: QuantumCircuit = value.remove_final_measurements(inplace=False)
    if not circuit.num_parameters:
        raise ValueError(f"{name}: has no parameters that could be varied")
    if circuit.num_vars or any(item.clbits for item in circuit.data):
        raise ValueError(f"{name}: uses classical bits; it must not measure before its end")
    return _drop_clbits(circuit) if circuit.num_clbits else circuit


def read_layout(value: Any, num_qubits: int, backend: "AerSimulator") -> list[int] | None:
    """Return the physical qubits that the circuit's qubits start on; None leaves the choice."""
    if value is None:
        return None
    if not isinstance(value, list | tuple | np.ndarray):
        raise ValueError(f"initial_layout: expected a list of qubits, got {type(value).__name__}")
    most = backend.num_qubits - 1
    layout = [
        check_integer(f"initial_layout[{index}]", qubit, 0, most)
        for index, qubit in enumerate(np.asarray(value).tolist())
    ]
    if len(layout) != num_qubits or len(set(layout)) < num_qubits:
        raise ValueError(
            f"initial_layout: expected {num_qubits} different qubits, one for each of the"
            f" circuit's, got {layout!r}"
        )
    return layout


def _drop_clbits(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit without its classical bits, which nothing uses."""
    dag = circuit_to_dag(circuit)
    dag.remove_cregs(*dag.cregs.values())
    dag.remove_clbits(*dag.clbits)
    return dag_to_circuit(dag)
