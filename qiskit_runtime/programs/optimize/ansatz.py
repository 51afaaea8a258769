"""An ansatz, checked and transpiled: once a job, whatever is measured on it afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.converters import circuit_to_dag, dag_to_circuit
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.inputs.checks import check_integer
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.simulation import Simulation
from qiskit_runtime.programs.simulate.transpiling import make_passes

Rotation = list[Any]
"""The gates that turn one qubit's basis, in order."""


@dataclass(frozen=True)
class TranspiledAnsatz:
    """A circuit on physical qubits; ``qubits[i]`` is where the ansatz's qubit i ends."""

    circuit: QuantumCircuit
    qubits: Sequence[int]
    parameters: Sequence[Any]

    def measured_in(self, basis: str, rotations: dict[tuple[str, int], Rotation]) -> QuantumCircuit:
        """With all its qubits measured, bit i from qubit i; ``basis`` is a Pauli label."""
        circuit = self.circuit.copy()
        for qubit, letter in zip(self.qubits, reversed(basis), strict=True):
            for gate in rotations.get((letter, qubit), []):
                circuit.append(gate, [qubit])
        # In no register: the circuit may have one of any name.
        circuit.add_bits(bits := [Clbit() for _ in self.qubits])
        circuit.measure(self.qubits, bits)
        return circuit


def read_ansatz(name: str, value: Any) -> QuantumCircuit:
    """The parametrised circuit, without its final measurements.

    Raises:
        ValueError: it is none, has no parameters, or measures on its way.
    """
    if not isinstance(value, QuantumCircuit):
        raise ValueError(f"{name}: expected a circuit, got {type(value).__name__}")
    circuit: QuantumCircuit = value.remove_final_measurements(inplace=False)
    if not circuit.num_parameters:
        raise ValueError(f"{name}: has no parameters that could be varied")
    if circuit.num_vars or any(item.clbits for item in circuit.data):
        raise ValueError(f"{name}: uses classical bits; it must not measure before its end")
    return _drop_clbits(circuit) if circuit.num_clbits else circuit


def _drop_clbits(circuit: QuantumCircuit) -> QuantumCircuit:
    """Without its classical bits, which nothing uses."""
    dag = circuit_to_dag(circuit)
    dag.remove_cregs(*dag.cregs.values())
    dag.remove_clbits(*dag.clbits)
    return dag_to_circuit(dag)


def read_layout(value: Any, num_qubits: int, backend: AerSimulator) -> list[int] | None:
    """The physical qubits that the circuit's qubits start on, in order; None leaves the choice."""
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


def read_point(
    name: str, value: Any, num_parameters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The initial point: as given, or drawn from [0, 1) for None and ``"random"``."""
    if value is None or (isinstance(value, str) and value == "random"):
        return rng.random(num_parameters)
    try:
        given = np.asarray(value)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected real numbers or 'random', got {value!r}")
    point = np.array(given, dtype=float)
    if point.ndim != 1:
        raise ValueError(
            f"{name}: expected a list of {num_parameters} numbers, got the shape {point.shape}"
        )
    if len(point) != num_parameters:
        raise ValueError(
            f"{name}: has {point.size} numbers, but the circuit has {num_parameters} parameters"
        )
    if not np.all(np.isfinite(point)):
        raise ValueError(f"{name}: has a number that is not finite")
    return point


def check_simulable(simulation: Simulation, circuit: QuantumCircuit) -> None:
    """Refuse a circuit that there is no memory for.

    Raises:
        TooLarge: the text has the numbers.
    """
    check_memory(simulation.backend, circuit, simulation.method_options([circuit]))


def transpile_ansatz(
    circuit: QuantumCircuit,
    simulation: Simulation,
    initial_layout: list[int] | None = None,
    optimization_level: int = 1,
) -> TranspiledAnsatz:
    """Check that there is memory, transpile the circuit, and find where its qubits end.

    Raises:
        TooLarge: there is not.
    """
    check_simulable(simulation, circuit)
    if simulation.method_options([circuit]):
        circuit = circuit.decompose("initialize")  # which no density matrix takes
    passes = make_passes(
        simulation.backend,
        optimization_level,
        has_angles=bool(circuit.num_parameters),
        initial_layout=initial_layout,
        seed_transpiler=simulation.seed_transpiler,
    )
    transpiled = passes.run(circuit)
    # No outcome depends on it, and Aer would evaluate its expression at each point.
    transpiled.global_phase = 0
    layout = transpiled.layout
    return TranspiledAnsatz(
        circuit=transpiled,
        qubits=layout.final_index_layout() if layout else range(circuit.num_qubits),
        parameters=list(circuit.parameters),
    )


def find_rotations(
    backend: AerSimulator, qubits: Sequence[int], letters: set[str]
) -> dict[tuple[str, int], Rotation]:
    """By Pauli letter and physical qubit: the backend's own gates that turn Z's basis to it.

    One small circuit for each letter is translated: the ansatz need not be transpiled once more
    for each basis that is measured.
    """
    found: dict[tuple[str, int], Rotation] = {}
    if not letters & {"X", "Y"}:
        return found
    is_native = {"h", "sdg"} <= set(backend.operation_names)
    passes = None
    for letter in sorted(letters & {"X", "Y"}):
        circuit = QuantumCircuit(len(qubits))
        if letter == "Y":
            circuit.sdg(range(len(qubits)))
        circuit.h(range(len(qubits)))
        places = list(range(len(qubits)))
        if not is_native:
            passes = passes or make_passes(backend, 0, initial_layout=list(qubits))
            circuit = passes.run(circuit)
            places = list(qubits)
        for item in circuit.data:
            place = circuit.find_bit(item.qubits[0]).index
            physical = qubits[places.index(place)]
            found.setdefault((letter, physical), []).append(item.operation)
    return found
