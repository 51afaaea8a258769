"""Expectation values of one estimator pub: by measuring, or exactly.

This is the estimator's face for the program ``estimator``. All circuits of a pub go to Aer in one
call, with the pub's parameter values bound there.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.primitives.containers import DataBin, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import SparseObservable

from qiskit_runtime.programs.estimate.estimator import (
    Estimates,
    Terms,
    measure_terms,
    save_values,
)
from qiskit_runtime.programs.inputs.checks import MAX_SHOTS
from qiskit_runtime.programs.simulate.memory import find_used_qubits
from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit
from qiskit_runtime.programs.simulate.runs import Task, choose_parallelism, run_tasks

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

MAX_PROJECTORS = 12
"""The most projectors in one term of an observable: n of them are 2^n Pauli terms."""


@dataclass(frozen=True)
class _Plan:
    """The entries of a pub, in order: each one's row of parameter values, and its observable."""

    rows: NDArray[np.int_]
    terms: Sequence[Terms]

    def split(self) -> Iterator[tuple[list[str], list[int]]]:
        """Yield sets of labels, each with the rows of values that need just these."""
        needed = defaultdict[int, set[str]](set)
        for row, terms in zip(self.rows, self.terms, strict=True):
            needed[int(row)].update(terms)
        rows = defaultdict[tuple[str, ...], list[int]](list)
        for row, labels in needed.items():
            rows[tuple(sorted(labels))].append(row)
        for labels_of_rows, together in rows.items():
            yield list(labels_of_rows), together

    def find_entries(self) -> dict[int, list[tuple[int, Terms]]]:
        """Return the entries of each row, with what each asks for."""
        entries = defaultdict[int, list[tuple[int, Terms]]](list)
        for entry, (row, terms) in enumerate(zip(self.rows, self.terms, strict=True)):
            entries[int(row)].append((entry, terms))
        return entries


def count_shots(precision: float) -> int:
    """Return the shots that give a Pauli term this standard error, or a smaller one.

    Raises:
        ValueError: more than ``MAX_SHOTS``.
    """
    if precision**2 * MAX_SHOTS < 1:
        raise ValueError(
            f"precision {precision:g} takes more than {MAX_SHOTS:,} shots; 0 is exact, at no shots"
        )
    # Rounded first: 1 / (1 / sqrt(n)) ** 2 may be a hair over n.
    return math.ceil(round(precision**-2, 6))


def estimate_by_shots(
    backend: "AerSimulator", pub: EstimatorPub, seed: int | None, run_options: dict[str, Any]
) -> PubResult:
    """Measure each group of qubit-wise commuting terms, with the shots of the pub's precision.

    ``stds`` are standard errors from the spread of the shots themselves.
    """
    plan, shots = _read_plan(pub), count_shots(pub.precision)
    measured = [
        (measurement, rows)
        for labels, rows in plan.split()
        for measurement in measure_terms(backend, _place(pub.circuit), labels)
    ]
    circuits = [(measurement.circuit, rows) for measurement, rows in measured]
    data = _run(backend, pub, circuits, {"shots": shots, "seed_simulator": seed, **run_options})
    entries, estimates = plan.find_entries(), Estimates(len(plan.terms))
    for measurement, rows in measured:
        for row in rows:
            estimates.add(measurement, next(data), entries[row], shots)
    return _make_result(pub, estimates.values, estimates.deviations, shots)


def estimate_exactly(
    backend: "AerSimulator", pub: EstimatorPub, seed: int | None, run_options: dict[str, Any]
) -> PubResult:
    """Read the values off the simulated state; noise of gates is in them, of readout is not.

    Raises:
        ValueError: the circuit measures, so that there is no one state.
    """
    if pub.circuit.num_clbits and any(item.clbits for item in pub.circuit.data):
        raise ValueError(
            "the circuit measures, so it has no exact expectation value; give a precision above 0"
        )
    plan = _read_plan(pub)
    saved = [
        (save_values(_place(pub.circuit), {label: {label: 1.0} for label in labels}), rows)
        for labels, rows in plan.split()
    ]
    data = _run(backend, pub, saved, {"shots": 1, "seed_simulator": seed, **run_options})
    entries, evs = plan.find_entries(), np.zeros(len(plan.terms))
    for _, rows in saved:
        for row in rows:
            values = next(data).to_dict()
            for entry, terms in entries[row]:
                evs[entry] = sum(value * values[label] for label, value in terms.items())
    return _make_result(pub, evs, np.zeros_like(evs), 0)


def _read_plan(pub: EstimatorPub) -> _Plan:
    values, observables = pub.parameter_values, pub.observables.sparse_observables_array()
    rows = np.arange(values.size).reshape(values.shape)
    terms = np.empty(observables.shape, dtype=object)
    for index, observable in np.ndenumerate(observables):
        terms[index] = _expand(observable)
    return _Plan(
        np.broadcast_to(rows, pub.shape).ravel(),
        list(np.broadcast_to(terms, pub.shape).ravel()),
    )


def _expand(observable: SparseObservable) -> Terms:
    """Return the observable in Pauli terms: a projector is half the sum of two."""
    for letters, _, _ in observable.to_sparse_list():
        if sum(letter not in "XYZ" for letter in letters) > MAX_PROJECTORS:
            raise ValueError(f"an observable has over {MAX_PROJECTORS} projectors in one term")
    terms = dict[str, float]()
    for letters, qubits, coefficient in observable.as_paulis().simplify().to_sparse_list():
        label = ["I"] * observable.num_qubits
        for letter, qubit in zip(letters, qubits, strict=True):
            label[-1 - qubit] = letter
        terms["".join(label)] = float(coefficient.real)
    return terms


def _place(circuit: QuantumCircuit) -> PlacedCircuit:
    """Return the pub's circuit, whose observables are laid out on its own qubits already."""
    return PlacedCircuit(circuit, range(circuit.num_qubits), list(circuit.parameters))


def _run(
    backend: "AerSimulator",
    pub: EstimatorPub,
    circuits: Sequence[tuple[QuantumCircuit, list[int]]],
    options: dict[str, Any],
) -> Iterator[Any]:
    """Return the data of each circuit with each of its rows of values, in this order."""
    names = [parameter.name for parameter in pub.circuit.parameters]
    bindings = pub.parameter_values
    values = bindings.as_array(names).reshape(bindings.size, len(names))
    tasks = [
        Task(circuit, len(rows), dict(zip(names, values[rows].T.tolist(), strict=True)))
        for circuit, rows in circuits
    ]
    used = max((len(find_used_qubits(circuit)) for circuit, _ in circuits), default=0)
    options |= choose_parallelism(used, sum(task.rows for task in tasks))
    return (experiment.data for experiment in run_tasks(backend, tasks, **options).results)


def _make_result(
    pub: EstimatorPub, evs: NDArray[np.float64], stds: NDArray[np.float64], shots: int
) -> PubResult:
    return PubResult(
        DataBin(evs=evs.reshape(pub.shape), stds=stds.reshape(pub.shape), shape=pub.shape),
        metadata={
            "shots": shots,
            "target_precision": pub.precision,
            "circuit_metadata": pub.circuit.metadata,
        },
    )
