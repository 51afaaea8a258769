"""Expectation values of operators on circuits: each from the counts of one circuit or a few.

A circuit that measures is taken as it is: an operator's letters then stand for its classical bits.
One that does not is measured in each basis that its operators need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit

from qiskit_runtime.programs.estimate import outcomes, readout_mitigation
from qiskit_runtime.programs.inputs import checks as inputs
from qiskit_runtime.programs.inputs.circuits import (
    check_transpiler_option,
    read_circuits,
    refuse_free_parameters,
)
from qiskit_runtime.programs.inputs.operators import check_label, split_pair
from qiskit_runtime.programs.optimize.ansatz import TranspiledAnsatz, find_rotations
from qiskit_runtime.programs.simulate.aer_options import read_run_options
from qiskit_runtime.programs.simulate.checked_run import run_circuits
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.simulation import Simulation
from qiskit_runtime.programs.simulate.transpiling import transpile_circuits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

Terms = list[tuple[str, float]]

LETTERS = "IXYZ01"
MITIGATION = "use_measurement_mitigation"
CHUNK = 20
"""Circuits that one run takes; the progress is told in between."""


class Plan(NamedTuple):
    """The circuits to run, each once, and what every answer is summed up from."""

    circuits: list[QuantumCircuit]
    sources: list[int]
    """Which of the client's circuits each is made of."""
    sums: list[list[tuple[int, Terms]]]


def read_terms(name: str, value: Any) -> Terms:
    """An operator as labels with coefficients; the empty text, for Z everywhere, as none."""
    if isinstance(value, str):
        return [(check_label(name, value, LETTERS), 1.0)] if value else []
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
    return [(label, coefficient.real) for label, coefficient in terms]


def pair_up(circuits: Sequence[Any], value: Any) -> list[tuple[int, Terms]]:
    """Each answer's circuit and operator; the shorter side repeats if it has one item."""
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
    """The terms, checked against a circuit that measures, or does not."""
    is_measured = circuit.num_clbits > 0
    width = circuit.num_clbits if is_measured else circuit.num_qubits
    terms = terms or [("Z" * width, 1.0)]
    for label, _ in terms:
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


def group_by_basis(terms: Terms) -> dict[str, Terms]:
    """Terms that one basis serves, by that basis; a term joins the first that suits."""
    groups: dict[str, Terms] = {}
    for label, coefficient in terms:
        wanted = label.replace("0", "Z").replace("1", "Z")
        for basis in groups:
            if all("I" in pair or pair[0] == pair[1] for pair in zip(basis, wanted, strict=True)):
                merged = "".join(max(pair) for pair in zip(basis, wanted, strict=True))
                groups[merged] = [*groups.pop(basis), (label, coefficient)]
                break
        else:
            groups[wanted] = [(label, coefficient)]
    return groups


def make_plan(
    backend: AerSimulator,
    originals: Sequence[QuantumCircuit],
    transpiled: Sequence[QuantumCircuit],
    pairs: Sequence[tuple[int, Terms]],
) -> Plan:
    """What to run for these pairs."""
    plan = Plan([], [], [])
    known: dict[tuple[int, str], int] = {}
    for index, terms in pairs:
        original, circuit = originals[index], transpiled[index]
        groups = {"": terms} if original.num_clbits else group_by_basis(terms)
        parts = []
        for basis, group in groups.items():
            if (index, basis) not in known:
                known[index, basis] = len(plan.circuits)
                measured = circuit if original.num_clbits else measure(backend, circuit, basis)
                plan.circuits.append(measured)
                plan.sources.append(index)
            parts.append((known[index, basis], group))
        plan.sums.append(parts)
    return plan


def measure(backend: AerSimulator, circuit: QuantumCircuit, basis: str) -> QuantumCircuit:
    """The transpiled circuit, measured in a basis."""
    layout = circuit.layout
    places = layout.final_index_layout() if layout else range(len(basis))
    rotations = find_rotations(backend, places, set(basis))
    return TranspiledAnsatz(circuit, places, []).measured_in(basis, rotations)


def read_config(name: str, value: Any, taken: set[str]) -> dict[str, Any]:
    """Keyword arguments for the transpiler or the run; their names are the caller's to check."""
    if value is None or value is False:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected an object, got {value!r}")
    for option in value:
        if option in taken:
            raise ValueError(f"{name}: {option!r} is a field of its own")
    return dict(value)


def read_run_config(backend: AerSimulator, value: Any, taken: set[str]) -> dict[str, Any]:
    """The options of the runs, which have the circuits' values bound already."""
    options = read_config("run_config", value, taken)
    if options.get("parameter_binds") is not None:
        raise ValueError("run_config.parameter_binds: bind the circuits' parameters before")
    options.pop("parameter_binds", None)
    # Null is no noise here, as for Aer; of any other option it is the default.
    ideal = {"noise_model": None} if options.get("noise_model", ...) is None else {}
    return read_run_options(backend, options, "run_config.") | ideal


def read_transpiler_config(value: Any, taken: set[str]) -> dict[str, Any]:
    """The options of the transpiler."""
    options = read_config("transpiler_config", value, taken)
    for option in options:
        check_transpiler_option("transpiler_config", option)
    return options


def calibrate(
    simulation: Simulation, circuits: Sequence[QuantumCircuit], options: dict[str, Any]
) -> list[list[Any]]:
    """For each circuit the inverse assignment matrix of each classical bit."""
    maps = [readout_mitigation.measured_bits(circuit, MITIGATION) for circuit in circuits]
    drawn = simulation.draw_options(max(len(bits) for bits in maps))
    inverses = readout_mitigation.calibrate(simulation.backend, maps, drawn | options)
    return [
        [inverses[bits[bit]] if bit in bits else np.eye(2) for bit in range(circuit.num_clbits)]
        for circuit, bits in zip(circuits, maps, strict=True)
    ]


def run(
    simulation: Simulation,
    plan: Plan,
    options: dict[str, Any],
    messenger: UserMessenger,
) -> list[dict[str, int]]:
    """The counts of each circuit, by hexadecimal outcomes."""
    counts: list[dict[str, int]] = []
    for start in range(0, len(plan.circuits), CHUNK):
        chunk = plan.circuits[start : start + CHUNK]
        drawn = simulation.draw_options(max(circuit.num_qubits for circuit in chunk))
        result = run_circuits(
            simulation.backend,
            chunk,
            labels=[f"circuits[{index}]" for index in plan.sources[start : start + CHUNK]],
            field="run_config" if options else "circuits",
            **(drawn | options),
        )
        for circuit, experiment in zip(chunk, result.results, strict=True):
            if not hasattr(experiment.data, "counts"):
                raise ValueError(f"circuits: {circuit.name!r} measures nothing")
            counts.append(experiment.data.counts)
        messenger.report_progress(len(counts), len(plan.circuits))
    return counts


def evaluate(
    parts: Sequence[tuple[int, Terms]],
    counts: Sequence[Mapping[str, int]],
    inverses: Sequence[Any] | None,
) -> tuple[float, float]:
    """An answer and its standard deviation."""
    value = variance = 0.0
    for task, terms in parts:
        labels, coefficients = zip(*terms, strict=True)
        by_bit = None if inverses is None else inverses[task]
        found, weights = outcomes.read_counts(counts[task])
        values = outcomes.OutcomeValues(labels, coefficients, by_bit).of(found)
        mean, spread = outcomes.mean_and_variance(values, weights)
        value += mean
        variance += spread / sum(counts[task].values())
    return value, variance**0.5


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
    simulation = Simulation(backend, shots, seed_simulator)
    own_seed = inputs.check_seed("seed_transpiler", seed_transpiler)
    seed = simulation.seed_transpiler if own_seed is None else own_seed

    check_memory(backend, listed, running)
    transpiled = listed
    if not is_ready:
        with inputs.naming("transpiler_config" if transpiling else "circuits"):
            transpiled = transpile_circuits(
                backend, listed, running, {"seed_transpiler": seed} | transpiling
            )
    plan = make_plan(backend, listed, transpiled, pairs)
    inverses = calibrate(simulation, plan.circuits, running) if mitigate else None
    counts = run(simulation, plan, running, user_messenger)
    answers = [evaluate(parts, counts, inverses) for parts in plan.sums]
    final = [list(pair) if with_deviation else pair[0] for pair in answers]
    user_messenger.publish(final, final=True)
