"""The properties and the status of a backend, as programs of 2021 read them.

Used by ``runtime_simulator`` for ``backend.properties()`` and ``backend.status()``, whose classes
Qiskit 2 does not have any more.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from qiskit.transpiler import QubitProperties, Target
from qiskit_aer.backends.backendproperties import (
    AerBackendProperties,
    Nduv,
    target_to_backend_properties,
)

from qiskit_runtime.contract.devices import noise as noises
from qiskit_runtime.contract.devices.simulators import GATES


@dataclass(frozen=True)
class BackendStatus:
    """The status of a backend, with the fields that IBM's had."""

    backend_name: str
    backend_version: str
    operational: bool = True
    pending_jobs: int = 0
    status_msg: str = "active"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def make_properties(
    name: str, version: str, device: Target, noise: Mapping[str, Any] | None
) -> AerBackendProperties:
    """Return a device's own properties, or in their place those that a ``NoiseSpec`` gives."""
    measured = target_to_backend_properties(device)
    known = measured.to_dict() if measured else {"gates": [], "general": [], "qubits": []}
    described = [] if noise is None else [*_list_values(noises.list_qubit_values(noise))]
    times = [[*_list_times(qubit)] for qubit in device.qubit_properties or ()]
    qubits = [
        _renew([*values, *own], described)
        for values, own, _ in zip_longest(
            known["qubits"], times, range(device.num_qubits), fillvalue=()
        )
    ]
    gates = known["gates"] if noise is None else _renew_gates(known["gates"], device, noise)
    return AerBackendProperties.from_dict(
        known
        | {"backend_name": name, "backend_version": version, "qubits": qubits, "gates": gates}
        | {"last_update_date": None}
    )


def _renew(known: list[dict[str, Any]], newer: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {value["name"] for value in newer}
    return [*(value for value in known if value["name"] not in names), *newer]


def _renew_gates(
    known: list[dict[str, Any]], device: Target, noise: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the measured values of gates with those of the noise in their place."""
    measured = {(gate["gate"], tuple(gate["qubits"])): gate for gate in known}
    for name in device.operation_names:
        if name not in GATES:
            continue
        newer = [*_list_values(noises.list_gate_values(noise, name))]
        for place in device[name] or ():
            if place is not None:
                old = measured.get((name, place), {}).get("parameters", [])
                gate = {"gate": name, "qubits": list(place), "parameters": _renew(old, newer)}
                measured[name, place] = gate | {"name": name + "_".join(map(str, place))}
    return [*measured.values()]


def _list_values(values: list[noises.Value]) -> Iterator[dict[str, Any]]:
    for name, unit, value in values:
        yield Nduv(None, name, unit, value).to_dict()


def _list_times(qubit: QubitProperties) -> Iterator[dict[str, Any]]:
    values = {
        "T1": (qubit.t1, "s"),
        "T2": (qubit.t2, "s"),
        "frequency": (qubit.frequency and qubit.frequency / 1e9, "GHz"),
    }
    for name, (value, unit) in values.items():
        if value is not None:
            yield Nduv(None, name, unit, value).to_dict()
