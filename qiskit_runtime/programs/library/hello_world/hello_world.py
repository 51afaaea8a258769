"""Random circuits, one an iteration: the first program to try, with interim results.

The newest form of ``sample_program``: it does the same, once unless more is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qiskit_runtime.programs.simulate.random_circuits import publish_random_counts

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    iterations: int = 1,
    seed_simulator: int | None = None,
) -> None:
    """Publish ``{"iteration": i, "counts": {...}}`` for each iteration, then "All done!"."""
    publish_random_counts(backend, user_messenger, iterations, seed_simulator)
