"""The device that a program is given: an Aer simulator made from a backend's description.

Used by the program process. The description is ``contract.resources.backend.BackendSpec`` as JSON.
"""

import random
from collections.abc import Iterator
from typing import Any

from qiskit import QuantumCircuit, transpile

from qiskit_runtime.contract.devices.fake_devices import UnknownFakeDevice
from qiskit_runtime.contract.devices.noise import NOISY, find_depolarizing, find_dt, list_noisy
from qiskit_runtime.contract.limits import MIB
from qiskit_runtime.programs.inputs.checks import MAX_QUBITS_DEFAULT
from qiskit_runtime.programs.simulate import targets
from runner.circuit_log import CircuitLog
from runner.device_noise import DeviceNoise, open_errors
from runner.measured_device import make_measured
from runner.memory import available_bytes
from runner.runtime_simulator import RuntimeSimulator

MIN_MIB = 16
"""The least memory that Aer is given: with less than a MiB a thread it makes no shot, and reports
success."""


REHEARSED = "FakeMontrealV2"
"""The device of the backend aer_montreal, which is always there."""


class UnknownDevice(LookupError):
    """No fake device, or no gate, has this name."""


def make_backend(
    spec: dict[str, Any], memory_bytes: int = 0, seed: int | None = None
) -> RuntimeSimulator:
    """Return the simulator of a backend's description, with the job's memory as its limit.

    Raises:
        UnknownDevice: the fake device, or a basis gate, is unknown.
    """
    options: dict[str, Any] = {"method": spec.get("method", "automatic")}
    if available := available_bytes(memory_bytes):
        # Aer's own default is the whole host's memory.
        options["max_memory_mb"] = max(available // MIB, MIN_MIB)
    if (noise := spec.get("noise")) is not None:
        # An empty noise makes a device noiseless, also a fake one.
        options["noise_model"] = _make_noise(noise, spec.get("basis_gates"))
    backend = _make_device(spec, options)
    backend.name = spec.get("name", backend.name)
    if spec.get("qubits") or spec.get("fake_device"):
        backend.width = backend.num_qubits
    if noise is not None or not spec.get("fake_device"):
        backend.described_noise = noise or {}
    backend.circuit_log = CircuitLog()
    backend.seeds = None if seed is None else random.Random(seed)  # noqa: S311  (no secret)
    return backend


def rehearse() -> None:
    """Make a device and some of its noise, as jobs do.

    The first time takes three times as long as a second one: for imports, of ``scipy.linalg`` above
    all, for what Qiskit prepares, and for the device's data. Processes that are forked later begin
    with the second one.
    """
    circuit = QuantumCircuit(2)
    circuit.sx(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    noise = make_backend({"fake_device": REHEARSED}).options.noise_model
    noise.find_part([circuit]).to_dict(serializable=True)


def rehearse_job() -> None:
    """Do what most jobs do: make a backend, transpile a circuit for it, run that, count.

    It starts threads, of Qiskit and of Aer, so no process may do it that is forked later.
    """
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    backend = make_backend({}, seed=0)
    backend.run(transpile(circuit, backend)).result().get_counts()


def prepare() -> Iterator[None]:
    """Make the noise of the device of ``rehearse``, a piece of some milliseconds between yields."""
    yield from open_errors(make_measured(REHEARSED)).make_all()


def _make_device(spec: dict[str, Any], options: dict[str, Any]) -> RuntimeSimulator:
    backend: RuntimeSimulator
    if name := spec.get("fake_device"):
        try:
            measured = make_measured(name)
        except UnknownFakeDevice as error:
            raise UnknownDevice(
                f"fakeDevice: qiskit_ibm_runtime.fake_provider has no {name}"
            ) from error
        # Without a noise of the description, the device's own.
        noise = DeviceNoise(measured.operation_names, measured)
        backend = RuntimeSimulator.from_backend(measured, **({"noise_model": noise} | options))
        backend.take_device(measured.target)
        return backend
    backend = RuntimeSimulator(**options)
    backend.set_options(n_qubits=spec.get("qubits") or MAX_QUBITS_DEFAULT)
    edges, gates = spec.get("coupling_map"), spec.get("basis_gates")
    if edges or gates:
        try:
            device = targets.make_device(backend.configuration().n_qubits, gates, edges)
            if edges and (dt := find_dt(spec.get("noise") or {})):
                device.dt = dt * 1e-9
            targets.check_gates(gates or (), options["method"])
            backend.take_device(device)
        except targets.UnknownGate as error:
            raise UnknownDevice(f"basisGates: {error}") from error
    return backend


def _make_noise(noise: dict[str, Any], basis_gates: list[str] | None) -> Any:
    """Return the noise model of a ``NoiseSpec``: one noise for all qubits and gates of a kind."""
    from qiskit_aer.noise import NoiseModel, ReadoutError

    model = NoiseModel(basis_gates=basis_gates)
    for qubits in NOISY:
        if noisy := list_noisy(noise, qubits, basis_gates):
            model.add_all_qubit_quantum_error(_make_gate_error(noise, qubits), noisy)
    if readout := noise.get("readout"):
        one, zero = readout["prob1_given0"], readout["prob0_given1"]
        model.add_all_qubit_readout_error(ReadoutError([[1 - one, one], [zero, 1 - zero]]))
    return model


def _make_gate_error(noise: dict[str, Any], qubits: int) -> Any:
    """Return relaxation during the gate, then depolarisation; None where noise has neither."""
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
    if probability := find_depolarizing(noise, qubits):
        depolarizing = depolarizing_error(probability, qubits)
        error = error.compose(depolarizing) if error is not None else depolarizing
    return error
