"""Which qubits of a circuit a simulation is about, and where Aer may be asked for a value."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


def touched_qubits(circuit: "QuantumCircuit") -> set[int]:
    """The qubits that something is done to: what a state of the circuit is held of."""
    return {
        circuit.find_bit(qubit).index
        for item in circuit.data
        if item.operation.name != "barrier"
        for qubit in item.qubits
    }


def find_value_qubits(circuit: "QuantumCircuit", qubits: Iterable[int]) -> list[int]:
    """The qubits to save an expectation value on that is about ``qubits``, in order.

    They are all that anything touches: on fewer, Aer 0.18 takes wrong ones where others are idle
    (https://github.com/Qiskit/qiskit-aer/issues/2442); and on idle ones too it would hold a state
    of the whole device.
    """
    return sorted(touched_qubits(circuit) | set(qubits))
