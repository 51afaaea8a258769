"""Alignment: the kernel's parameters that a support vector machine likes best, by SPSA.

The machine's cost is the maximum of its dual problem, which bounds its error: alignment lowers
that over the kernel's parameters (Glick et al., arXiv:2105.03406).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.svm import SVC

Array = NDArray[np.float64]

GAIN, GAIN_DECAY = 0.05, 0.602
"""The steps' length: the gain of step k (from 1) is ``GAIN / k**GAIN_DECAY``."""

SPREAD, SPREAD_DECAY = 0.1, 0.101
"""The distance of the two trial points from the parameters, likewise."""

TOLERANCE = 1e-8
"""Solver tolerance of the support vector machine; the default would visibly distort the cost."""


def train(kernel: Array, labels: Array, box: float) -> SVC:
    """Return the support vector machine of a kernel matrix; ``box`` is C."""
    from sklearn.svm import SVC  # takes a second, and no other program has it

    return SVC(kernel="precomputed", C=box, tol=TOLERANCE).fit(kernel, labels)


def find_cost(kernel: Array, labels: Array, box: float) -> float:
    """Return the maximum of sum(a) - (a y) K (a y) / 2 over 0 <= a <= C with sum(a y) = 0."""
    machine = train(kernel, labels, box)
    weights, support = machine.dual_coef_[0], machine.support_
    return float(np.abs(weights).sum() - weights @ kernel[np.ix_(support, support)] @ weights / 2)


def align(
    cost: Callable[[Array], float], parameters: Array, steps: int
) -> Iterator[tuple[float, Array]]:
    """Lower the cost by SPSA; yield each step's mean cost of its trial points, and its result.

    The perturbation of step k comes from ``RandomState(k)``, and no line search or calibration
    follows: the program's contract since 2021, so that a known data set gives known parameters.
    """
    for step in range(steps):
        gain = GAIN / (step + 1) ** GAIN_DECAY
        spread = SPREAD / (step + 1) ** SPREAD_DECAY
        signs = 2.0 * np.random.RandomState(step).randint(0, 2, len(parameters)) - 1
        above, below = cost(parameters + spread * signs), cost(parameters - spread * signs)
        parameters = parameters - gain * (above - below) / (2 * spread) * signs
        yield (above + below) / 2, parameters


def average_last(found: list[Array]) -> Array:
    """Return the mean of the last tenth of the steps; of fewer than ten, the last one."""
    mean: Array = np.mean(found[-max(len(found) // 10, 1) :], axis=0)
    return mean
