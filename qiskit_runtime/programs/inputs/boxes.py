"""Circuits without boxes: a box groups instructions for a compiler, and Aer runs none."""

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp


def open_boxes(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with the instructions of its boxes in their place; itself without any."""
    if not _has_box(circuit):
        return circuit
    opened = circuit.copy_empty_like()
    for item in circuit.data:
        operation = item.operation
        if not isinstance(operation, ControlFlowOp):
            opened.append(item)
            continue
        blocks = [open_boxes(block) for block in operation.blocks]
        if operation.name == "box":
            opened.compose(blocks[0], item.qubits, item.clbits, inplace=True)
        else:
            opened.append(operation.replace_blocks(blocks), item.qubits, item.clbits)
    return opened


def _has_box(circuit: QuantumCircuit) -> bool:
    return any(
        item.operation.name == "box" or any(map(_has_box, item.operation.blocks))
        for item in circuit.data
        if isinstance(item.operation, ControlFlowOp)
    )
