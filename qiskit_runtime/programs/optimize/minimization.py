"""What an optimiser is given and what it returns, whichever library it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qiskit_runtime.programs.optimize.objective import Objective

Array = NDArray[np.float64]

Fidelity = Callable[[Any, Any], Any]
"""The overlaps of the ansatz's states at two points, or at the rows of two arrays of points."""

StepListener = Callable[[Array], None]
"""Called after each step with the point that it reached."""


@dataclass(frozen=True)
class Minimum:
    """What an optimiser found."""

    point: Array
    value: float
    evaluations: int
    iterations: int
    is_success: bool
    message: str
    history: dict[str, list[Any]] | None = None


@dataclass(frozen=True)
class OptimizerContext:
    """What an optimiser may use beside the function."""

    seed: int
    is_sampled: bool
    make_fidelity: Callable[[], Fidelity]
    on_step: StepListener = field(default=lambda _: None)


class Optimizer(Protocol):
    """A minimiser with its options."""

    def check_ansatz(self, ansatz: QuantumCircuit) -> None:
        """Refuse, by a ValueError, an ansatz that it can't search on."""

    def count_evaluations(self, num_parameters: int) -> int:
        """How many evaluations it will take; a guess where the function decides it."""

    def minimize(self, objective: Objective, start: Array, around: OptimizerContext) -> Minimum:
        """Search for the minimum from ``start``, which stays as it is."""
