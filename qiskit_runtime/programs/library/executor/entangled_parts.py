"""The parts of a circuit that no gate connects.

The client-side estimator turns and measures every qubit of a device, also those that the user's
circuit leaves idle: one state of all of them would be far larger than what is entangled.
"""

from __future__ import annotations

from qiskit import QuantumCircuit

from qiskit_runtime.programs.simulate.memory import find_used_qubits
from qiskit_runtime.programs.simulate.runs import SMALL_QUBITS

SPARED_QUBITS = 4
"""The qubits outside the largest part from which on a matrix product state is the faster one.

A Bell pair on a noisy device of 27 qubits does not end within minutes as a statevector.
"""

PRODUCT_STATE = "matrix_product_state"


def is_mostly_apart(circuit: QuantumCircuit) -> bool:
    """Return whether the circuit is wider by far than the most qubits that it can entangle."""
    used = len(find_used_qubits(circuit))
    if used < SMALL_QUBITS:
        return False
    return used - max(_measure_parts(circuit)) >= SPARED_QUBITS


def _measure_parts(circuit: QuantumCircuit) -> list[int]:
    """Return the number of qubits of each part."""
    part = {index: {index} for index in range(circuit.num_qubits)}
    for item in circuit.data:
        if item.operation.name == "barrier" or not item.qubits:
            continue
        first, *others = (circuit.find_bit(qubit).index for qubit in item.qubits)
        for other in others:
            if part[first] is not part[other]:
                joined = part[first] | part[other]
                part.update(dict.fromkeys(joined, joined))
    return [len(qubits) for qubits in part.values()]
