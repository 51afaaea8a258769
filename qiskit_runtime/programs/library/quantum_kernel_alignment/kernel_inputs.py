"""The inputs of ``quantum_kernel_alignment``, read and checked: what is wrong names its field."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import numpy as np
from fidelity_kernel import Array, FeatureMap

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.checks import check_integer
from qiskit_runtime.programs.simulate.seeds import Seeds

MAX_FEATURES = 2**10


def read_feature_map(value: Any) -> FeatureMap:
    """Return the feature map of an object, or of its JSON text, as clients of 2021 send it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"feature_map: the text is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"feature_map: expected an object or its JSON text, got {value!r}")
    known = ("feature_dimension", "entangler_map")
    if unknown := sorted(str(name) for name in value if name not in known):
        hint = suggest(unknown[0], known)
        raise ValueError(f"feature_map: unknown fields {', '.join(unknown)}{hint}")
    name = "feature_map.feature_dimension"
    dimension = check_integer(name, value.get("feature_dimension"), 2, MAX_FEATURES)
    if dimension % 2:
        raise ValueError(f"{name}: expected an even number, two features a qubit, got {dimension}")
    pairs = value.get("entangler_map")
    # Pairs of qubits by default, all of them; in 2021 it was pairs of features, which failed.
    if pairs is None:
        return FeatureMap(dimension, list(combinations(range(dimension // 2), 2)))
    return FeatureMap(dimension, _read_pairs(pairs, dimension // 2))


def _read_pairs(value: Any, num_qubits: int) -> list[tuple[int, int]]:
    name = "feature_map.entangler_map"
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"{name}: expected a list of pairs of qubits, got {value!r}")
    pairs = []
    for index, pair in enumerate(listed):
        place = f"{name}[{index}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"{place}: expected two different qubits, got {pair!r}")
        first, second = (check_integer(place, qubit, 0, num_qubits - 1) for qubit in pair)
        pairs.append((first, second))
    return pairs


def read_points(name: str, value: Any, dimension: int) -> Array:
    """Return points, one a row."""
    points = _read_array(name, value)
    if points.ndim != 2 or not len(points) or points.shape[1] != dimension:
        raise ValueError(
            f"{name}: expected rows of {dimension} features, got the shape {points.shape}"
        )
    return points


def read_labels(name: str, value: Any, size: int, *, both: bool = True) -> Array:
    """Return the classes 1 and -1, one for each point."""
    labels = _read_array(name, value)
    if labels.shape != (size,):
        raise ValueError(f"{name}: expected {size}, one a point, got the shape {labels.shape}")
    if not set(labels.tolist()) <= {1.0, -1.0}:
        raise ValueError(f"{name}: expected 1 and -1 only, got {sorted(set(labels.tolist()))}")
    if both and len(set(labels.tolist())) < 2:
        raise ValueError(f"{name}: expected both classes, 1 and -1, got one alone")
    return labels


def read_test_set(points: Any, labels: Any, dimension: int) -> tuple[Array, Array] | None:
    """Return the points and labels that the aligned kernel is tested on, if any."""
    if (points is None) != (labels is None):
        missing = "test_labels" if labels is None else "test_data"
        raise ValueError(f"{missing}: test_data and test_labels go together")
    if points is None:
        return None
    read = read_points("test_data", points, dimension)
    return read, read_labels("test_labels", labels, len(read), both=False)


def choose_start(value: Any, num_qubits: int, seed: int | None) -> Array:
    """Return the kernel's first parameters, one for all qubits or one a qubit; drawn for None."""
    if value is None:
        drawn: Array = Seeds(seed).points.uniform(-1, 1, num_qubits)
        return drawn
    name = "initial_kernel_parameters"
    parameters = np.atleast_1d(_read_array(name, value))
    if parameters.shape not in {(1,), (num_qubits,)}:
        raise ValueError(f"{name}: expected 1 or {num_qubits} numbers, got {parameters.shape}")
    return parameters


def read_layout(value: Any, num_qubits: int, most: int) -> list[int] | None:
    """Return the physical qubit of each qubit."""
    if value is None:
        return None
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    name = "initial_layout"
    if not isinstance(listed, list | tuple) or len(listed) != num_qubits:
        raise ValueError(f"{name}: expected a list of {num_qubits} qubits, got {value!r}")
    qubits = [check_integer(name, qubit, 0, most - 1) for qubit in listed]
    if len(set(qubits)) < num_qubits:
        raise ValueError(f"{name}: expected different qubits, got {qubits}")
    return qubits


def _read_array(name: str, value: Any) -> Array:
    try:
        read = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, rows of one length: {error}") from error
    if read.dtype.kind not in "biuf":  # complex ones would be cut, and text be read
        raise ValueError(f"{name}: expected numbers, got {read.dtype.name}")
    array: Array = read.astype(float)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers")
    return array
