"""The values of circuits' free parameters, as clients send them.

``parameter_binds`` is Aer's, but by name: JSON has no ``Parameter`` for a key, and a circuit that
came by QPY has parameters of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.checks import check_number

FIELD = "parameter_binds"

Binds = list[dict[str, list[float]]]
"""For each circuit the values of its parameters, by their names; as many of each."""


def read_binds(value: Any, circuits: Sequence[QuantumCircuit]) -> Binds:
    """Return the values for each circuit.

    Raises:
        ValueError: they do not fit the circuits' parameters; the text names the place.
    """
    listed = [value] if isinstance(value, Mapping) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(v, Mapping) for v in listed):
        expected = "a list of objects, one a circuit, of lists of values by parameter name"
        raise ValueError(f"{FIELD}: expected {expected}, got {value!r}")
    if len(listed) != len(circuits):
        raise ValueError(
            f"{FIELD}: has {len(listed)} objects for {len(circuits)} circuits; give one a circuit,"
            " with a list of all its values for each parameter"
        )
    return [
        _read_bind(f"{FIELD}[{index}]", bind, circuit)
        for index, (bind, circuit) in enumerate(zip(listed, circuits, strict=True))
    ]


def read_point(
    name: str, value: Any, num_parameters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the initial point: as given, or drawn from [0, 1) for None and ``"random"``."""
    if value is None or (isinstance(value, str) and value == "random"):
        return rng.random(num_parameters)
    try:
        given = np.asarray(value)
    except ValueError:
        given = np.array(None)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"{name}: expected real numbers or 'random', got {value!r}")
    point = np.array(given, dtype=float)
    if point.ndim != 1:
        raise ValueError(
            f"{name}: expected a list of {num_parameters} numbers, got the shape {point.shape}"
        )
    if len(point) != num_parameters:
        raise ValueError(
            f"{name}: has {point.size} numbers, but the circuit has {num_parameters} parameters"
        )
    if not np.all(np.isfinite(point)):
        raise ValueError(f"{name}: has a number that is not finite")
    return point


def _read_bind(field: str, bind: Mapping[Any, Any], circuit: QuantumCircuit) -> dict[str, Any]:
    wanted = [parameter.name for parameter in circuit.parameters]
    given = {getattr(key, "name", key): value for key, value in bind.items()}
    for name in given:
        if name not in wanted:
            has = f"it has {', '.join(wanted)}" if wanted else "it has none"
            raise ValueError(
                f"{field}: the circuit {circuit.name!r} has no parameter {name!r}"
                f"{suggest(name, wanted) or '; ' + has}"
            )
    if missing := [name for name in wanted if name not in given]:
        raise ValueError(f"{field}: has no values for {', '.join(missing)}")
    values = {name: _read_values(f"{field}.{name}", given[name]) for name in wanted}
    sizes = {name: len(listed) for name, listed in values.items()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} for {name}" for name, size in sizes.items())
        raise ValueError(f"{field}: expected as many values for each parameter, got {listed}")
    return values


def _read_values(field: str, value: Any) -> list[float]:
    """Return a list of numbers; one alone is a list of one."""
    listed = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    listed = listed if isinstance(listed, list | tuple) else [listed]
    if not listed:
        raise ValueError(f"{field}: expected one value or more, got none")
    return [check_number(f"{field}[{index}]", item) for index, item in enumerate(listed)]
