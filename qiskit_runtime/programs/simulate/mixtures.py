"""Whether a run leaves a mixture: Aer's pure states would then be drawn from it at random."""

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate

_MIXING = frozenset({"kraus", "quantum_channel", "superop"})
_COLLAPSING = frozenset({"initialize", "measure", "reset"})
"""Instructions that leave a mixture: always, or where something was done to the qubits before."""


def has_noise(model: Any) -> bool:
    """Whether there is a noise model with errors in it: a device without noise has an empty one."""
    return model is not None and not model.is_ideal()


def leaves_mixture(circuit: QuantumCircuit) -> bool:
    """Whether the circuit may leave no pure state, but a mixture of some.

    In a branch or loop, whatever collapses counts: what came before it depends on the run.
    """
    touched: set[Any] = set()
    for item in circuit.data:
        operation = item.operation
        is_used = not touched.isdisjoint(item.qubits)
        inner = _find_inner(operation)
        if operation.name in _MIXING or (operation.name in _COLLAPSING and is_used):
            return True
        if (is_used or hasattr(operation, "blocks")) and any(map(_collapses, inner)):
            return True
        if any(map(leaves_mixture, inner)):
            return True
        if operation.name != "barrier":
            touched.update(item.qubits)
    return False


def _collapses(circuit: QuantumCircuit) -> bool:
    """Whether anything in the circuit does more than to turn a state."""
    return any(
        item.operation.name in _MIXING | _COLLAPSING
        or any(map(_collapses, _find_inner(item.operation)))
        for item in circuit.data
    )


def _find_inner(operation: Any) -> list[QuantumCircuit]:
    """The circuits that an operation is made of: a branch's, a loop's, or an instruction's own."""
    if hasattr(operation, "blocks"):
        return list(operation.blocks)
    if isinstance(operation, Gate) or operation.name in _COLLAPSING:
        return []
    definition = getattr(operation, "definition", None)
    return [] if definition is None else [definition]
