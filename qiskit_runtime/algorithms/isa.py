"""Circuits made to fit a backend: those that do already stay as they are.

Used by the programs ``sampler`` and ``estimator``, whose clients transpile for a device, as its
service wants it, or leave that to us.
"""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, qpy
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import CouplingMap, Target, generate_preset_pass_manager

from qiskit_runtime.algorithms.inputs import naming

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

_FREE = frozenset(("barrier", "store"))
"""What takes no part in a device's description."""

_TURNABLE = frozenset(("cx", "cz", "ecr", "rxx", "ryy", "rzx", "rzz", "swap"))
"""Gates of two qubits that the transpiler can put on a connection of the other direction."""


class CircuitFitter:
    """Transpiles what does not fit; a circuit that is among several pubs, once."""

    def __init__(
        self,
        backend: "AerSimulator",
        seed: int | None,
        basis_gates: list[str] | None = None,
        coupling_map: list[list[int]] | None = None,
    ) -> None:
        """Fit the backend, or one of these gates and connections in its place."""
        # With the backend, its own translation stage comes in, which knows Aer's instructions.
        self._aim: dict[str, Any] = {"backend": backend}
        self._target: Target = backend.target
        if basis_gates is not None or coupling_map is not None:
            self._target = _make_target(backend, basis_gates, coupling_map)
            self._aim = {"target": self._target}
        self._seed = seed
        self._connects_all = self._target.build_coupling_map() is None
        self._passes: Any = None
        self._fitted: dict[bytes, QuantumCircuit] = {}

    def fit(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit itself if it runs as it is, otherwise its transpiled form."""
        if self._runs(circuit, range(circuit.num_qubits)):
            return circuit
        key = _identify(circuit)
        if key not in self._fitted:
            if self._passes is None:
                self._passes = generate_preset_pass_manager(
                    2, seed_transpiler=self._seed, **self._aim
                )
            self._fitted[key] = self._passes.run(circuit)
        return self._fitted[key]

    def _runs(self, circuit: QuantumCircuit, places: Iterable[int]) -> bool:
        """Whether each instruction is one of the target's, on its qubits' places there."""
        place = dict(zip(circuit.qubits, places, strict=True))
        for item in circuit.data:
            name = item.operation.name
            qubits = tuple(place[qubit] for qubit in item.qubits)
            if name not in _FREE and not self._has(name, qubits):
                return False
            if not all(
                self._runs(block, qubits) for block in getattr(item.operation, "blocks", ())
            ):
                return False
        return True

    def _has(self, name: str, qubits: tuple[int, ...]) -> bool:
        if self._connects_all:  # by name: a stabilizer simulation may be wider than the target
            return name in self._target.operation_names
        return bool(self._target.instruction_supported(name, qubits))


def _identify(circuit: QuantumCircuit) -> bytes:
    """Equal for one circuit that was sent in several pubs, and so decoded several times."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()


def _make_target(
    backend: "AerSimulator", basis_gates: list[str] | None, coupling_map: list[list[int]] | None
) -> Target:
    """The target of these options; what one of them leaves out is the backend's."""
    known = get_standard_gate_name_mapping()
    names = backend.target.operation_names if basis_gates is None else basis_gates
    always = {"measure", "reset", "delay"}
    connections = coupling_map or backend.coupling_map
    kept = {name for name in names if name in known}
    if connections and basis_gates is None:  # pairs of qubits, which other gates do not go with
        kept = {name for name in kept if name in _TURNABLE or known[name].num_qubits == 1}
    given = {"basis_gates": basis_gates, "coupling_map": coupling_map}
    fields = [f"options.simulator.{name}" for name, value in given.items() if value is not None]
    with naming(", ".join(fields)):
        return Target.from_configuration(
            basis_gates=sorted(kept | always),
            num_qubits=None if connections else backend.num_qubits,
            coupling_map=CouplingMap(connections) if coupling_map else connections,
        )
