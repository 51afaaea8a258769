"""The device that a program is given: an Aer simulator made from a backend's description.

Used by the program process. The description is ``contract.backend.BackendSpec`` as JSON.
"""

import logging
import random
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.backends.aerbackend import AerError

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.checks import MAX_QUBITS_DEFAULT
from qiskit_runtime.programs.simulate import targets
from qiskit_runtime.programs.simulate.memory import check_memory
from runner.backend_properties import BackendStatus, make_properties
from runner.circuit_variables import check_variables
from runner.memory import available_bytes

logger = logging.getLogger(__name__)

MIB = 2**20

MIN_MIB = 16
"""What Aer is told at least: of less than a MiB a thread it makes no shot, and says all is well."""

_VIRTUAL = ("rz", "p", "u1", "delay", "barrier")
"""Gates that take no time on a device, and have no noise."""

_TWO_QUBIT = ("cx", "cz", "ecr", "rzz", "swap", "cy", "ch", "cp", "iswap", "rxx", "ryy", "rzx")
_ONE_QUBIT: tuple[str, ...] = ("id", "sx", "x", "y", "z", "h", "s", "sdg", "sxdg", "t", "tdg")
_ONE_QUBIT += ("rx", "ry", "u", "u2", "u3")


class UnknownDevice(LookupError):
    """There is no fake device, or no gate, of this name."""


class RuntimeSimulator(AerSimulator):  # type: ignore[misc]  # (ships no types)
    """Aer's simulator, within a job's memory, and with random numbers from the job's seed.

    A run that names no seed of its own gets the next of a series: runs differ from each other, and
    a job that is run again with the same seed has them all again. It answers what programs since
    2021 ask of a backend, where there is an honest answer.
    """

    name: str
    seeds: random.Random | None = None
    width: int | None = None
    """The qubits of a device that has a number of them."""
    described_noise: Mapping[str, Any] | None = None
    """The ``NoiseSpec`` that the noise was made from; None where it is a fake device's own."""
    _device: Target | None = None
    """The gates and connections of a device that has some of its own."""
    _fitted: Target | None = None

    @property
    def device(self) -> Target:
        """The qubits, gates and connections that this is a simulation of, by whatever method."""
        if self._device is not None:
            return self._device
        names = targets.list_noisy_gates(self.options.noise_model)
        return targets.make_device(super().configuration().n_qubits, names)

    @property
    def target(self) -> Target:
        """The device, as far as the method runs it, and what it can do beside gates."""
        if self._fitted is None:
            self._fitted = targets.fit_method(self.device, self.options.method)
        return self._fitted

    def get_translation_stage_plugin(self) -> str | None:
        """The translation stage that the transpiler takes for this backend; None is its own."""
        return targets.choose_translation(self.options.method)

    def take_device(self, device: Target) -> None:
        """Become a simulation of this device."""
        # By a target of its own Aer knows that it shall run the device's gates only.
        self._device = self._target = device
        self._fitted = None
        connections = device.build_coupling_map()
        edges = None if connections is None else [list(edge) for edge in connections.get_edges()]
        self.set_options(n_qubits=device.num_qubits, coupling_map=edges)

    def properties(self) -> Any:
        """What is known of a device's qubits and gates; None where it has no number of them."""
        if self.width is None:
            return None
        version = self.configuration().backend_version
        return make_properties(self.name, version, self.device, self.described_noise)

    def set_option(self, key: str, value: Any) -> None:
        """As ``AerSimulator.set_option``; a method changes neither the name nor the width."""
        name = self.name
        width = super().configuration().n_qubits
        super().set_option(key, value)
        if key == "method":
            self.name = name
            super().set_option("n_qubits", width)
        self._fitted = None

    def configuration(self) -> Any:
        """As ``AerSimulator.configuration``, with what programs of 2021 read there."""
        configuration = super().configuration()
        configuration.backend_name = self.name
        configuration.dt = None if self._device is None else self._device.dt
        # No number limits a run; this one is Qiskit's own of 2021 for that.
        configuration.max_experiments = sys.maxsize
        if self._device is not None:
            # Aer runs no other gates then: those of the device, as each method spells them.
            names = {*self._device.operation_names, *self.target.operation_names}
            spelt = targets.TURNS if "rz" in names else ()
            configuration.basis_gates = sorted(names.union(spelt))
        return configuration

    @property
    def max_circuits(self) -> None:
        """No number limits a run."""
        return

    def provider(self) -> None:
        """None: the backend is the program's argument, and of no provider."""

    def defaults(self) -> None:
        """None: there are no pulses, and no defaults of them."""

    def status(self) -> BackendStatus:
        """It is there, and no job waits before this one."""
        return BackendStatus(self.name, self.configuration().backend_version)

    def run(self, circuits: Any, parameter_binds: Any = None, **run_options: Any) -> Any:
        """As ``AerSimulator.run``.

        Raises:
            TooLarge: a circuit needs more memory than the job has.
            ValueError: it has more qubits than the device, or variables that Aer can't read.
        """
        self._check_width(circuits)
        check_variables(circuits)
        self._warn_of_unknown(run_options)
        check_memory(self, circuits, run_options, as_they_are=True)
        if run_options.get("seed_simulator") is None:
            run_options.pop("seed_simulator", None)
            if self.seeds is not None and self.options.seed_simulator is None:
                run_options["seed_simulator"] = self.seeds.randrange(2**31)
        return super().run(circuits, parameter_binds, **run_options)

    def _warn_of_unknown(self, names: Iterable[str]) -> None:
        """Log which options do nothing: Aer drops a name that it does not know without a word."""
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

    def _execute_circuits_job(self, *args: Any, **kwargs: Any) -> Any:
        """As Aer's, which says of an untranspiled circuit no more than a gate's name."""
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


def make_backend(
    spec: dict[str, Any], memory_bytes: int = 0, seed: int | None = None
) -> RuntimeSimulator:
    """The simulator, told how much memory there is: its own default is the whole host's.

    Raises:
        UnknownDevice: the fake device, or a basis gate, is none.
    """
    options: dict[str, Any] = {"method": spec.get("method", "automatic")}
    if available := available_bytes(memory_bytes):
        options["max_memory_mb"] = max(available // MIB, MIN_MIB)
    if (noise := spec.get("noise")) is not None:
        # An empty one is a device without noise, also where it is made from another.
        options["noise_model"] = _make_noise(noise, spec.get("basis_gates"))
    backend = _make_device(spec, options)
    backend.name = spec.get("name", backend.name)
    if spec.get("qubits") or spec.get("fake_device"):
        backend.width = backend.num_qubits
    if noise is not None or not spec.get("fake_device"):
        backend.described_noise = noise or {}
    backend.seeds = None if seed is None else random.Random(seed)  # noqa: S311  (no secret)
    return backend


def _make_device(spec: dict[str, Any], options: dict[str, Any]) -> RuntimeSimulator:
    backend: RuntimeSimulator
    if name := spec.get("fake_device"):
        fake = _find_fake_device(name)
        backend = RuntimeSimulator.from_backend(fake, **options)
        backend.take_device(fake.target)
        return backend
    backend = RuntimeSimulator(**options)
    backend.set_options(n_qubits=spec.get("qubits") or MAX_QUBITS_DEFAULT)
    edges, gates = spec.get("coupling_map"), spec.get("basis_gates")
    if edges or gates:
        try:
            device = targets.make_device(backend.configuration().n_qubits, gates, edges)
            targets.check_gates(gates or (), options["method"])
            backend.take_device(device)
        except targets.UnknownGate as error:
            raise UnknownDevice(f"basisGates: {error}") from error
    return backend


def _make_noise(noise: dict[str, Any], basis_gates: list[str] | None) -> Any:
    """The noise model of a ``NoiseSpec``: the same for every qubit, and every gate of a kind."""
    from qiskit_aer.noise import NoiseModel, ReadoutError

    model = NoiseModel(basis_gates=basis_gates)
    for qubits, gates in ((1, _ONE_QUBIT), (2, _TWO_QUBIT)):
        noisy = [gate for gate in basis_gates or gates if gate in gates and gate not in _VIRTUAL]
        if noisy and (error := _make_gate_error(noise, qubits)) is not None:
            model.add_all_qubit_quantum_error(error, noisy)
    if readout := noise.get("readout"):
        one, zero = readout["prob1_given0"], readout["prob0_given1"]
        model.add_all_qubit_readout_error(ReadoutError([[1 - one, one], [zero, 1 - zero]]))
    return model


def _make_gate_error(noise: dict[str, Any], qubits: int) -> Any:
    """Relaxation while the gate lasts, then depolarisation; None where there is neither."""
    from qiskit_aer.noise import depolarizing_error, thermal_relaxation_error

    size = "one_qubit" if qubits == 1 else "two_qubit"
    error = None
    if times := noise.get("relaxation"):
        error = thermal_relaxation_error(
            times["t1_microseconds"] * 1e3,
            times["t2_microseconds"] * 1e3,
            times[f"{size}_gate_nanoseconds"],
        )
        error = error.tensor(error) if qubits == 2 else error
    if probability := (noise.get("depolarizing") or {}).get(size):
        depolarizing = depolarizing_error(probability, qubits)
        error = error.compose(depolarizing) if error is not None else depolarizing
    return error


def _find_fake_device(name: str) -> Any:
    # Imported here: it takes a second, and most jobs run without.
    from qiskit.providers import BackendV2
    from qiskit_ibm_runtime import fake_provider

    device = getattr(fake_provider, name, None)
    if not (isinstance(device, type) and issubclass(device, BackendV2)):
        raise UnknownDevice(f"fakeDevice: qiskit_ibm_runtime.fake_provider has no {name}")
    return device()
