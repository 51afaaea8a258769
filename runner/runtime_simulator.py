"""The simulator that a program is given: Aer's, with a job's memory, random numbers and device.

Used by ``quantum_backend``, which makes one from a backend's description.
"""

import logging
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr, types
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.backends.aerbackend import AerError

from qiskit_runtime.contract.devices.simulators import TURNS
from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics
from qiskit_runtime.programs.simulate import targets
from qiskit_runtime.programs.simulate.memory import check_memory
from runner.backend_properties import BackendStatus, make_properties
from runner.circuit_log import CircuitLog
from runner.device_noise import DeviceNoise

logger = logging.getLogger(__name__)


class RuntimeSimulator(AerSimulator):  # type: ignore[misc]  # (ships no types)
    """Aer's simulator, within a job's memory, and with random numbers from the job's seed.

    A run without a seed of its own gets the next of a series: runs differ from each other, and
    another job with the same seed repeats them all. Methods that programs of 2021 call on a backend
    are here, where they have an honest answer.
    """

    name: str
    seeds: random.Random | None = None
    circuit_log: CircuitLog | None = None
    width: int | None = None
    """The number of the device's qubits; None where it has no such number."""
    described_noise: Mapping[str, Any] | None = None
    """The ``NoiseSpec`` that the noise was made from; None where it is a fake device's own."""
    _device: Target | None = None
    """The gates and connections of a device that has some of its own."""
    _fitted: Target | None = None

    @property
    def circuit_metrics(self) -> CircuitMetrics | None:
        """Return the number and size of the circuits that ran; None where none did."""
        return self.circuit_log.metrics if self.circuit_log else None

    @property
    def device(self) -> Target:
        """Return the simulated qubits, gates and connections, whatever the method."""
        if self._device is not None:
            return self._device
        names = targets.list_noisy_gates(self.options.noise_model)
        return targets.make_device(self.width, names)

    @property
    def num_qubits(self) -> int:
        """Return the number of the device's qubits, or else the most that a circuit may have."""
        return super().configuration().n_qubits  # type: ignore[no-any-return]  # Aer is untyped

    @property
    def target(self) -> Target:
        """Return the device as the method can run it, with the operations that are not gates."""
        if self._fitted is None:
            self._fitted = targets.fit_method(self.device, self.options.method)
        return self._fitted

    def get_translation_stage_plugin(self) -> str | None:
        """Return the transpiler's translation stage for this backend; None is Qiskit's own."""
        return targets.choose_translation(self.options.method)

    def take_device(self, device: Target) -> None:
        """Become a simulation of this device."""
        # With a target of its own, Aer runs the device's gates only.
        self._device = self._target = device
        self._fitted = None
        connections = device.build_coupling_map()
        edges = None if connections is None else [list(edge) for edge in connections.get_edges()]
        self.set_options(n_qubits=device.num_qubits, coupling_map=edges)

    def properties(self) -> Any:
        """Return the known properties of qubits and gates; None without a number of qubits."""
        if self.width is None:
            return None
        version = self.configuration().backend_version
        return make_properties(self.name, version, self.device, self.described_noise)

    def set_option(self, key: str, value: Any) -> None:
        """Set an option as ``AerSimulator`` does; a new method keeps the name and the width."""
        name = self.name
        width = super().configuration().n_qubits
        super().set_option(key, value)
        if key == "method":
            self.name = name
            super().set_option("n_qubits", width)
        self._fitted = None

    def configuration(self) -> Any:
        """Return Aer's configuration, with the fields that programs of 2021 read."""
        configuration = super().configuration()
        configuration.backend_name = self.name
        configuration.dt = None if self._device is None else self._device.dt
        # Qiskit's own number of 2021 for a run without a limit.
        configuration.max_experiments = sys.maxsize
        if self._device is not None:
            # Aer runs no other gates then: those of the device, as each method spells them.
            names = {*self._device.operation_names, *self.target.operation_names}
            spelt = TURNS if "rz" in names else ()
            configuration.basis_gates = sorted(names.union(spelt))
        return configuration

    @property
    def max_circuits(self) -> None:
        """Return None: no number of circuits limits a run."""
        return

    def provider(self) -> None:
        """Return None: the backend is the program's argument, and of no provider."""

    def defaults(self) -> None:
        """Return None: the simulator has no pulses, and no defaults of them."""

    def status(self) -> BackendStatus:
        """Return that the backend is active, and that no job waits before this one."""
        return BackendStatus(self.name, self.configuration().backend_version)

    def run(self, circuits: Any, parameter_binds: Any = None, **run_options: Any) -> Any:
        """Run circuits as ``AerSimulator.run`` does, after checks and with a seed of the job's.

        Raises:
            TooLarge: a circuit needs more memory than the job has.
            ValueError: a circuit has more qubits than the device, or variables that Aer can't read.
        """
        self._check_width(circuits)
        _check_variables(circuits)
        self._warn_of_unknown(run_options)
        check_memory(self, circuits, run_options, as_they_are=True)
        if run_options.get("seed_simulator") is None:
            run_options.pop("seed_simulator", None)
            if self.seeds is not None and self.options.seed_simulator is None:
                run_options["seed_simulator"] = self.seeds.randrange(2**31)
        if self.circuit_log is not None:
            self.circuit_log.note(circuits)
        return super().run(circuits, parameter_binds, **run_options)

    def _warn_of_unknown(self, names: Iterable[str]) -> None:
        """Log the options without effect: Aer drops unknown names in silence."""
        if not (unknown := [name for name in names if name not in self.options]):
            return
        # Imported here: a run with known options, as most are, does without.
        from qiskit_runtime.programs.inputs.aer_options import DEVICE_OPTIONS, option_names

        known = option_names(self)
        for name in unknown:
            if name not in known | DEVICE_OPTIONS:
                logger.warning(
                    "run: Aer has no option %r, so it does nothing%s", name, suggest(name, known)
                )

    def _check_width(self, circuits: Any) -> None:
        for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
            if self.width is not None and circuit.num_qubits > self.width:
                raise ValueError(
                    f"circuit {circuit.name!r} has {circuit.num_qubits} qubits,"
                    f" and the backend {self.name} has {self.width}"
                )

    def _assemble_noise_model(self, circuits: Any, optypes: Any, **run_options: Any) -> Any:
        """Do as Aer does; of a device's noise, with what the circuits meet of it."""
        noise = run_options.get("noise_model", self.options.noise_model)
        if isinstance(noise, DeviceNoise):
            run_options["noise_model"] = noise.find_part(circuits)
        return super()._assemble_noise_model(circuits, optypes, **run_options)

    def _execute_circuits_job(self, *args: Any, **kwargs: Any) -> Any:
        """Execute as Aer does; an error that only names an unknown gate gets a remedy."""
        try:
            return super()._execute_circuits_job(*args, **kwargs)
        except AerError as error:
            what, _, name = error.message.partition("unknown instruction: ")
            if what or not name:
                raise
            raise AerError(
                f"unknown instruction: {name} is none of the backend {self.name}'s;"
                " translate the circuit for it first: transpile(circuit, backend)"
            ) from error


def _check_variables(circuits: Any) -> None:
    """Refuse variables that Aer can't simulate, before it breaks on them.

    Aer 0.18 stores into a variable of bits, aborts its process where one is read, and does not know
    the type Bool. It reads and writes classical registers.

    Raises:
        ValueError: a variable is read, or is a Bool; the text names circuit and variable.
    """
    for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
        if not isinstance(circuit, QuantumCircuit):
            continue
        for variable in _find_broken(circuit):
            raise ValueError(
                f"circuit {circuit.name!r} uses the variable {variable.name!r}, and Aer can't read"
                " variables: use a bit of a classical register"
            )


def _find_broken(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    # Most circuits have no variables, and are not searched.
    variables = [*circuit.iter_vars()]
    yield from (variable for variable in variables if isinstance(variable.type, types.Bool))
    if variables:
        yield from _find_read(circuit)


def _find_read(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    """Yield the variables that are read: in conditions, switch targets and stored values."""
    for item in circuit.data:
        for name in ("condition", "target", "rvalue"):
            value = getattr(item.operation, name, None)
            if isinstance(value, expr.Expr):
                yield from (found for found in expr.iter_vars(value) if found.standalone)
        for block in getattr(item.operation, "blocks", ()):
            yield from _find_read(block)
