"""Bases to measure Pauli terms in, and the gates that turn a circuit's qubits to them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.library import HGate, RZGate, SdgGate, SXGate
from qiskit.quantum_info import PauliList

from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit
from qiskit_runtime.programs.simulate.transpiling import make_passes

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

Rotations = Mapping[tuple[str, int], Sequence[Any]]
"""By Pauli letter and physical qubit: the gates that turn that basis to Z's, in order."""

_SPELLINGS: Sequence[Mapping[str, Sequence[Any]]] = (
    {"X": [HGate()], "Y": [SdgGate(), HGate()]},
    {"X": [RZGate(np.pi / 2), SXGate()], "Y": [SXGate()]},
)
"""Rotations in gates that most backends have; the first that a backend has is taken."""

_PROJECTORS_AS_Z = str.maketrans("01", "ZZ")


def group_by_basis(labels: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Return few bases, each with the labels that it serves; projectors 0 and 1 are read in Z."""
    by_pauli: dict[str, list[str]] = {}
    for label in dict.fromkeys(labels):
        by_pauli.setdefault(label.translate(_PROJECTORS_AS_Z), []).append(label)
    return [
        (_find_basis(group), [label for pauli in group.to_labels() for label in by_pauli[pauli]])
        for group in PauliList(list(by_pauli)).group_commuting(qubit_wise=True)
    ]


def measure_in(
    placed: PlacedCircuit, basis: str, rotations: Rotations
) -> tuple[QuantumCircuit, list[int]]:
    """Return the circuit, measured in a basis, and which of its own qubits each new bit reads.

    Qubits with the letter I are not measured, but one is if there is no other letter.
    """
    measured = placed.circuit.copy()
    letters = dict(enumerate(reversed(basis)))
    read = [qubit for qubit, letter in letters.items() if letter != "I"] or [0]
    for qubit in read:
        for gate in rotations.get((letters[qubit], placed.qubits[qubit]), ()):
            measured.append(gate, [placed.qubits[qubit]])
    # In no register: the circuit may have one of any name.
    measured.add_bits(bits := [Clbit() for _ in read])
    measured.measure([placed.qubits[qubit] for qubit in read], bits)
    return measured, read


def find_rotations(
    backend: "AerSimulator", qubits: Sequence[int], letters: Iterable[str]
) -> Rotations:
    """Return the backend's own gates that turn the bases of these letters.

    A backend that has none of the usual gates translates one small circuit for each letter: the
    circuit to be measured need not be transpiled once more for each basis.
    """
    turned = sorted(set(letters) & {"X", "Y"})
    for spelling in _SPELLINGS:
        gates = [gate for letter in turned for gate in spelling[letter]]
        if {gate.name for gate in gates} <= set(backend.operation_names):
            return {(letter, qubit): spelling[letter] for letter in turned for qubit in qubits}
    return _translate_rotations(backend, qubits, turned)


def _find_basis(group: PauliList) -> str:
    """Return the label that has each qubit's letter in this group of qubit-wise commuting terms."""
    x, z = group.x.any(axis=0), group.z.any(axis=0)
    return "".join("IZXY"[2 * a + b] for a, b in zip(x[::-1], z[::-1], strict=True))


def _translate_rotations(
    backend: "AerSimulator", qubits: Sequence[int], letters: Sequence[str]
) -> Rotations:
    found: dict[tuple[str, int], list[Any]] = {}
    passes = make_passes(backend, 0, initial_layout=list(qubits))
    for letter in letters:
        circuit = QuantumCircuit(len(qubits))
        for gate in _SPELLINGS[0][letter]:
            for qubit in range(len(qubits)):
                circuit.append(gate, [qubit])
        translated = passes.run(circuit)
        for item in translated.data:
            physical = translated.find_bit(item.qubits[0]).index
            found.setdefault((letter, physical), []).append(item.operation)
    return found
