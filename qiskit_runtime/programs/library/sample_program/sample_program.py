"""Random circuits, one an iteration: a program whose interim results arrive one by one.

The 2021 test server's sample program, with the same messages. It shows a stream, and it loads one.
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
    iterations: int = 5,
    seed_simulator: int | None = None,
) -> None:
    """Publish ``{"iteration": i, "counts": {...}}`` for each iteration, then "All done!"."""
    publish_random_counts(backend, user_messenger, iterations, seed_simulator)
