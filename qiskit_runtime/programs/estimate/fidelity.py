"""The overlap of an ansatz's states at two points: what QN-SPSA measures lengths with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.exceptions import CircuitError

from qiskit_runtime.programs.optimize.ansatz import transpile_ansatz
from qiskit_runtime.programs.optimize.minimization import Fidelity
from qiskit_runtime.programs.simulate.mixtures import leaves_mixture
from qiskit_runtime.programs.simulate.simulation import BoundRuns, Simulation


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
    """A function of two points, or of the rows of two arrays of points.

    One circuit prepares the first state, undoes the second, and counts how often all is 0 again.
    Readout errors are not mitigated: they scale it, and hardly touch its differences.
    """
    first = ParameterVector("first", ansatz.num_parameters)
    second = ParameterVector("second", ansatz.num_parameters)
    both = ansatz.assign_parameters(first).compose(ansatz.assign_parameters(second).inverse())
    transpiled = transpile_ansatz(both, simulation)
    if simulation.shots is None:
        circuit = transpiled.circuit.copy()
        circuit.save_probabilities(list(transpiled.qubits), label="probabilities")
    else:
        circuit = transpiled.measured_in("Z" * ansatz.num_qubits, {})
    runs = BoundRuns(simulation, [circuit], [*first, *second])

    def fidelity(left: Any, right: Any) -> NDArray[np.float64]:
        points = np.hstack([np.atleast_2d(left), np.atleast_2d(right)])
        [data] = runs.run(points)
        return np.array([_share_of_zeros(item) for item in data])

    return fidelity


def _share_of_zeros(data: Any) -> float:
    if hasattr(data, "probabilities"):
        return float(data.probabilities[0])
    return float(data.counts.get("0x0", 0) / sum(data.counts.values()))
