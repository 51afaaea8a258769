"""The estimator: values of sums of terms on a circuit, and their standard deviations.

There is one way to each of them, and all programs take it:

* With shots, ``measure_terms`` makes a circuit for each basis, and ``Estimates`` adds up what the
  measured outcomes are worth. Values are means, or means of the lowest share (``tail``). Readout
  mitigation enters the outcomes' values, or the outcomes themselves for tails.
* Exactly, ``save_values`` has the simulator compute sums from its state. Tails take the outcomes'
  exact probabilities in place of their counts.

Its faces are ``expectation`` (the objective of ``vqe`` and ``qaoa``), ``pub_estimation`` (the
program ``estimator``) and the program ``sample-expval``.

It is our own, as no library's estimator fits. Qiskit's ``BackendEstimatorV2`` binds each row of
parameters in Python: of a pub of 20 rows, 10 terms and 1024 shots on 6 qubits, the median takes it
8 times as long (7.6 s against 0.9 s side by side on two busy cores). It has neither mitigation nor
tails. Aer's ``EstimatorV2`` takes 0.01 s for that pub, as it samples nothing: it computes exact
values, and where a precision is asked for it draws from a normal distribution around them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.programs.estimate.bases import find_rotations, group_by_basis, measure_in
from qiskit_runtime.programs.estimate.outcomes import (
    OutcomeValues,
    mean_and_variance,
    read_counts,
)
from qiskit_runtime.programs.estimate.readout_mitigation import mitigate
from qiskit_runtime.programs.simulate.memory import find_used_qubits
from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

Array = NDArray[np.float64]

Terms = Mapping[str, float]
"""A sum of terms: labels and their coefficients. A label's last letter is for qubit 0."""

Inverses = Mapping[int, Array]
"""The inverse assignment matrix of each physical qubit."""

Statistic = Callable[[Array, Array], tuple[float, float]]
"""Outcomes' values and shares -> an estimate, and its variance for one shot."""


@dataclass(frozen=True)
class Measurement:
    """A circuit whose outcomes give the values of some terms."""

    circuit: QuantumCircuit
    labels: Sequence[str]
    letters: Sequence[int]
    """Which letter of a label, counted from its end, each bit reads."""
    qubits: Sequence[int | None]
    """The physical qubit that each bit reads."""
    skipped: int = 0
    """The circuit's own classical bits, which come before those."""
    inverses: Inverses | None = None
    mitigates_outcomes: bool = False
    """Whether outcomes are mitigated: their shares are then at least 0, as tails need them."""
    _values: dict[tuple[float, ...], OutcomeValues] = field(default_factory=dict, repr=False)

    def read(self, data: Any) -> tuple[Sequence[int] | NDArray[np.intp], Array]:
        """Return the outcomes in a result's data, and the share of each."""
        if hasattr(data, "probabilities"):
            return np.arange(len(data.probabilities)), np.asarray(data.probabilities)
        counts = data.counts
        if self.inverses is not None and self.mitigates_outcomes:
            bits = {bit: qubit for bit, qubit in enumerate(self.qubits) if qubit is not None}
            counts = mitigate(counts, bits, self.inverses)
        return read_counts(counts, self.skipped)

    def evaluate(self, terms: Terms) -> OutcomeValues:
        """Return the outcomes' values under those of the terms that are measured here."""
        coefficients = tuple(terms.get(label, 0.0) for label in self.labels)
        if coefficients not in self._values:
            labels = ["".join(label[-1 - i] for i in self.letters[::-1]) for label in self.labels]
            inverses = None if self.mitigates_outcomes else self._invert_bits()
            self._values[coefficients] = OutcomeValues(labels, coefficients, inverses)
        return self._values[coefficients]

    def _invert_bits(self) -> list[Array] | None:
        if self.inverses is None:
            return None
        return [np.eye(2) if qubit is None else self.inverses[qubit] for qubit in self.qubits]


class Estimates:
    """Values and variances, summed up entry by entry as measurements come in."""

    def __init__(self, size: int, statistic: Statistic = mean_and_variance) -> None:
        self.values, self._variances = np.zeros(size), np.zeros(size)
        self._statistic = statistic

    def add(
        self,
        measurement: Measurement,
        data: Any,
        entries: Iterable[tuple[int, Terms]],
        shots: float,
    ) -> None:
        """Add to each entry what a result's data says of its terms; exact data has no variance."""
        outcomes, weights = measurement.read(data)
        for entry, terms in entries:
            values = measurement.evaluate(terms).of(outcomes)
            value, variance = self._statistic(values, weights)
            self.values[entry] += value
            self._variances[entry] += variance / shots

    @property
    def deviations(self) -> Array:
        """The standard deviation of each entry's value."""
        return np.sqrt(self._variances)


def measure_terms(
    backend: "AerSimulator",
    placed: PlacedCircuit,
    labels: Iterable[str],
    inverses: Inverses | None = None,
    mitigates_outcomes: bool = False,
) -> list[Measurement]:
    """Return few measurements on a circuit that give the values of all these terms."""
    groups = group_by_basis(labels)
    rotations = find_rotations(backend, placed.qubits, "".join(basis for basis, _ in groups))
    found = []
    for basis, group in groups:
        circuit, letters = measure_in(placed, basis, rotations)
        qubits = [placed.qubits[letter] for letter in letters]
        skipped = placed.circuit.num_clbits
        found.append(
            Measurement(circuit, group, letters, qubits, skipped, inverses, mitigates_outcomes)
        )
    return found


def save_probabilities(placed: PlacedCircuit) -> QuantumCircuit:
    """Return the circuit with the exact probabilities of its qubits' outcomes saved."""
    circuit = placed.circuit.copy()
    circuit.save_probabilities(list(placed.qubits), label="probabilities")
    return circuit


def save_values(placed: PlacedCircuit, sums: Mapping[str, Terms]) -> QuantumCircuit:
    """Return the circuit with the exact value of each sum saved by its name.

    Terms are of the letters I, X, Y and Z. Values are saved on all qubits that the circuit uses: on
    fewer, Aer 0.18 takes wrong ones where others are idle
    (https://github.com/Qiskit/qiskit-aer/issues/2442); on idle ones too it would hold a state of
    the whole device.
    """
    circuit = placed.circuit.copy()
    named = {
        placed.qubits[place]
        for terms in sums.values()
        for label in terms
        for place, letter in enumerate(reversed(label))
        if letter != "I"
    }
    saved = sorted(find_used_qubits(circuit) | named) or [placed.qubits[0]]
    places = {qubit: place for place, qubit in enumerate(saved)}
    for name, terms in sums.items():
        sparse = [(*_spread(label, placed.qubits, places), value) for label, value in terms.items()]
        operator = SparsePauliOp.from_sparse_list(sparse, len(saved))
        circuit.save_expectation_value(operator, saved, label=name)
    return circuit


def _spread(label: str, qubits: Sequence[int], places: Mapping[int, int]) -> tuple[str, list[int]]:
    """Return a label's letters other than I, and their qubits' places."""
    letters = [(letter, qubit) for letter, qubit in zip(reversed(label), qubits, strict=True)]
    kept = [(letter, places[qubit]) for letter, qubit in letters if letter != "I"]
    return "".join(letter for letter, _ in kept), [place for _, place in kept]
