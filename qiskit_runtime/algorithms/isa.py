"""Circuits made to fit a backend: those that do already stay as they are.

Used by the programs ``sampler`` and ``estimator``, whose clients transpile for a device, as its
service wants it, or leave that to us.
"""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, qpy
from qiskit.transpiler import Target

from qiskit_runtime.algorithms.inputs import naming
from qiskit_runtime.algorithms.transpiling import find_target, make_passes

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

LEVEL = 2
"""Of the transpiler's optimisation."""


class CircuitFitter:
    """Transpiles what does not fit; a circuit that is among several pubs, once."""

    def __init__(
        self,
        backend: "AerSimulator",
        seed: int | None,
        basis_gates: list[str] | None = None,
        coupling_map: list[list[int]] | None = None,
    ) -> None:
        """Fit the backend, or one of these gates and connections in its place.

        Raises:
            ValueError: there is no such gate; the text begins with the options' names.
        """
        given = {"basis_gates": basis_gates, "coupling_map": coupling_map}
        with naming(", ".join(f"options.simulator.{name}" for name in given if given[name])):
            # Circuits with parameters may have another one than those without.
            self._targets = [
                find_target(backend, None, has_angles, basis_gates, coupling_map)
                for has_angles in (False, True)
            ]
        self._backend = backend
        self._seed = seed
        self._passes = dict[bool, Any]()
        self._fitted = dict[bytes, QuantumCircuit]()

    def fit(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit itself if it runs as it is, otherwise its transpiled form."""
        has_angles = bool(circuit.num_parameters)
        if _runs(self._targets[has_angles], circuit, range(circuit.num_qubits)):
            return circuit
        key = _identify(circuit)
        if key not in self._fitted:
            if has_angles not in self._passes:
                self._passes[has_angles] = make_passes(
                    self._backend,
                    LEVEL,
                    has_angles,
                    target=self._targets[has_angles],
                    seed_transpiler=self._seed,
                )
            self._fitted[key] = self._passes[has_angles].run(circuit)
        return self._fitted[key]


def _runs(target: Target, circuit: QuantumCircuit, places: Iterable[int]) -> bool:
    """Whether each instruction is one of the target's, on its qubits' places there."""
    place = dict(zip(circuit.qubits, places, strict=True))
    for item in circuit.data:
        qubits = tuple(place[qubit] for qubit in item.qubits)
        if item.operation.name != "barrier" and not _has(target, item.operation.name, qubits):
            return False
        if not all(_runs(target, block, qubits) for block in getattr(item.operation, "blocks", ())):
            return False
    return True


def _has(target: Target, name: str, qubits: tuple[int, ...]) -> bool:
    if target.qargs is None:  # every gate works everywhere
        return name in target.operation_names
    return bool(target.instruction_supported(name, qubits))


def _identify(circuit: QuantumCircuit) -> bytes:
    """Equal for one circuit that was sent in several pubs, and so decoded several times."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()
