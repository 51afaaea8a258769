"""The values of the parameters of a quantum program's items: given, or drawn by a samplex."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample
from qiskit_ibm_runtime.quantum_program import QuantumProgramItem, SamplexItem

PARAMETERS = "parameter_values"
"""The output of a samplex that is for the circuit; the others belong to the result."""

_SNAPPED = 1e-6
"""Angles this near to a multiple of pi/2, in its unit, are one: a samplex computes in float32.

Otherwise no circuit would stay Clifford, and so be run at any width, once it is twirled.
"""

Outputs = dict[str, np.ndarray[Any, Any]]


def draw_arguments(
    item: QuantumProgramItem, rng: np.random.Generator
) -> tuple[NDArray[np.float64], Outputs]:
    """Return a row of values for each element of the item, and what a samplex gives besides."""
    names = len(item.circuit.parameters)
    if not isinstance(item, SamplexItem):
        return np.asarray(item.circuit_arguments, float).reshape(item.size(), names), {}
    item.samplex.finalize()
    outputs = broadcast_sample(item.samplex, item.samplex_arguments, item.shape, rng)
    values = outputs.pop(PARAMETERS, np.empty((*item.shape, 0)))
    return _snap(values.reshape(item.size(), names).astype(float)), outputs


def check_items(items: list[QuantumProgramItem], shots: int, most: int) -> None:
    """Refuse an item without elements, and more shots in all than ``most``."""
    for index, item in enumerate(items):
        if not prod(item.shape):
            raise ValueError(
                f"quantum_program.items[{index}]: there is nothing to run: its shape is"
                f" {item.shape}"
            )
    if (asked := shots * sum(item.size() for item in items)) > most:
        raise ValueError(f"quantum_program: {asked:,} shots in all, and at most {most:,} are made")


def _snap(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles; those that are a Clifford's but for rounding are exactly that."""
    turns = values / (np.pi / 2)
    whole = np.round(turns)
    return np.where(np.abs(turns - whole) < _SNAPPED, whole * (np.pi / 2), values)
