"""Expectation values of one estimator pub: by measuring, or exactly.

Used by the program ``estimator``. All circuits of a pub go to Aer in one call, with the pub's
parameter values bound there: that costs a hundredth of binding them in Python.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.primitives.containers import DataBin, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.quantum_info import Pauli, PauliList, SparseObservable

from qiskit_runtime.programs.inputs.checks import MAX_SHOTS
from qiskit_runtime.programs.optimize.ansatz import find_rotations
from qiskit_runtime.programs.simulate.checked_run import run_circuits
from qiskit_runtime.programs.simulate.threads import spread_threads
from qiskit_runtime.programs.simulate.touched import find_value_qubits, touched_qubits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

MOST_PROJECTORS = 12
"""In one term of an observable: n of them are 2^n Pauli terms."""

Terms = Mapping[str, float]
"""An observable: Pauli labels and their coefficients."""


@dataclass(frozen=True)
class _Work:
    """What a pub comes to: for each of its entries, which values are bound and what is asked."""

    rows: NDArray[numpy.int_]
    terms: Sequence[Terms]

    def split(self) -> Iterator[tuple[list[str], list[int]]]:
        """The rows of values by the labels that they need: rows with the same go together."""
        needed = defaultdict[int, set[str]](set)
        for row, terms in zip(self.rows, self.terms, strict=True):
            needed[int(row)].update(terms)
        rows = defaultdict[tuple[str, ...], list[int]](list)
        for row, labels in needed.items():
            rows[tuple(sorted(labels))].append(row)
        for labels_of_rows, together in rows.items():
            yield list(labels_of_rows), together

    def entries(self) -> dict[int, list[int]]:
        """The entries of each row."""
        entries = defaultdict[int, list[int]](list)
        for entry, row in enumerate(self.rows):
            entries[int(row)].append(entry)
        return entries


def count_shots(precision: float) -> int:
    """The shots that give a Pauli term this standard error, or a smaller one.

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
    work, shots = _plan(pub), count_shots(pub.precision)
    plan = [
        (paulis, _measure(backend, pub.circuit, paulis), rows)
        for labels, rows in work.split()
        for paulis in PauliList(labels).group_commuting(qubit_wise=True)
    ]
    data = _run(
        backend,
        pub,
        [(circuit, rows) for _, circuit, rows in plan],
        {"shots": shots, "seed_simulator": seed, **run_options},
    )
    entries = work.entries()
    evs, variances = numpy.zeros(len(work.terms)), numpy.zeros(len(work.terms))
    for paulis, _, rows in plan:
        labels = paulis.to_labels()
        for row in rows:
            signs, weights = _read_signs(next(data), paulis, pub.circuit.num_clbits)
            for entry in entries[row]:
                terms = work.terms[entry]
                values = signs @ numpy.array([terms.get(label, 0.0) for label in labels])
                mean = weights @ values
                evs[entry] += mean
                variances[entry] += weights @ (values - mean) ** 2
    return _make_result(pub, evs, numpy.sqrt(variances / shots), shots)


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
    work = _plan(pub)
    plan = [(labels, _save(pub.circuit, labels), rows) for labels, rows in work.split()]
    data = _run(
        backend,
        pub,
        [(circuit, rows) for _, circuit, rows in plan],
        {"shots": 1, "seed_simulator": seed, **run_options},
    )
    entries, evs = work.entries(), numpy.zeros(len(work.terms))
    for _, _, rows in plan:
        for row in rows:
            values = next(data)
            for entry in entries[row]:
                evs[entry] = sum(
                    coefficient * values.get(label, 1.0)
                    for label, coefficient in work.terms[entry].items()
                )
    return _make_result(pub, evs, numpy.zeros_like(evs), 0)


def _plan(pub: EstimatorPub) -> _Work:
    values, observables = pub.parameter_values, pub.observables.sparse_observables_array()
    rows = numpy.arange(values.size).reshape(values.shape)
    terms = numpy.empty(observables.shape, dtype=object)
    for index, observable in numpy.ndenumerate(observables):
        terms[index] = _expand(observable)
    return _Work(
        numpy.broadcast_to(rows, pub.shape).ravel(),
        list(numpy.broadcast_to(terms, pub.shape).ravel()),
    )


def _expand(observable: SparseObservable) -> Terms:
    """The observable in Pauli terms: a projector is half the sum of two."""
    for letters, _, _ in observable.to_sparse_list():
        if sum(letter not in "XYZ" for letter in letters) > MOST_PROJECTORS:
            raise ValueError(f"an observable has over {MOST_PROJECTORS} projectors in one term")
    terms = dict[str, float]()
    for letters, qubits, coefficient in observable.as_paulis().simplify().to_sparse_list():
        label = ["I"] * observable.num_qubits
        for letter, qubit in zip(letters, qubits, strict=True):
            label[-1 - qubit] = letter
        terms["".join(label)] = float(coefficient.real)
    return terms


def _measure(backend: "AerSimulator", circuit: QuantumCircuit, paulis: PauliList) -> QuantumCircuit:
    """The circuit, and a measurement of these qubit-wise commuting terms at its end."""
    x, z = paulis.x.any(axis=0), paulis.z.any(axis=0)
    qubits = numpy.flatnonzero(x | z).tolist()
    measured = circuit.copy()
    # In no register: whatever name one had, the circuit may have one of that name.
    measured.add_bits(bits := [Clbit() for _ in qubits])
    # In gates that every device of the library has, so that they have its noise; else in its own.
    rotations: Mapping[tuple[str, int], Sequence[Any]] = {}
    if is_foreign := not {"rz", "sx"} <= set(backend.configuration().basis_gates):
        rotations = find_rotations(backend, range(circuit.num_qubits), {"X", "Y"})
    for qubit, bit in zip(qubits, bits, strict=True):
        for operation in rotations.get(("Y" if z[qubit] else "X", qubit), ()) if x[qubit] else ():
            measured.append(operation, [qubit])
        if x[qubit] and not z[qubit] and not is_foreign:
            measured.rz(numpy.pi / 2, qubit)
        if x[qubit] and not is_foreign:
            measured.sx(qubit)
        measured.measure(qubit, bit)
    return measured


def _save(circuit: QuantumCircuit, labels: Sequence[str]) -> QuantumCircuit:
    """The circuit, and at its end the value of each term."""
    saving = circuit.copy()
    named = (
        qubit for label in labels for qubit, letter in enumerate(reversed(label)) if letter != "I"
    )
    qubits = find_value_qubits(circuit, named)
    for label in labels:
        reduced = "".join(label[-1 - qubit] for qubit in reversed(qubits))
        if reduced.strip("I"):
            saving.save_expectation_value(Pauli(reduced), qubits, label=label)
    return saving


def _run(
    backend: "AerSimulator",
    pub: EstimatorPub,
    circuits: Sequence[tuple[QuantumCircuit, list[int]]],
    options: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """The data of each circuit with each of its rows of values, in this order."""
    parameters = list(pub.circuit.parameters)
    if parameters:
        listed = [circuit for circuit, _ in circuits]
        values = pub.parameter_values.as_array(parameters).reshape(-1, len(parameters))
        options["parameter_binds"] = [
            dict(zip(parameters, values[rows].T.tolist(), strict=True)) for _, rows in circuits
        ]
    else:
        listed = [circuit for circuit, rows in circuits for _ in rows]
    used = max((len(touched_qubits(circuit)) for circuit in listed), default=0)
    options |= spread_threads(used, sum(len(rows) for _, rows in circuits))
    result = run_circuits(backend, listed, **options)
    return (result.data(index) for index in range(len(result.results)))


def _read_signs(
    data: Mapping[str, Any], paulis: PauliList, skipped_bits: int
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    """For each outcome: the sign of each term, and the share of the shots that it has."""
    measured = numpy.flatnonzero((paulis.x | paulis.z).any(axis=0))
    if not len(measured):  # the identity alone
        return numpy.ones((1, len(paulis))), numpy.ones(1)
    counts = data["counts"]
    size = (len(measured) + 7) // 8
    packed = b"".join((int(key, 16) >> skipped_bits).to_bytes(size, "little") for key in counts)
    octets = numpy.frombuffer(packed, dtype=numpy.uint8).reshape(len(counts), size)
    bits = numpy.unpackbits(octets, axis=1, bitorder="little")[:, : len(measured)]
    support = (paulis.x | paulis.z)[:, measured].astype(numpy.int64)
    weights = numpy.fromiter(counts.values(), dtype=float)
    return 1.0 - 2.0 * (bits @ support.T % 2), weights / weights.sum()


def _make_result(
    pub: EstimatorPub, evs: NDArray[numpy.float64], stds: NDArray[numpy.float64], shots: int
) -> PubResult:
    return PubResult(
        DataBin(evs=evs.reshape(pub.shape), stds=stds.reshape(pub.shape), shape=pub.shape),
        metadata={
            "shots": shots,
            "target_precision": pub.precision,
            "circuit_metadata": pub.circuit.metadata,
        },
    )
