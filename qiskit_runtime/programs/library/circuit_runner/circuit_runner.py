"""Transpile circuits, run them, publish the result: the program most clients use.

Every input is checked first, so that a mistake names its field. Readout errors are corrected where
the client asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
from plain_json import json_clean
from qiskit import QuantumCircuit
from qiskit.transpiler import Layout

from qiskit_runtime.programs.estimate import readout_mitigation
from qiskit_runtime.programs.inputs.aer_options import read_run_options, say_left_out
from qiskit_runtime.programs.inputs.checks import (
    MAX_SHOTS,
    check_flag,
    check_integer,
    check_number,
    check_seed,
    name_options,
    naming,
)
from qiskit_runtime.programs.inputs.circuits import (
    check_transpiler_option,
    read_circuits,
    refuse_free_parameters,
)
from qiskit_runtime.programs.inputs.parameters import Binds, read_binds
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.runs import Task, run_tasks
from qiskit_runtime.programs.simulate.seeds import seed_of_transpiler
from qiskit_runtime.programs.simulate.transpiling import transpile_circuits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def _expect(expected: str, *types: type) -> Callable[[str, Any], object]:
    def check(name: str, value: Any) -> object:
        if not isinstance(value, types):
            raise ValueError(f"{name}: expected {expected}, got {value!r}")
        return value

    return check


def as_list(value: Any) -> Any:
    """Return an array as a list; anything else as it is."""
    return np.atleast_1d(value).tolist() if isinstance(value, np.ndarray) else value


def _check_layout_form(name: str, value: Any) -> object:
    expected = "a list of physical qubits, one for each qubit in order"
    _expect(expected, list, tuple, np.ndarray, Layout, dict)(name, value)
    value = as_list(value)
    for qubit in value if isinstance(value, list | tuple) else ():
        check_integer(name, qubit, 0)
    return value


CHECKS: dict[str, Callable[[str, Any], object]] = {
    "initial_layout": _check_layout_form,
    "layout_method": _expect("a string", str),
    "routing_method": _expect("a string", str),
    "translation_method": _expect("a string", str),
    "seed_transpiler": check_seed,
    "optimization_level": partial(check_integer, least=0, most=3),
    "transpiler_options": _expect("an object", dict),
    "skip_transpilation": check_flag,
    "init_qubits": check_flag,
    "rep_delay": partial(check_number, least=0),
    "measurement_error_mitigation": check_flag,
    "shots": partial(check_integer, least=1, most=MAX_SHOTS),
    "seed_simulator": check_seed,
    "memory": check_flag,
}
"""The check of each known field that is given."""

IMPLIED = {"seed_transpiler", "qubits_initially_zero"}
"""Arguments of ``transpile`` that follow from other fields."""


def check_fields(fields: Mapping[str, object]) -> None:
    """Raise a ValueError that names the first known field of a wrong type; None is "not given"."""
    for name, value in fields.items():
        if name in CHECKS and value is not None:
            CHECKS[name](name, value)


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
    """Return the keyword arguments of ``transpile``: the fields and the options, each once."""
    options = dict(transpiler_options or {})
    check_fields(options)
    given = {name: value for name, value in fields.items() if value is not None}
    for name in options:
        check_transpiler_option("transpiler_options", name)
        if name in given:
            raise ValueError(f"transpiler_options: {name!r} is given as a field of its own too")
    arguments = given | options
    if "initial_layout" in arguments:
        arguments["initial_layout"] = as_list(arguments["initial_layout"])
    return arguments


def choose_seed(
    own: int | None, of_job: int | None, transpiler_options: Mapping[str, object] | None
) -> int | None:
    """Return the transpiler's seed; None if the transpiler's options have one."""
    if "seed_transpiler" in (transpiler_options or {}):
        return own
    return seed_of_transpiler(own, of_job)


def choose_binds(value: object, circuits: list[QuantumCircuit], is_mitigated: bool) -> Binds | None:
    """Return the values of the circuits' parameters; None without parameters."""
    if value is None:
        refuse_free_parameters(circuits)
        return None
    if is_mitigated:
        msg = "does not go with parameter_binds; bind the circuits first"
        raise ValueError(f"measurement_error_mitigation: {msg}")
    return read_binds(value, circuits)


def transpile_list(
    backend: AerSimulator,
    circuits: list[QuantumCircuit],
    options: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> list[QuantumCircuit]:
    """Transpile the circuits; an error in the arguments begins with their names."""
    check_layout(arguments.get("initial_layout"), backend.num_qubits)
    with naming(name_options(arguments)):
        return transpile_circuits(backend, circuits, options, arguments)


def run_plainly(
    backend: AerSimulator,
    circuits: list[QuantumCircuit],
    options: dict[str, Any],
    binds: Binds | None = None,
) -> dict[str, Any]:
    """Run the circuits; an error of the simulator begins with the options' names."""
    tasks = [
        Task(circuit, len(next(iter(values.values()), [None])), values)
        for circuit, values in zip(circuits, binds or [{}] * len(circuits), strict=True)
    ]
    labels = [f"circuits[{number}]" for number in range(len(circuits))]
    field = name_options(options)
    result = run_tasks(backend, tasks, labels=labels, field=field, **options)
    described: dict[str, Any] = result.to_dict()
    return described


def run_mitigated(
    backend: AerSimulator, circuits: list[QuantumCircuit], options: dict[str, Any]
) -> dict[str, Any]:
    """Run the circuits, and add ``quasiprobabilities`` to each ``data`` that has counts.

    They are keyed as the counts (which stay as read), at least 0, and sum to 1. This is where the
    clients of 2021 look for them: ``RunnerResult.get_quasiprobabilities()``.
    """
    # Before the circuits: what cannot be mitigated must not cost a run.
    bit_maps = [readout_mitigation.measured_bits(circuit) for circuit in circuits]
    inverses = readout_mitigation.calibrate(backend, bit_maps, options)
    result = run_plainly(backend, circuits, options)
    for experiment, bits in zip(result["results"], bit_maps, strict=True):
        data = experiment["data"]
        if bits and "counts" in data:
            mitigated = readout_mitigation.mitigate(data["counts"], bits, inverses)
            data["quasiprobabilities"] = mitigated
    return result


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    circuits: object,
    shots: int | None = None,
    seed_simulator: int | None = None,
    memory: bool | None = None,
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
    skip_transpilation: bool | None = False,
    parameter_binds: Any = None,
    **run_options: Any,
) -> None:
    """Publish the circuits' ``Result.to_dict()`` in plain JSON types, as the final result.

    ``circuit_runner.json`` describes the parameters; ``run_options`` go to ``backend.run``. A
    mistake in an input raises a ValueError that names its field, before anything runs.
    """
    check_fields(locals() | run_options)
    refuse_scheduling(
        schedule_circuit, scheduling_method=scheduling_method, inst_map=inst_map, meas_map=meas_map
    )
    arguments = transpile_arguments(
        transpiler_options,
        initial_layout=initial_layout,
        layout_method=layout_method,
        routing_method=routing_method,
        translation_method=translation_method,
        seed_transpiler=choose_seed(seed_transpiler, seed_simulator, transpiler_options),
        optimization_level=optimization_level,
        # Qubits that are not reset before a shot may not be taken as zeros by the optimiser.
        qubits_initially_zero=False if init_qubits is False else None,
    )
    run_options |= {"shots": shots, "seed_simulator": seed_simulator, "memory": memory}
    run_options["rep_delay"] = rep_delay
    options = read_run_options(backend, run_options, related=signature(main).parameters)
    listed = read_circuits(circuits)
    binds = choose_binds(parameter_binds, listed, bool(measurement_error_mitigation))
    check_memory(backend, listed, options)
    user_messenger.report_progress(0, len(listed))
    if skip_transpilation:
        say_left_out(sorted(set(arguments) - IMPLIED), "skip_transpilation is true")
    else:
        listed = transpile_list(backend, listed, options, arguments)
    run = run_mitigated if measurement_error_mitigation else partial(run_plainly, binds=binds)
    result = run(backend, listed, options)
    user_messenger.report_progress(len(listed), len(listed))
    user_messenger.publish(json_clean(result), final=True)
