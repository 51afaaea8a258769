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
    """Return a device's own properties, and those that a ``NoiseSpec`` gives to each qubit."""
    measured = target_to_backend_properties(device)
    known = measured.to_dict() if measured else {"gates": [], "general": [], "qubits": []}
    described = [] if noise is None else [*_list_times(_read_times(noise)), *_list_readout(noise)]
    times = [[*_list_times(qubit)] for qubit in device.qubit_properties or ()]
    qubits = [
        [*values, *own, *described]
        for values, own, _ in zip_longest(
            known["qubits"], times, range(device.num_qubits), fillvalue=()
        )
    ]
    return AerBackendProperties.from_dict(
        known
        | {"backend_name": name, "backend_version": version, "qubits": qubits}
        | {"last_update_date": None}
    )


def _read_times(noise: Mapping[str, Any]) -> QubitProperties:
    times = noise.get("relaxation") or {"t1_microseconds": None, "t2_microseconds": None}
    t1, t2 = times["t1_microseconds"], times["t2_microseconds"]
    return QubitProperties(t1=t1 and t1 * 1e-6, t2=t2 and t2 * 1e-6)


def _list_readout(noise: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    readout = noise.get("readout") or {}
    one, zero = readout.get("prob1_given0", 0.0), readout.get("prob0_given1", 0.0)
    values = {"prob_meas1_prep0": one, "prob_meas0_prep1": zero, "readout_error": (one + zero) / 2}
    for name, value in values.items():
        yield Nduv(None, name, "", value).to_dict()


def _list_times(qubit: QubitProperties) -> Iterator[dict[str, Any]]:
    values = {
        "T1": (qubit.t1, "s"),
        "T2": (qubit.t2, "s"),
        "frequency": (qubit.frequency and qubit.frequency / 1e9, "GHz"),
    }
    for name, (value, unit) in values.items():
        if value is not None:
            yield Nduv(None, name, unit, value).to_dict()
