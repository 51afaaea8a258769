"""The device that a program is given: an Aer simulator made from a backend's description.

Used by the program process. The description is ``contract.backend.BackendSpec`` as JSON.
"""

import copy
import random
from typing import Any

from qiskit_aer import AerSimulator

from qiskit_runtime.admission import check_memory
from runner.memory import available_bytes

MIB = 2**20

LEAST_MIB = 16
"""What Aer is told at least: of less than a MiB a thread it makes no shot, and says all is well."""

WIDTH = 63
"""Qubits of a simulator whose device has no number of them. What its memory holds is checked at
each run, by the circuit's own qubits; Aer's own number is that of the host's memory."""

_UNIVERSAL = ("id", "rz", "sx", "x", "cx")
"""The gates of a device that has a coupling map, where nothing is said of them."""

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
    a job that is run again with the same seed has them all again.
    """

    seeds: random.Random | None = None
    width: int | None = None
    """The qubits of a device that has a number of them."""
    _made_target: Any = None

    @property
    def target(self) -> Any:
        """Aer's own, made once: it makes one anew at each question, in a tenth of a second."""
        if self._made_target is None:
            self._made_target = super().target
        return self._made_target

    def set_option(self, key: str, value: Any) -> None:
        """As ``AerSimulator.set_option``."""
        super().set_option(key, value)
        self._made_target = None

    def run(self, circuits: Any, parameter_binds: Any = None, **run_options: Any) -> Any:
        """As ``AerSimulator.run``.

        Raises:
            TooLarge: a circuit needs more memory than the job has.
            ValueError: it has more qubits than the device.
        """
        self._check_width(circuits)
        check_memory(self, circuits, run_options)
        if run_options.get("seed_simulator") is None:
            run_options.pop("seed_simulator", None)
            if self.seeds is not None and self.options.seed_simulator is None:
                run_options["seed_simulator"] = self.seeds.randrange(2**31)
        return super().run(circuits, parameter_binds, **run_options)

    def _check_width(self, circuits: Any) -> None:
        for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
            if self.width is not None and circuit.num_qubits > self.width:
                raise ValueError(
                    f"circuit {circuit.name!r} has {circuit.num_qubits} qubits,"
                    f" and the backend {self.name} has {self.width}"
                )


def make_backend(
    spec: dict[str, Any], memory_bytes: int = 0, seed: int | None = None
) -> RuntimeSimulator:
    """The simulator, told how much memory there is: its own default is the whole host's.

    Raises:
        UnknownDevice: the fake device, or a basis gate, is none.
    """
    options: dict[str, Any] = {"method": spec.get("method", "automatic")}
    if available := available_bytes(memory_bytes):
        options["max_memory_mb"] = max(available // MIB, LEAST_MIB)
    if (noise := spec.get("noise")) is not None:
        # An empty one is a device without noise, also where it is made from another.
        options["noise_model"] = _make_noise(noise, spec.get("basis_gates"))
    backend = _make_device(spec, options)
    backend.name = spec.get("name", backend.name)
    if spec.get("qubits") or spec.get("fake_device"):
        backend.width = backend.num_qubits
    backend.seeds = None if seed is None else random.Random(seed)  # noqa: S311  (no secret)
    return backend


def _make_device(spec: dict[str, Any], options: dict[str, Any]) -> RuntimeSimulator:
    if device := spec.get("fake_device"):
        made: RuntimeSimulator = RuntimeSimulator.from_backend(_find_fake_device(device), **options)
        return made
    if any(spec.get(name) for name in ("qubits", "coupling_map", "basis_gates")):
        return _make_custom(spec, options)
    simulator = RuntimeSimulator(**options)
    if options["method"] in ("automatic", "statevector", "density_matrix"):
        simulator.set_options(n_qubits=WIDTH)
    return simulator


def _make_custom(spec: dict[str, Any], options: dict[str, Any]) -> RuntimeSimulator:
    """A device with a number of qubits, a coupling map or basis gates of its own."""
    from qiskit.transpiler import CouplingMap, Target

    configuration = copy.copy(RuntimeSimulator(**options).configuration())
    configuration.n_qubits = spec.get("qubits") or WIDTH
    edges, gates = spec.get("coupling_map"), spec.get("basis_gates")
    if edges:
        configuration.coupling_map = [list(edge) for edge in edges]
    target = None
    if edges or gates:
        names = dict.fromkeys([*(gates or _UNIVERSAL), "measure", "reset", "delay"])
        try:
            target = Target.from_configuration(
                [name for name in names if name != "barrier"],
                num_qubits=configuration.n_qubits,
                coupling_map=CouplingMap(configuration.coupling_map) if edges else None,
            )
        except KeyError as error:
            raise UnknownDevice(f"basisGates: {error.args[0]}") from error
    simulator = RuntimeSimulator(configuration=configuration, target=target, **options)
    # A method brings a number of its own.
    simulator.set_options(n_qubits=configuration.n_qubits)
    return simulator


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
