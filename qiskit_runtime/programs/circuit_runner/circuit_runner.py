"""Transpile circuits, run them, publish the result: the program most clients use.

Every input is checked first, so that a mistake names its field. ``readout_mitigation``, beside this
file, corrects readout errors when the client asks for it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from numbers import Complex, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import readout_mitigation
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import Layout

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def _is_integer(least: int, most: float = math.inf) -> Callable[[object], bool]:
    # True is an int to Python, and never what a client meant by a number.
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    )


def _is_delay(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_layout(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_integer(0), value))
    return isinstance(value, Layout | dict)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


KNOWN_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "initial_layout": (_is_layout, "a list of physical qubits, one for each qubit in order"),
    "layout_method": (_is_text, "a string"),
    "routing_method": (_is_text, "a string"),
    "translation_method": (_is_text, "a string"),
    "seed_transpiler": (_is_integer(0), "an integer of 0 or more"),
    "optimization_level": (_is_integer(0, 3), "0, 1, 2 or 3"),
    "transpiler_options": (_is_object, "an object"),
    "init_qubits": (_is_flag, "true or false"),
    "rep_delay": (_is_delay, "a number of seconds, 0 or more"),
    "measurement_error_mitigation": (_is_flag, "true or false"),
    "shots": (_is_integer(1), "an integer of 1 or more"),
    "seed_simulator": (_is_integer(0), "an integer of 0 or more"),
    "memory": (_is_flag, "true or false"),
}
"""What each known field must be when it is given, as a test and in words."""

TRANSPILER_OPTIONS = set(inspect.signature(transpile).parameters) - {"circuits", "backend"}


def check_fields(fields: Mapping[str, object]) -> None:
    """Raise a ValueError that names the first known field of a wrong type; None is "not given"."""
    for name, value in fields.items():
        if name in KNOWN_FIELDS and value is not None:
            is_valid, expected = KNOWN_FIELDS[name]
            if not is_valid(value):
                raise ValueError(f"{name}: expected {expected}, got {value!r}")


def check_circuits(circuits: object) -> list[QuantumCircuit]:
    """The circuits as a list, or a ValueError that names the field."""
    listed = list(circuits) if isinstance(circuits, list | tuple) else [circuits]
    if not listed or not all(isinstance(circuit, QuantumCircuit) for circuit in listed):
        kinds = sorted({type(item).__name__ for item in listed}) or ["an empty list"]
        expected = "a circuit or a list of circuits"
        raise ValueError(f"circuits: expected {expected}, got {', '.join(kinds)}")
    return listed


def check_layout(initial_layout: object, num_qubits: int) -> None:
    """Raise a ValueError for a list that names a qubit twice, or one the backend has not."""
    if isinstance(initial_layout, list | tuple):
        expected = f"different qubits of the backend's {num_qubits}, numbered from 0"
        if (
            len(set(initial_layout)) < len(initial_layout)
            or max(initial_layout, default=0) >= num_qubits
        ):
            raise ValueError(f"initial_layout: expected {expected}, got {initial_layout!r}")


def refuse_scheduling(schedule_circuit: object, **methods: object) -> None:
    """Raise a ValueError when pulse scheduling is asked for, by any of its fields."""
    given = ["schedule_circuit"] if schedule_circuit else []
    given += [name for name, value in methods.items() if value is not None]
    if given:
        reason = "circuits cannot be scheduled into pulses: Qiskit 2 has no pulse module"
        raise ValueError(f"{', '.join(given)}: {reason}; leave it out")


def transpile_arguments(
    transpiler_options: Mapping[str, object] | None, **fields: object
) -> dict[str, object]:
    """The keyword arguments of ``transpile``: the given fields and the options, each once."""
    options = dict(transpiler_options or {})
    check_fields(options)
    given = {name: value for name, value in fields.items() if value is not None}
    for name in options:
        if name not in TRANSPILER_OPTIONS:
            raise ValueError(f"transpiler_options: {name!r} is no option of Qiskit's transpile")
        if name in given:
            raise ValueError(f"transpiler_options: {name!r} is given as a field of its own too")
    return given | options


def run_arguments(run_options: Mapping[str, object], init_qubits: bool | None) -> dict[str, object]:
    """The keyword arguments of ``backend.run``; None means the backend's own default."""
    options = {name: value for name, value in run_options.items() if value is not None}
    # True is every backend's default, and Aer, which always starts from zeros, has no such option.
    return options if init_qubits in (None, True) else options | {"init_qubits": init_qubits}


def run_mitigated(
    backend: AerSimulator, circuits: list[QuantumCircuit], options: dict[str, Any]
) -> dict[str, Any]:
    """Run the circuits; each ``data`` with counts gets ``quasiprobabilities`` beside them.

    They are keyed as the counts (which stay as read), at least 0, and sum to 1. This is where the
    clients of 2021 look for them: ``RunnerResult.get_quasiprobabilities()``.
    """
    if "parameter_binds" in options:
        msg = "does not go with parameter_binds; bind the circuits first"
        raise ValueError(f"measurement_error_mitigation: {msg}")
    # Before the circuits: what cannot be mitigated must not cost a run.
    bit_maps = [readout_mitigation.measured_bits(circuit) for circuit in circuits]
    inverses = readout_mitigation.calibrate(backend, bit_maps, options)
    result: dict[str, Any] = backend.run(circuits, **options).result().to_dict()
    for experiment, bits in zip(result["results"], bit_maps, strict=True):
        data = experiment["data"]
        if bits and "counts" in data:
            mitigated = readout_mitigation.mitigate(data["counts"], bits, inverses)
            data["quasiprobabilities"] = mitigated
    return result


def json_clean(value: object) -> Any:
    """A copy in JSON's own types: complex as [re, im], arrays as lists, dates in ISO 8601.

    NaN and infinities, which JSON has not, become null; objects of other types their text.
    """
    match value:
        case Enum():
            return json_clean(value.value)
        case None | bool() | str():
            return value
        case Mapping():
            return {str(key): json_clean(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_clean(item) for item in value]
        case np.ndarray() | np.generic():
            # item() and tolist() give Python's own numbers; tolist() does so for scalars too.
            return json_clean(value.tolist())
        case int():
            return value
        case Real():
            return float(value) if math.isfinite(value) else None
        case Complex():
            return [json_clean(value.real), json_clean(value.imag)]
        case date():
            return value.isoformat()
    # Statevector, DensityMatrix and the like, which Aer's save instructions put into the data.
    return json_clean(np.asarray(value)) if hasattr(value, "__array__") else str(value)


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    circuits: object,
    shots: int | None = None,
    initial_layout: Any = None,
    layout_method: str | None = None,
    routing_method: str | None = None,
    translation_method: str | None = None,
    seed_transpiler: int | None = None,
    optimization_level: int | None = None,
    transpiler_options: dict[str, Any] | None = None,
    init_qubits: bool | None = True,
    rep_delay: float | None = None,
    schedule_circuit: bool = False,
    scheduling_method: Any = None,
    inst_map: Any = None,
    meas_map: Any = None,
    measurement_error_mitigation: bool | None = False,
    **run_options: Any,
) -> None:
    """Publish the circuits' ``Result.to_dict()`` in plain JSON types, as the final result.

    ``circuit_runner.json`` describes the parameters; ``run_options`` go to ``backend.run``. A
    mistake in an input raises a ValueError that names its field, before anything runs.
    """
    check_fields(locals() | run_options)
    check_layout(initial_layout, backend.num_qubits)
    refuse_scheduling(
        schedule_circuit, scheduling_method=scheduling_method, inst_map=inst_map, meas_map=meas_map
    )
    arguments = transpile_arguments(
        transpiler_options,
        initial_layout=initial_layout,
        layout_method=layout_method,
        routing_method=routing_method,
        translation_method=translation_method,
        seed_transpiler=seed_transpiler,
        optimization_level=optimization_level,
        # Qubits that are not reset before a shot may not be taken as zeros by the optimiser.
        qubits_initially_zero=False if init_qubits is False else None,
    )
    options = run_arguments({"shots": shots, "rep_delay": rep_delay} | run_options, init_qubits)
    # One call for the whole list: each call builds its passes anew, at a fixed cost.
    transpiled = transpile(check_circuits(circuits), backend, **arguments)
    if measurement_error_mitigation:
        result = run_mitigated(backend, transpiled, options)
    else:
        result = backend.run(transpiled, **options).result().to_dict()
    user_messenger.publish(json_clean(result), final=True)
