"""Expectation values of an operator on an ansatz, at many points of its parameters at once.

This is the estimator's face for the variational programs. Under noise the exact value is that of
the density matrix before readout, so readout errors are not in it.
"""

from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.programs.estimate.estimator import (
    Estimates,
    Inverses,
    Measurement,
    Terms,
    measure_terms,
    save_probabilities,
    save_values,
)
from qiskit_runtime.programs.estimate.outcomes import mean_and_variance, tail_mean_and_variance
from qiskit_runtime.programs.inputs.operators import is_diagonal
from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit
from qiskit_runtime.programs.simulate.simulation import RepeatedRuns, Simulation

Array = NDArray[np.float64]


class Expectation(Protocol):
    """The value of an operator, and its standard deviation, at each row of an array of points."""

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        """Return values and standard deviations, one of each for each point."""


class OutcomeExpectation:
    """Values from outcomes: from their counts, or from exact probabilities without shots.

    With ``alpha`` below 1 the value is the mean of the lowest share of single shots, so the
    operator must then be diagonal.
    """

    def __init__(
        self,
        placed: PlacedCircuit,
        operator: SparsePauliOp,
        simulation: Simulation,
        inverses: Inverses | None = None,
        alpha: float = 1.0,
    ) -> None:
        is_tail = alpha < 1
        assert not is_tail or is_diagonal(operator)
        self._terms = _read_terms(operator)
        self._shots = simulation.shots or np.inf
        self._statistic = (
            partial(tail_mean_and_variance, alpha=alpha) if is_tail else mean_and_variance
        )
        self._measurements = (
            [_take_probabilities(placed, self._terms)]
            if simulation.shots is None
            else measure_terms(simulation.backend, placed, self._terms, inverses, is_tail)
        )
        circuits = [measurement.circuit for measurement in self._measurements]
        self._runs = RepeatedRuns(simulation, circuits, placed.parameters)

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        estimates = Estimates(len(points), self._statistic)
        for measurement, data in zip(self._measurements, self._runs.run(points), strict=True):
            for row, item in enumerate(data):
                estimates.add(measurement, item, [(row, self._terms)], self._shots)
        return estimates.values, estimates.deviations


class ExactExpectation:
    """Values from the simulator's state; the standard deviation is 0."""

    def __init__(
        self, placed: PlacedCircuit, operator: SparsePauliOp, simulation: Simulation
    ) -> None:
        circuit = save_values(placed, {"value": _read_terms(operator)})
        self._runs = RepeatedRuns(simulation, [circuit], placed.parameters)

    def evaluate(self, points: Array) -> tuple[Array, Array]:
        [data] = self._runs.run(points)
        values = np.array([float(np.real(item.value)) for item in data])
        return values, np.zeros(len(points))


def make_expectation(
    placed: PlacedCircuit,
    operator: SparsePauliOp,
    simulation: Simulation,
    inverses: Inverses | None = None,
    alpha: float = 1.0,
) -> Expectation:
    """Return the expectation value as the simulation gives it: sampled or exact, a tail or not."""
    if simulation.shots is None and alpha == 1:
        return ExactExpectation(placed, operator, simulation)
    return OutcomeExpectation(placed, operator, simulation, inverses, alpha)


def _read_terms(operator: SparsePauliOp) -> Terms:
    simple = operator.simplify()
    labels, coefficients = simple.paulis.to_labels(), simple.coeffs.real.tolist()
    return dict(zip(labels, coefficients, strict=True))


def _take_probabilities(placed: PlacedCircuit, terms: Terms) -> Measurement:
    letters = range(len(placed.qubits))
    return Measurement(save_probabilities(placed), list(terms), letters, placed.qubits)
