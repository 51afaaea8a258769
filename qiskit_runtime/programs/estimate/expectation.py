"""Expectation values of an operator on an ansatz, at many points of its parameters at once.

Two ways with one face: ``SampledExpectation`` measures with shots, a circuit for each group of
qubit-wise commuting terms, and takes value and standard deviation from the counts;
``ExactExpectation`` asks the simulator for the value. Under noise the exact value is that of the
density matrix before readout, so readout errors are not in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.programs.estimate import outcomes
from qiskit_runtime.programs.estimate.readout_mitigation import mitigate
from qiskit_runtime.programs.inputs.operators import is_diagonal
from qiskit_runtime.programs.optimize.ansatz import TranspiledAnsatz, find_rotations
from qiskit_runtime.programs.simulate.simulation import BoundRuns, Simulation
from qiskit_runtime.programs.simulate.touched import find_value_qubits

Array = NDArray[np.float64]
Inverses = Mapping[int, Array]
"""The inverse assignment matrix of each physical qubit."""

Statistic = Callable[[Array, Array], tuple[float, float]]
"""Outcomes' values and shares -> an estimate, and its variance for one shot."""

Reader = Callable[[Mapping[str, int]], tuple[list[int], Array]]
"""Counts -> the outcomes, and the share of each."""


class Expectation(Protocol):
    """The value of an operator, and its standard deviation, at each row of an array of points."""

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        """Values and standard deviations, one of each for each point."""


class SampledExpectation:
    """From counts."""

    def __init__(
        self,
        ansatz: TranspiledAnsatz,
        operator: SparsePauliOp,
        simulation: Simulation,
        inverses: Inverses | None = None,
        statistic: Statistic = outcomes.mean_and_variance,
        read: Reader = outcomes.read_counts,
    ) -> None:
        assert simulation.shots is not None
        self._shots = simulation.shots
        self._statistic = statistic
        self._read = read
        by_bit = None if inverses is None else [inverses[qubit] for qubit in ansatz.qubits]
        groups = operator.group_commuting(qubit_wise=True)
        bases = [_common_basis(group) for group in groups]
        rotations = find_rotations(simulation.backend, ansatz.qubits, set("".join(bases)))
        self._values = [
            outcomes.OutcomeValues(group.paulis.to_labels(), group.coeffs.real, by_bit)
            for group in groups
        ]
        self._runs = BoundRuns(
            simulation,
            [ansatz.measured_in(basis, rotations) for basis in bases],
            ansatz.parameters,
        )

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        means, variances = np.zeros(len(points)), np.zeros(len(points))
        for values, data in zip(self._values, self._runs.run(points), strict=True):
            for index, measured in enumerate(data):
                found, weights = self._read(measured.counts)
                mean, variance = self._statistic(values.of(found), weights)
                means[index] += mean
                variances[index] += variance / self._shots
        return means, np.sqrt(variances)


class ExactExpectation:
    """From the simulator's state; the standard deviation is 0."""

    def __init__(
        self, ansatz: TranspiledAnsatz, operator: SparsePauliOp, simulation: Simulation
    ) -> None:
        circuit = ansatz.circuit.copy()
        save_value(circuit, operator, ansatz.qubits, "value")
        self._runs = BoundRuns(simulation, [circuit], ansatz.parameters)

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        [data] = self._runs.run(points)
        values = np.array([float(np.real(item.value)) for item in data])
        return values, np.zeros(len(points))


class ExactTail:
    """The mean of the lowest share alpha of a diagonal operator's values, from probabilities."""

    def __init__(
        self,
        ansatz: TranspiledAnsatz,
        operator: SparsePauliOp,
        simulation: Simulation,
        alpha: float,
    ) -> None:
        circuit = ansatz.circuit.copy()
        circuit.save_probabilities(list(ansatz.qubits), label="probabilities")
        self._alpha = alpha
        self._runs = BoundRuns(simulation, [circuit], ansatz.parameters)
        values = outcomes.OutcomeValues(operator.paulis.to_labels(), operator.coeffs.real)
        self._values = values.of(range(2**operator.num_qubits))

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        [data] = self._runs.run(points)
        tails = [
            outcomes.tail_mean_and_variance(
                self._values, np.asarray(item.probabilities), self._alpha
            )[0]
            for item in data
        ]
        return np.array(tails), np.zeros(len(points))


def save_value(
    circuit: QuantumCircuit, operator: SparsePauliOp, qubits: Sequence[int], label: str
) -> None:
    """Have the operator's value saved, its qubit i on the circuit's ``qubits[i]``."""
    places = find_value_qubits(circuit, qubits)
    spread = operator.apply_layout([places.index(qubit) for qubit in qubits], len(places))
    circuit.save_expectation_value(spread, places, label=label)


def make_expectation(
    ansatz: TranspiledAnsatz,
    operator: SparsePauliOp,
    simulation: Simulation,
    inverses: Inverses | None = None,
    alpha: float = 1.0,
) -> Expectation:
    """Sampled or exact, as the simulation is; with ``alpha`` below 1 the mean of the lowest share.

    That share is one of single shots, so the operator must then be diagonal.
    """
    if alpha < 1:
        assert is_diagonal(operator)
        if simulation.shots is None:
            return ExactTail(ansatz, operator, simulation, alpha)
    if simulation.shots is None:
        return ExactExpectation(ansatz, operator, simulation)

    if alpha == 1:
        return SampledExpectation(ansatz, operator, simulation, inverses)
    return SampledExpectation(
        ansatz,
        operator,
        simulation,
        statistic=lambda values, weights: outcomes.tail_mean_and_variance(values, weights, alpha),
        # A tail needs shares of at least 0: the outcomes are mitigated, not their values.
        read=make_reader(ansatz, inverses),
    )


def make_reader(ansatz: TranspiledAnsatz, inverses: Inverses | None) -> Reader:
    """Reads counts of all the ansatz's qubits, mitigated if there are inverses."""
    if inverses is None:
        return outcomes.read_counts
    bits = dict(enumerate(ansatz.qubits))
    return lambda counts: outcomes.read_counts(mitigate(counts, bits, inverses))


def _common_basis(group: SparsePauliOp) -> str:
    """The label that has each qubit's letter in this group of qubit-wise commuting terms."""
    x, z = group.paulis.x.any(axis=0), group.paulis.z.any(axis=0)
    return "".join("IZXY"[2 * a + b] for a, b in zip(x[::-1], z[::-1], strict=True))
