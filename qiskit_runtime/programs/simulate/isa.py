"""Circuits made to fit a backend: those that do already stay as they are.

Used by the programs ``sampler`` and ``estimator``, whose clients transpile for a device, as its
service wants it, or leave that to us.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, qpy
from qiskit.transpiler import PassManager, Target

from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.simulate.memory import find_method
from qiskit_runtime.programs.simulate.transpiling import find_target, make_passes

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
        self._backend = backend
        self._seed = seed
        self._given: dict[str, Any] = {"basis_gates": basis_gates, "coupling_map": coupling_map}
        self._aims = dict[tuple[str, bool], _Aim]()
        self._fitted = dict[bytes, QuantumCircuit]()
        self._find_aim(backend.options.method, has_angles=False)

    def fit(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit itself if it runs as it is, otherwise its transpiled form."""
        method = find_method(self._backend, [circuit])
        aim = self._find_aim(method, has_angles=bool(circuit.num_parameters))
        if _runs(aim.target, circuit, range(circuit.num_qubits)):
            return circuit
        key = _identify(circuit)
        if key not in self._fitted:
            self._fitted[key] = aim.passes.run(circuit)
        return self._fitted[key]

    def _find_aim(self, method: str, has_angles: bool) -> "_Aim":
        key = (method, has_angles)
        if key not in self._aims:
            given = [
                f"options.simulator.{name}"
                for name, value in self._given.items()
                if value is not None
            ]
            with naming(", ".join(given)):
                target = find_target(self._backend, method, has_angles, **self._given)
            self._aims[key] = _Aim(self._backend, method, has_angles, target, self._seed)
        return self._aims[key]


@dataclass(frozen=True)
class _Aim:
    """What circuits of a kind are made to fit, by passes that are built when they are needed."""

    backend: "AerSimulator"
    method: str
    has_angles: bool
    target: Target
    seed: int | None

    @cached_property
    def passes(self) -> PassManager:
        options = {"target": self.target, "seed_transpiler": self.seed}
        return make_passes(self.backend, LEVEL, self.has_angles, self.method, **options)


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
