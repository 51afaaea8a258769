"""A job's simulation: its backend, its shots, and the seeds of all that is random in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qiskit_runtime.programs.inputs.checks import check_integer, check_seed
from qiskit_runtime.programs.simulate.memory import find_used_qubits
from qiskit_runtime.programs.simulate.purity import needs_density_matrix
from qiskit_runtime.programs.simulate.runs import Task, choose_parallelism, run_tasks
from qiskit_runtime.programs.simulate.seeds import Seeds, seed_of_transpiler

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

Array = NDArray[np.float64]


class Simulation:
    """The backend, how often it measures, and the seeds of all that is random.

    ``shots`` is None where exact values are asked for.
    """

    def __init__(
        self,
        backend: "AerSimulator",
        shots: Any = None,
        seed_simulator: Any = None,
        seed_transpiler: Any = None,
    ) -> None:
        """Check a program's inputs of these names.

        Raises:
            ValueError: one of them is wrong; the text begins with its name.
        """
        self.backend = backend
        self.shots = None if shots is None else check_integer("shots", shots, 1)
        seed = check_seed("seed_simulator", seed_simulator)
        self.seeds = Seeds(seed)
        self.seed_transpiler = seed_of_transpiler(
            check_seed("seed_transpiler", seed_transpiler), seed
        )

    def draw_options(self, num_qubits: int) -> dict[str, Any]:
        """Return the keyword arguments of the next run, of circuits that use that many qubits."""
        options: dict[str, Any] = {"seed_simulator": self.seeds.draw_run()}
        if self.shots is not None:
            options["shots"] = self.shots
        # One thread for small ones: an evaluation is over before a second one is worth its start.
        return options | choose_parallelism(num_qubits, 1)

    def method_options(self, circuits: Sequence[QuantumCircuit]) -> dict[str, Any]:
        """Return the method of these circuits' simulation, where the backend's own would not do."""
        if self.shots is None and needs_density_matrix(self.backend, circuits):
            return {"method": "density_matrix"}
        return {}


class RepeatedRuns:
    """Transpiled circuits that are run again and again, at other points of their parameters."""

    def __init__(
        self, simulation: Simulation, circuits: Sequence[QuantumCircuit], parameters: Sequence[Any]
    ) -> None:
        self._simulation = simulation
        self._circuits = circuits
        self._names = [parameter.name for parameter in parameters]
        self._num_qubits = max(len(find_used_qubits(circuit)) for circuit in circuits)
        self._method = simulation.method_options(circuits)

    def run(self, points: Array) -> list[list[Any]]:
        """Run each circuit at each point, and return the results' data, by circuit and point.

        Raises:
            SimulationFailed: the simulator reports it.
        """
        columns = dict(zip(self._names, points.T.tolist(), strict=True))
        result = run_tasks(
            self._simulation.backend,
            [Task(circuit, len(points), columns) for circuit in self._circuits],
            **self._simulation.draw_options(self._num_qubits),
            **self._method,
        )
        data = [experiment.data for experiment in result.results]
        return [data[start : start + len(points)] for start in range(0, len(data), len(points))]
