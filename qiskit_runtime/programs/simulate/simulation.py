"""A job's runs on its backend: many points of parameters at once, each run with its own seed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qiskit_runtime.programs.inputs.checks import check_integer, check_seed
from qiskit_runtime.programs.simulate.checked_run import run_circuits
from qiskit_runtime.programs.simulate.mixtures import has_noise, leaves_mixture
from qiskit_runtime.programs.simulate.seeds import Seeds
from qiskit_runtime.programs.simulate.threads import spread_threads
from qiskit_runtime.programs.simulate.touched import touched_qubits

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
        if seed_transpiler is not None:
            seed = check_seed("seed_transpiler", seed_transpiler)
        self.seed_transpiler = seed

    def draw_options(self, num_qubits: int) -> dict[str, Any]:
        """The keyword arguments of the next run, of circuits that use that many qubits."""
        options: dict[str, Any] = {"seed_simulator": self.seeds.draw_run()}
        if self.shots is not None:
            options["shots"] = self.shots
        # One thread for small ones: an evaluation is over before a second one is worth its start.
        return options | spread_threads(num_qubits, 1)

    def method_options(self, circuits: Sequence[QuantumCircuit]) -> dict[str, Any]:
        """The method of these circuits' simulation, where the backend's own would not do."""
        if self.shots is not None:
            return {}
        is_noisy = has_noise(self.backend.options.noise_model)
        if not is_noisy and not any(map(leaves_mixture, circuits)):
            return {}
        # Any other method would follow random trajectories of the mixture: that is sampling.
        return {"method": "density_matrix"}


class BoundRuns:
    """Transpiled circuits that are run again and again, at other points."""

    def __init__(
        self, simulation: Simulation, circuits: Sequence[QuantumCircuit], parameters: Sequence[Any]
    ) -> None:
        self._simulation = simulation
        self._circuits = circuits
        self._parameters = parameters
        self._num_qubits = max(len(touched_qubits(circuit)) for circuit in circuits)
        self._method = simulation.method_options(circuits)

    def run(self, points: Array) -> list[list[Any]]:
        """Run each circuit at each point; the data of the results, by circuit and point.

        Raises:
            SimulationFailed: the simulator says so.
        """
        columns = dict(zip(self._parameters, points.T.tolist(), strict=True))
        tasks, binds = [], []
        for circuit in self._circuits:
            # What the transpiler left no parameter in, Aer would run once, not once a point.
            copies = 1 if circuit.num_parameters else len(points)
            tasks += [circuit] * copies
            binds += [{p: columns[p] for p in circuit.parameters}] * copies
        result = run_circuits(
            self._simulation.backend,
            tasks,
            parameter_binds=binds if any(binds) else None,
            **self._simulation.draw_options(self._num_qubits),
            **self._method,
        )
        data = [experiment.data for experiment in result.results]
        return [data[start : start + len(points)] for start in range(0, len(data), len(points))]
