"""The device of a backend: its qubits, gates and connections, with what is known of each.

It says what the runner's simulator of the same backend has, as far as the official client can
read it: gates of Qiskit's standard library, and the width of a simulator that has no number.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from qiskit_runtime.contract.devices import noise as noises
from qiskit_runtime.contract.devices.fake_devices import (
    FakeDevice,
    Place,
    UnknownFakeDevice,
    read_fake_device,
)
from qiskit_runtime.contract.devices.noise import Value
from qiskit_runtime.contract.devices.simulators import (
    ALWAYS,
    CLIFFORD,
    GATES,
    METHOD_GATES,
    NOISY_DEFAULT,
    TURNS,
    UNIVERSAL,
    WIDTHS,
)
from qiskit_runtime.contract.resources.backend import BackendSpec

DESCRIBED = "2025-01-01T00:00:00+00:00"
"""The time of what was not measured: clients want one of each value, and of the backend."""

Places = Mapping[Place, list[Value]] | None
"""The places of a gate, with the values of each; None is every place."""


class NoDevice(LookupError):
    """No device can be made of a backend; the text says why. Its jobs fail with the same."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device. ``others`` are instructions that are no gates, where something is known of them."""

    qubits: int
    gates: Mapping[str, Places]
    edges: tuple[Place, ...] | None = None
    others: Mapping[str, Places] = field(default_factory=dict)
    values: list[list[Value]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    online_date: str = DESCRIBED
    updated: str = DESCRIBED


def is_simulator(spec: BackendSpec) -> bool:
    """Return whether clients take it for a simulator: it is like no device, and runs any circuit.

    A fake device, or one with connections, is told as a device: a client checks circuits against
    it, reads its properties, and opens sessions on it.
    """
    return spec.fake_device is None and spec.coupling_map is None


@lru_cache(maxsize=2)
def make_device(spec: BackendSpec) -> Device:
    """Return the device that the runner simulates.

    Raises:
        NoDevice: its circuits can't run: it has no gates, or noise that its method has not.
    """
    noise = None if spec.noise is None else spec.noise.model_dump()
    if spec.fake_device is None:
        device = _make_own(spec, noise)
    else:
        try:
            device = _copy(read_fake_device(spec.fake_device), spec.method, noise)
        except UnknownFakeDevice:
            raise NoDevice(f"fakeDevice: there is no {spec.fake_device}") from None
    if not device.gates:
        raise NoDevice(f"basisGates: the method {spec.method} runs none of them")
    if spec.method == CLIFFORD and any(t2 > t1 for t1, t2 in _list_times(spec, device)):
        raise NoDevice(f"noise: the method {CLIFFORD} has no relaxation whose T2 is above T1")
    return device


def _list_times(spec: BackendSpec, device: Device) -> Iterator[tuple[float, float]]:
    """Yield T1 and T2 of all relaxation, in microseconds."""
    if spec.noise is None:
        for values in device.values:
            times = {name: value for name, _, value in values}
            yield times.get("T1", math.inf), times.get("T2", 0.0)
    elif relaxation := spec.noise.relaxation:
        yield relaxation.t1_microseconds, relaxation.t2_microseconds


def _make_own(spec: BackendSpec, noise: Mapping[str, Any] | None) -> Device:
    qubits = spec.qubits or WIDTHS[spec.method]
    edges = None if spec.coupling_map is None else tuple(dict.fromkeys(spec.coupling_map))
    spelt, known = _spell(_choose_gates(spec, noise), spec.method), noise or {}
    dt = None if edges is None else noises.find_dt(known)
    return Device(
        qubits=qubits,
        gates={name: _place(gate, qubits, edges, known) for name, gate in spelt.items()},
        edges=edges,
        values=[] if edges is None else [noises.list_qubit_values(known)] * qubits,
        facts={} if dt is None else {"dt": dt},
    )


def _choose_gates(spec: BackendSpec, noise: Mapping[str, Any] | None) -> Iterable[str]:
    """Return the gates that a description names, or those that it comes to without."""
    if spec.basis_gates is not None:
        return [name for name in spec.basis_gates if name in GATES]
    if spec.coupling_map is not None:
        return UNIVERSAL
    if noise is None:
        return GATES
    # What has noise, as Aer's noise model lists it.
    noisy = {name for size in noises.NOISY for name in noises.list_noisy(noise, size, None)}
    return [name for name in GATES if name in noisy.union(NOISY_DEFAULT)]


def _spell(names: Iterable[str], method: str) -> dict[str, str]:
    """Return the gates that the method runs, and the device's gate that each of them is."""
    fitting = {name: name for name in names if name in METHOD_GATES[method]}
    if method != CLIFFORD or "rz" not in fitting:
        return fitting
    del fitting["rz"]
    return dict.fromkeys(TURNS, "rz") | fitting


def _place(
    gate: str, qubits: int, edges: Iterable[Place] | None, noise: Mapping[str, Any]
) -> Places:
    if edges is None:
        return None
    places = edges if GATES[gate].qubits == 2 else [(qubit,) for qubit in range(qubits)]
    return dict.fromkeys(places, noises.list_gate_values(noise, gate))


def _copy(fake: FakeDevice, method: str, noise: Mapping[str, Any] | None) -> Device:
    values, measured = fake.values, fake.gates
    if noise is not None:
        # It replaces what was measured, also where it is no noise.
        measured = {name: _renew(places, noise, name) for name, places in measured.items()}
        described = noises.list_qubit_values(noise)
        values = [noises.renew(known, described) for known in values]
    spelt = _spell([name for name in measured if name in GATES], method)
    gates = {name: measured[gate] for name, gate in spelt.items()}
    placed = {place for places in gates.values() for place in places}
    return Device(
        qubits=fake.qubits,
        gates=gates,
        # A connection that is broken has no gates.
        edges=tuple(edge for edge in fake.edges if edge in placed) or None,
        others={name: places for name, places in measured.items() if name in ALWAYS},
        values=values,
        facts=fake.facts,
        online_date=fake.online_date,
        updated=fake.updated,
    )


def _renew(
    places: Mapping[Place, list[Value]], noise: Mapping[str, Any], gate: str
) -> dict[Place, list[Value]]:
    if gate in ALWAYS:
        return dict(places)
    newer = noises.list_gate_values(noise, gate)
    return {place: noises.renew(known, newer) for place, known in places.items()}
