"""Expectation values of operators on circuits: each from the counts of one circuit or a few.

A circuit that measures is taken as it is: an operator's letters then stand for its classical bits.
One that does not is measured in each basis that its operators need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit

from qiskit_runtime.programs.estimate import readout_mitigation
from qiskit_runtime.programs.estimate.estimator import Estimates, Measurement, Terms, measure_terms
from qiskit_runtime.programs.inputs import checks as inputs
from qiskit_runtime.programs.inputs.aer_options import read_run_options
from qiskit_runtime.programs.inputs.circuits import (
    check_transpiler_option,
    read_circuits,
    refuse_free_parameters,
)
from qiskit_runtime.programs.inputs.operators import check_label, split_pair
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit, find_places
from qiskit_runtime.programs.simulate.runs import run_circuits
from qiskit_runtime.programs.simulate.simulation import Simulation
from qiskit_runtime.programs.simulate.transpiling import transpile_circuits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

LETTERS = "IXYZ01"
MITIGATION = "use_measurement_mitigation"
CHUNK = 20
"""Circuits of one run; the progress is reported after each run."""


class Step(NamedTuple):
    """A measurement to run, and the answers that it is a part of."""

    measurement: Measurement
    source: int
    """The number of the client's circuit that is measured."""
    entries: list[tuple[int, Terms]]
    """Numbers of answers, and the terms of each."""


def read_terms(name: str, value: Any) -> Terms:
    """Return an operator as labels with coefficients; the empty text has none yet."""
    if isinstance(value, str):
        return {check_label(name, value, LETTERS): 1.0} if value else {}
    if hasattr(value, "to_list"):
        pairs: Any = value.to_list()
    elif hasattr(value, "to_label"):
        pairs = [(value.to_label(), 1.0)]
    else:
        pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not pairs:
        raise ValueError(f"{name}: expected a label, an object or an operator, got {value!r}")
    terms = [split_pair(name, pair, LETTERS) for pair in pairs]
    if not np.isfinite([coefficient for _, coefficient in terms]).all():
        raise ValueError(f"{name}: has a coefficient that is not finite")
    if any(abs(coefficient.imag) > 1e-10 for _, coefficient in terms):
        raise ValueError(f"{name}: has imaginary coefficients; it is not Hermitian")
    summed: dict[str, float] = {}
    for label, coefficient in terms:
        summed[label] = summed.get(label, 0.0) + coefficient.real
    return summed


def pair_up(circuits: Sequence[Any], value: Any) -> list[tuple[int, Terms]]:
    """Return each answer's circuit and operator; a side of one item is repeated."""
    field_name = "expectation_operators"
    if isinstance(value, list | tuple):
        operators = [read_terms(f"{field_name}[{i}]", item) for i, item in enumerate(value)]
    else:
        operators = [read_terms(field_name, value)]
    count = max(len(circuits), len(operators))
    if {len(circuits), len(operators)} - {1, count} or not operators:
        raise ValueError(
            f"{field_name}: {len(operators)} operators do not go with {len(circuits)} circuits;"
            " give as many, or one of either"
        )
    return [(i % len(circuits), operators[i % len(operators)]) for i in range(count)]


def complete(terms: Terms, circuit: QuantumCircuit) -> Terms:
    """Return the terms, checked against a circuit that measures, or does not."""
    is_measured = circuit.num_clbits > 0
    width = circuit.num_clbits if is_measured else circuit.num_qubits
    terms = terms or {"Z" * width: 1.0}  # the empty text: Z everywhere
    for label in terms:
        if len(label) != width:
            what = "classical bits" if is_measured else "qubits"
            raise ValueError(
                f"expectation_operators: {label!r} has {len(label)} letters, but the circuit"
                f" {circuit.name!r} has {width} {what}"
            )
        if is_measured and set(label) & {"X", "Y"}:
            raise ValueError(
                f"expectation_operators: {label!r} needs another basis than the circuit"
                f" {circuit.name!r} measures; leave its measurements out"
            )
    return terms


def make_plan(
    backend: AerSimulator,
    transpiled: Sequence[QuantumCircuit],
    pairs: Sequence[tuple[int, Terms]],
) -> list[Step]:
    """Return the measurements to run for these pairs: few for each circuit."""
    entries: dict[int, list[tuple[int, Terms]]] = {}
    for entry, (index, terms) in enumerate(pairs):
        entries.setdefault(index, []).append((entry, terms))
    return [
        Step(measurement, index, asked)
        for index, asked in entries.items()
        for measurement in measure(
            backend, transpiled[index], [label for _, terms in asked for label in terms]
        )
    ]


def measure(
    backend: AerSimulator, circuit: QuantumCircuit, labels: Sequence[str]
) -> list[Measurement]:
    """Return measurements that give the values of all labels."""
    if circuit.num_clbits:
        # It measures on its own: a label's letters stand for its classical bits.
        bits = readout_mitigation.map_bits(circuit)
        letters = range(circuit.num_clbits)
        qubits = [bits.get(bit) for bit in letters]
        return [Measurement(circuit, list(dict.fromkeys(labels)), letters, qubits)]
    placed = PlacedCircuit(circuit, find_places(circuit), [])
    return measure_terms(backend, placed, labels)


def read_config(name: str, value: Any, taken: set[str]) -> dict[str, Any]:
    """Return keyword arguments for the transpiler or the run; the caller checks their names."""
    if value is None or value is False:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected an object, got {value!r}")
    for option in value:
        if option in taken:
            raise ValueError(f"{name}: {option!r} is a field of its own")
    return dict(value)


def read_run_config(backend: AerSimulator, value: Any, taken: set[str]) -> dict[str, Any]:
    """Return the options of the runs, whose circuits have their values bound already."""
    options = read_config("run_config", value, taken)
    if options.get("parameter_binds") is not None:
        raise ValueError("run_config.parameter_binds: bind the circuits' parameters before")
    options.pop("parameter_binds", None)
    # Null is no noise here, as for Aer; of any other option it is the default.
    ideal = {"noise_model": None} if options.get("noise_model", ...) is None else {}
    return read_run_options(backend, options, "run_config.") | ideal


def read_transpiler_config(value: Any, taken: set[str]) -> dict[str, Any]:
    """Return the options of the transpiler."""
    options = read_config("transpiler_config", value, taken)
    for option in options:
        check_transpiler_option("transpiler_config", option)
    return options


def calibrate(simulation: Simulation, plan: Sequence[Step], options: dict[str, Any]) -> list[Step]:
    """Return the plan with the readout of its qubits calibrated."""
    maps = [readout_mitigation.measured_bits(step.measurement.circuit, MITIGATION) for step in plan]
    drawn = simulation.draw_options(max(len(bits) for bits in maps))
    inverses = readout_mitigation.calibrate(simulation.backend, maps, drawn | options)
    return [
        step._replace(measurement=replace(step.measurement, inverses=inverses)) for step in plan
    ]


def run(
    simulation: Simulation,
    plan: Sequence[Step],
    options: dict[str, Any],
    messenger: UserMessenger,
) -> Iterator[Any]:
    """Run the plan chunk by chunk, and yield the data of each step's result."""
    for start in range(0, len(plan), CHUNK):
        chunk = plan[start : start + CHUNK]
        circuits = [step.measurement.circuit for step in chunk]
        drawn = simulation.draw_options(max(circuit.num_qubits for circuit in circuits))
        result = run_circuits(
            simulation.backend,
            circuits,
            labels=[f"circuits[{step.source}]" for step in chunk],
            field="run_config" if options else "circuits",
            **(drawn | options),
        )
        for circuit, experiment in zip(circuits, result.results, strict=True):
            if not hasattr(experiment.data, "counts"):
                raise ValueError(f"circuits: {circuit.name!r} measures nothing")
            yield experiment.data
        messenger.report_progress(start + len(chunk), len(plan))


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    circuits: Any = None,
    expectation_operators: Any = "",
    shots: int = 8192,
    transpiler_config: dict[str, Any] | None = None,
    run_config: dict[str, Any] | None = None,
    skip_transpilation: bool = False,
    return_stddev: bool = False,
    use_measurement_mitigation: bool = False,
    seed_simulator: int | None = None,
    seed_transpiler: int | None = None,
) -> None:
    """Publish the list of values, or of ``[value, standard deviation]``.

    ``sample_expval.json`` describes the parameters.
    """
    inputs.require(circuits=circuits, shots=shots)
    listed = read_circuits(circuits)
    refuse_free_parameters(listed)
    pairs = pair_up(listed, expectation_operators)
    pairs = [(index, complete(terms, listed[index])) for index, terms in pairs]
    fields = {"shots", "seed_simulator", "seed_transpiler"}
    transpiling = read_transpiler_config(transpiler_config, fields)
    running = read_run_config(backend, run_config, fields)
    is_ready = inputs.check_flag("skip_transpilation", skip_transpilation)
    with_deviation = inputs.check_flag("return_stddev", return_stddev)
    mitigate = inputs.check_flag(MITIGATION, use_measurement_mitigation)
    inputs.check_integer("shots", shots, 1, inputs.MAX_SHOTS)
    simulation = Simulation(backend, shots, seed_simulator, seed_transpiler)

    check_memory(backend, listed, running)
    transpiled = listed
    if not is_ready:
        with inputs.naming("transpiler_config" if transpiling else "circuits"):
            arguments = {"seed_transpiler": simulation.seed_transpiler} | transpiling
            transpiled = transpile_circuits(backend, listed, running, arguments)
    plan = make_plan(backend, transpiled, pairs)
    if mitigate:
        plan = calibrate(simulation, plan, running)
    estimates = Estimates(len(pairs))
    for step, data in zip(plan, run(simulation, plan, running, user_messenger), strict=True):
        estimates.add(step.measurement, data, step.entries, sum(data.counts.values()))
    values, deviations = estimates.values.tolist(), estimates.deviations.tolist()
    final = [list(pair) for pair in zip(values, deviations, strict=True)]
    user_messenger.publish(final if with_deviation else values, final=True)
