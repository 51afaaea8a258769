"""Purity: tells circuits that leave a pure state from those that leave a mixture.

Of a mixture, Aer's pure-state methods would draw states at random; a density matrix holds it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

_MIXING = frozenset({"kraus", "quantum_channel", "superop"})
_COLLAPSING = frozenset({"initialize", "measure", "reset"})
"""Instructions that leave a mixture: always, or where something was done to the qubits before."""


def needs_density_matrix(
    backend: "AerSimulator", circuits: Iterable[QuantumCircuit], noise_model: Any = None
) -> bool:
    """Return whether exact values take a density matrix: there is noise, or a circuit is mixed.

    ``noise_model`` is one that the run has besides the backend's.
    """
    is_noisy = has_noise(noise_model) or has_noise(backend.options.noise_model)
    return is_noisy or any(map(leaves_mixture, circuits))


def has_noise(model: Any) -> bool:
    """Return whether the noise model has errors in it: a device without noise has an empty one."""
    return model is not None and not model.is_ideal()


def leaves_mixture(circuit: QuantumCircuit) -> bool:
    """Return whether the circuit may leave a mixture of states.

    In a branch or loop, every collapse counts: the state before it depends on the run.
    """
    used: set[Any] = set()
    for item in circuit.data:
        operation = item.operation
        is_used = not used.isdisjoint(item.qubits)
        inner = _find_inner(operation)
        if operation.name in _MIXING or (operation.name in _COLLAPSING and is_used):
            return True
        if (is_used or hasattr(operation, "blocks")) and any(map(_collapses, inner)):
            return True
        if any(map(leaves_mixture, inner)):
            return True
        if operation.name != "barrier":
            used.update(item.qubits)
    return False


def _collapses(circuit: QuantumCircuit) -> bool:
    """Return whether anything in the circuit does more than to turn a state."""
    return any(
        item.operation.name in _MIXING | _COLLAPSING
        or any(map(_collapses, _find_inner(item.operation)))
        for item in circuit.data
    )


def _find_inner(operation: Any) -> list[QuantumCircuit]:
    """Return the circuits that an operation is made of: of a branch, a loop or a definition."""
    if hasattr(operation, "blocks"):
        return list(operation.blocks)
    if isinstance(operation, Gate) or operation.name in _COLLAPSING:
        return []
    definition = getattr(operation, "definition", None)
    return [] if definition is None else [definition]
