"""The function that an optimiser minimises: it counts, tells, and remembers the best.

Points come one at a time or many at once, as rows; an optimiser that knows several points
beforehand saves the fixed cost of a run for each.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qiskit_runtime.programs.estimate.expectation import Expectation

Array = NDArray[np.float64]

Listener = Callable[[int, Array, float, float], None]
"""Called for each evaluation: its number from 1, the point, the value, its standard deviation."""


class ProgressMessenger(Protocol):
    """The part of a messenger that is told how far the job is."""

    def report_progress(self, done: float, total: float, best: float | None = None) -> None:
        """Say how far it is."""


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
        """The value at a point; the values at an array of points."""
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
        """Central differences, all their points in one run."""
        steps = step * np.eye(len(point))
        values = np.asarray(self(np.concatenate([point + steps, point - steps])))
        above, below = np.split(values, 2)
        differences: Array = (above - below) / (2 * step)
        return differences

    def finish(self) -> None:
        """Say that no more evaluations come."""
        self.total = self.evaluations
        self._report()

    def _report(self) -> None:
        # The total is the best guess beforehand; what goes beyond it is no mistake.
        self.total = max(self.total, self.evaluations)
        self._messenger.report_progress(self.evaluations, self.total, best=self.best)
