"""The quantum kernel of points: the overlap of the states that a feature map makes of two of them.

The feature map is that of Glick et al., arXiv:2105.03406: an aligned fiducial state, made by Ry
rotations and the controlled Z gates of a graph, then a displacement by the point, two features a
qubit. One circuit with free angles serves every pair of points and every fiducial state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.runs import Task, choose_parallelism, run_tasks
from qiskit_runtime.programs.simulate.seeds import seed_of_run, seed_of_transpiler
from qiskit_runtime.programs.simulate.transpiling import make_passes, run_passes

if TYPE_CHECKING:
    from qiskit.result import Result

Array = NDArray[np.float64]

MAX_CIRCUITS = 5000
"""The most circuits of one run: the results of a large data set would fill the memory."""


@dataclass(frozen=True)
class FeatureMap:
    """The number of features that it takes, and the qubits that it entangles."""

    feature_dimension: int
    entangler_map: list[tuple[int, int]]

    @property
    def num_qubits(self) -> int:
        """The number of qubits: half that of the features."""
        return self.feature_dimension // 2

    def fiducial(self, angles: Any, *, inverse: bool = False) -> QuantumCircuit:
        """Return the circuit of the state that is aligned, one angle a qubit, or its inverse."""
        circuit = QuantumCircuit(self.num_qubits)
        for qubit in range(self.num_qubits):
            circuit.ry(angles[qubit], qubit)
        for pair in self.entangler_map:
            circuit.cz(*pair)
        return circuit.reverse_ops() if inverse else circuit

    def encode(self) -> tuple[QuantumCircuit, list[ParameterVector]]:
        """Return the circuit of one point's state, with free angles: of Ry, Rz and Rx."""
        ry, rz, rx = (ParameterVector(name, self.num_qubits) for name in ("ry", "rz", "rx"))
        circuit = self.fiducial(ry)
        for qubit in range(self.num_qubits):
            circuit.rz(rz[qubit], qubit)
            circuit.rx(rx[qubit], qubit)
        return circuit, [ry, rz, rx]

    def compare(self) -> tuple[QuantumCircuit, list[ParameterVector]]:
        """Return one point's circuit, then another's inverse: the share of zeros is their overlap.

        The Rx of both meet in the middle, and are one. Angles: Ry; Rz of the first, Rx, Rz of the
        second; Ry of the way back.
        """
        names = ("ry", "rz_first", "rx", "rz_second", "ry_back")
        angles = [ParameterVector(name, self.num_qubits) for name in names]
        circuit = self.fiducial(angles[0])
        for qubit in range(self.num_qubits):
            circuit.rz(angles[1][qubit], qubit)
            circuit.rx(angles[2][qubit], qubit)
            circuit.rz(angles[3][qubit], qubit)
        circuit.compose(self.fiducial(angles[4], inverse=True), inplace=True)
        circuit.measure_all()
        return circuit, angles


@dataclass
class FidelityKernel:
    """Kernels of one feature map on one backend; without shots they are exact, and free of noise.

    The circuit is transpiled when the first kernel is asked for, and once.
    """

    backend: AerSimulator
    feature_map: FeatureMap
    shots: int | None
    seed: int | None = None
    seed_transpiler: int | None = None
    initial_layout: list[int] | None = None
    runs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Refuse what there is no memory for, before anything is transpiled."""
        make, self._simulator = self.feature_map.compare, self.backend
        if self.shots is None:
            # Not the backend: one that is like a device has its gates and its noise.
            limit = self.backend.options.max_memory_mb
            make = self.feature_map.encode
            self._simulator = AerSimulator(method="statevector", max_memory_mb=limit)
        self._circuit, self._angles = make()
        check_memory(self._simulator, self._circuit)
        self._transpiled: QuantumCircuit | None = None
        needed, most = self.feature_map.num_qubits, self.backend.num_qubits
        if self.shots is not None and needed > most:
            raise ValueError(
                f"feature_map.feature_dimension: it takes {needed} qubits, the backend has {most}"
            )

    def evaluate(self, parameters: Array, points: Array, others: Array | None = None) -> Array:
        """Return the kernel of the points with each other, or with others.

        With each other, the diagonal is 1 and one half is the mirror of the other, so that N
        points take N (N - 1) / 2 circuits.
        """
        if self.shots is None:
            states = self._find_states(parameters, points)
            matrix = states if others is None else self._find_states(parameters, others)
            return np.abs(states.conj() @ matrix.T) ** 2
        if others is not None:
            first, second = np.indices((len(points), len(others))).reshape(2, -1)
            fidelities = self._measure(parameters, points[first], others[second])
            return fidelities.reshape(len(points), len(others))
        first, second = np.triu_indices(len(points), 1)
        kernel = np.eye(len(points))
        kernel[first, second] = self._measure(parameters, points[first], points[second])
        kernel[second, first] = kernel[first, second]
        return kernel

    def _find_states(self, parameters: Array, points: Array) -> NDArray[np.complex128]:
        saving = self._circuit.copy()
        saving.save_statevector()
        ry = np.broadcast_to(-parameters, (len(points), self.feature_map.num_qubits))
        binds = self._bind([ry, -2 * points[:, 1::2], -2 * points[:, 0::2]])
        result = self._run(saving, binds, len(points), {"shots": 1})
        return np.array([result.data(index)["statevector"] for index in range(len(points))])

    def _measure(self, parameters: Array, first: Array, second: Array) -> Array:
        """Return the share of all zeros for each pair of points."""
        shape = (len(first), self.feature_map.num_qubits)
        ry = np.broadcast_to(-parameters, shape)
        rx = 2 * (second[:, 0::2] - first[:, 0::2])
        angles = [ry, -2 * first[:, 1::2], rx, 2 * second[:, 1::2], -ry]
        zeros: list[int] = []
        for start in range(0, len(first), MAX_CIRCUITS):
            part = [angle[start : start + MAX_CIRCUITS] for angle in angles]
            zeros += self._count_zeros(self._bind(part), len(part[0]))
        assert self.shots is not None
        return np.array(zeros) / self.shots

    def _bind(self, angles: list[Array]) -> dict[str, list[float]]:
        """Return the values of each angle by its name, in the order of the points."""
        return {
            parameter.name: values[:, qubit].tolist()
            for vector, values in zip(self._angles, angles, strict=True)
            for qubit, parameter in enumerate(vector)
        }

    def _count_zeros(self, binds: dict[str, list[float]], size: int) -> list[int]:
        options = {"shots": self.shots, "seed_simulator": seed_of_run(self.seed, self.runs)}
        self.runs += 1
        result = self._run(self._transpile(), binds, size, options)
        return [int(result.data(index)["counts"].get("0x0", 0)) for index in range(size)]

    def _run(
        self,
        circuit: QuantumCircuit,
        binds: dict[str, list[float]],
        size: int,
        options: dict[str, Any],
    ) -> Result:
        options |= choose_parallelism(self.feature_map.num_qubits, size)
        return run_tasks(self._simulator, [Task(circuit, size, binds)], **options)

    def _transpile(self) -> QuantumCircuit:
        if self._transpiled is None:
            passes = make_passes(
                self.backend,
                2,
                has_angles=True,
                initial_layout=self.initial_layout,
                seed_transpiler=seed_of_transpiler(self.seed_transpiler, self.seed),
            )
            self._transpiled = run_passes(passes, self._circuit)
        return self._transpiled
