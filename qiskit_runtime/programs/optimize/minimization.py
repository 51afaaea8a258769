"""A minimisation: the objective, the optimiser with its context, and the minimum.

Points come one at a time or many at once, as rows; an optimiser that knows several points
beforehand saves the fixed cost of a run for each.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qiskit_runtime.programs.estimate.expectation import Expectation
from qiskit_runtime.programs.estimate.fidelity import Fidelity

Array = NDArray[np.float64]

Listener = Callable[[int, Array, float, float], None]
"""Called for each evaluation: its number from 1, the point, the value, its standard deviation."""

StepListener = Callable[[Array], None]
"""Called after each step with the point that it reached."""


class ProgressMessenger(Protocol):
    """The part of a messenger that reports the job's progress."""

    def report_progress(self, done: float, total: float, best: float | None = None) -> None:
        """Report how much is done."""


class Objective:
    """An expectation value as a function of the point."""

    def __init__(
        self, expectation: Expectation, messenger: ProgressMessenger, listen: Listener | None = None
    ) -> None:
        self._expectation = expectation
        self._messenger = messenger
        self._listen = listen
        self.total = 1
        self.evaluations = 0
        self.best: float | None = None

    def __call__(self, points: Array) -> float | Array:
        """Return the value at a point; the values at an array of points."""
        rows = np.atleast_2d(np.asarray(points, dtype=float))
        values, deviations = self._expectation.evaluate(rows)
        for row, value, deviation in zip(rows, values.tolist(), deviations.tolist(), strict=True):
            self.evaluations += 1
            self.best = value if self.best is None else min(value, self.best)
            if self._listen is not None:
                # A copy: optimisers change their arrays in place.
                self._listen(self.evaluations, row.copy(), value, deviation)
            self._report()
        return values if np.ndim(points) == 2 else float(values[0])

    def gradient(self, point: Array, step: float) -> Array:
        """Return central differences, whose points share one run."""
        steps = step * np.eye(len(point))
        values = np.asarray(self(np.concatenate([point + steps, point - steps])))
        above, below = np.split(values, 2)
        differences: Array = (above - below) / (2 * step)
        return differences

    def finish(self) -> None:
        """Report that no more evaluations come."""
        self.total = self.evaluations
        self._report()

    def _report(self) -> None:
        # The total is a guess made beforehand, and more evaluations than that are no mistake.
        self.total = max(self.total, self.evaluations)
        self._messenger.report_progress(self.evaluations, self.total, best=self.best)


@dataclass(frozen=True)
class Minimum:
    """The point that an optimiser found, and how it went."""

    point: Array
    value: float
    evaluations: int
    iterations: int
    is_success: bool
    message: str
    history: dict[str, list[Any]] | None = None


@dataclass(frozen=True)
class OptimizerContext:
    """The context of a search: the seed, the noise and the fidelity that it may use."""

    seed: int
    is_sampled: bool
    make_fidelity: Callable[[], Fidelity]
    on_step: StepListener = field(default=lambda _: None)


class Optimizer(Protocol):
    """A minimiser with its options."""

    def check_ansatz(self, ansatz: QuantumCircuit) -> None:
        """Refuse, by a ValueError, an ansatz that it can't search on."""

    def count_evaluations(self, num_parameters: int) -> int:
        """Return the number of evaluations; a guess where the function decides it."""

    def minimize(self, objective: Objective, start: Array, context: OptimizerContext) -> Minimum:
        """Search for the minimum from ``start``, which is not changed."""
