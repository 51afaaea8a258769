"""The overlap of an ansatz's states at two points, by which QN-SPSA measures lengths."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.exceptions import CircuitError

from qiskit_runtime.programs.estimate.bases import measure_in
from qiskit_runtime.programs.estimate.estimator import save_probabilities
from qiskit_runtime.programs.simulate.placed_circuit import place_circuit
from qiskit_runtime.programs.simulate.purity import leaves_mixture
from qiskit_runtime.programs.simulate.simulation import RepeatedRuns, Simulation

Fidelity = Callable[[Any, Any], Any]
"""The overlaps of the ansatz's states at two points, or at the rows of two arrays of points."""


def check_invertible(ansatz: QuantumCircuit) -> None:
    """Refuse an ansatz that can't be undone.

    Raises:
        ValueError: it has a reset, or the like.
    """
    try:
        ansatz.inverse()
        is_pure = not leaves_mixture(ansatz)
    except CircuitError:
        is_pure = False
    if not is_pure:
        raise ValueError("ansatz: QN-SPSA has to undo it: it must have no reset, nor the like")


def make_fidelity(ansatz: QuantumCircuit, simulation: Simulation) -> Fidelity:
    """Return a function of two points, or of the rows of two arrays of points.

    One circuit prepares the first state, undoes the second, and counts how often all is 0 again.
    Readout errors are not mitigated: they scale it, and hardly touch its differences.
    """
    first = ParameterVector("first", ansatz.num_parameters)
    second = ParameterVector("second", ansatz.num_parameters)
    both = ansatz.assign_parameters(first).compose(ansatz.assign_parameters(second).inverse())
    placed = place_circuit(both, simulation)
    if simulation.shots is None:
        circuit = save_probabilities(placed)
    else:
        circuit, _ = measure_in(placed, "Z" * ansatz.num_qubits, {})
    runs = RepeatedRuns(simulation, [circuit], [*first, *second])

    def fidelity(left: Any, right: Any) -> NDArray[np.float64]:
        points = np.hstack([np.atleast_2d(left), np.atleast_2d(right)])
        [data] = runs.run(points)
        return np.array([_share_of_zeros(item) for item in data])

    return fidelity


def _share_of_zeros(data: Any) -> float:
    if hasattr(data, "probabilities"):
        return float(data.probabilities[0])
    return float(data.counts.get("0x0", 0) / sum(data.counts.values()))
