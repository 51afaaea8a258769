"""How Aer's threads are best used by a run of many small circuits.

Left alone, Aer gives all threads to one circuit at a time; where the state is small, they spend
two thirds of their time waiting for each other.
"""

import os
from typing import Any

SMALL_QUBITS = 12
"""A state of less is no work for two threads."""


def spread_threads(num_qubits: int, runs: int) -> dict[str, Any]:
    """Options of ``backend.run`` that give each thread circuits of its own, if they are small.

    Args:
        num_qubits: how many qubits the circuits use.
        runs: how many there are, each set of parameter values counted.
    """
    if num_qubits >= SMALL_QUBITS:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"max_parallel_threads": min(runs, cores or 1), "max_parallel_experiments": 0}
