"""A circuit on a backend's physical qubits: transpiled once, whatever is measured on it later."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit

from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.simulation import Simulation
from qiskit_runtime.programs.simulate.transpiling import make_passes, run_passes


@dataclass(frozen=True)
class PlacedCircuit:
    """A transpiled circuit; ``qubits[i]`` is where the qubit i of its original ends."""

    circuit: QuantumCircuit
    qubits: Sequence[int]
    parameters: Sequence[Any]
    """The original's, in its order."""


def place_circuit(
    circuit: QuantumCircuit,
    simulation: Simulation,
    initial_layout: list[int] | None = None,
    optimization_level: int = 1,
) -> PlacedCircuit:
    """Check that there is memory, transpile the circuit, and find where its qubits end.

    Raises:
        TooLarge: there is no memory for it; the text has the numbers.
    """
    options = simulation.method_options([circuit])
    check_memory(simulation.backend, circuit, options)
    if options:
        circuit = circuit.decompose("initialize")  # which no density matrix takes
    passes = make_passes(
        simulation.backend,
        optimization_level,
        has_angles=bool(circuit.num_parameters),
        initial_layout=initial_layout,
        seed_transpiler=simulation.seed_transpiler,
    )
    transpiled = run_passes(passes, circuit)
    # No outcome depends on it, and Aer would evaluate its expression at each point.
    transpiled.global_phase = 0
    return PlacedCircuit(transpiled, find_places(transpiled), list(circuit.parameters))


def find_places(transpiled: QuantumCircuit) -> Sequence[int]:
    """Return where each qubit of a transpiled circuit's original ends."""
    layout = transpiled.layout
    return layout.final_index_layout() if layout else range(transpiled.num_qubits)
