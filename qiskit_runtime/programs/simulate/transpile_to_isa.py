"""Pubs' circuits in the backend's instruction set (ISA); those that are in it stay as they are.

Used by the programs ``sampler`` and ``estimator``, whose clients may transpile for a device, as its
service demands it, or leave that to us.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, qpy
from qiskit.primitives.containers import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.transpiler import PassManager, Target

from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.simulate.memory import find_method
from qiskit_runtime.programs.simulate.targets import check_gates
from qiskit_runtime.programs.simulate.transpiling import find_target, make_passes, run_passes

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

LEVEL = 2
"""The transpiler's optimisation level."""


class IsaTranspiler:
    """Transpiles circuits that the backend can't run; one that is in several pubs, once."""

    def __init__(
        self,
        backend: "AerSimulator",
        seed: int | None,
        basis_gates: list[str] | None = None,
        coupling_map: list[list[int]] | None = None,
        skip: bool = False,
    ) -> None:
        """Transpile for the backend, or for these gates and connections in its place.

        With ``skip`` every circuit stays as it is.

        Raises:
            ValueError: there is no such gate; the text begins with the options' names.
        """
        self._backend = backend
        self._seed = seed
        self._skip = skip
        self._given: dict[str, Any] = {"basis_gates": basis_gates, "coupling_map": coupling_map}
        self._aims = dict[tuple[str, bool], _Aim]()
        self._transpiled = dict[bytes, QuantumCircuit]()
        with naming("options.simulator.basis_gates"):
            check_gates(basis_gates or (), backend.options.method)
        self._find_aim(backend.options.method, has_angles=False)

    def run(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit itself if it runs as it is, otherwise its transpiled form."""
        if self._skip:
            return circuit
        method = find_method(self._backend, [circuit])
        aim = self._find_aim(method, has_angles=bool(circuit.num_parameters))
        if _runs(aim.target, circuit, range(circuit.num_qubits)):
            return circuit
        key = _identify(circuit)
        if key not in self._transpiled:
            self._transpiled[key] = run_passes(aim.passes, circuit)
        return self._transpiled[key]

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


def select_values(pub: SamplerPub | EstimatorPub, circuit: QuantumCircuit) -> BindingsArray:
    """Return the pub's values for its transpiled circuit, which may have lost parameters."""
    values = pub.parameter_values.as_array(pub.circuit.parameters)
    names = [parameter.name for parameter in pub.circuit.parameters]
    kept = [parameter.name for parameter in circuit.parameters]
    if not kept:
        return BindingsArray(shape=values.shape[:-1])
    return BindingsArray({tuple(kept): values[..., [names.index(name) for name in kept]]})


@dataclass(frozen=True)
class _Aim:
    """The target of a kind of circuits, and its passes, built when they are needed."""

    backend: "AerSimulator"
    method: str
    has_angles: bool
    target: Target
    seed: int | None

    @cached_property
    def passes(self) -> PassManager:
        """The passes that transpile for the target."""
        options = {"target": self.target, "seed_transpiler": self.seed}
        return make_passes(self.backend, LEVEL, self.has_angles, self.method, **options)


def _runs(target: Target, circuit: QuantumCircuit, places: Iterable[int]) -> bool:
    """Return whether the target has each instruction, on its qubits' places there."""
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
    """Return a key that is equal for one circuit in several pubs, each decoded on its own."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return buffer.getvalue()
