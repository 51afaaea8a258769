"""A backend's configuration and properties, in the form that IBM's clients read.

Pure: a ``BackendSpec`` gives the documents, and the API keeps them.
"""

from collections.abc import Iterator
from typing import Any

from qiskit_runtime.contract.devices.device import Device, Places, is_simulator, make_device
from qiskit_runtime.contract.devices.fake_devices import Place
from qiskit_runtime.contract.devices.noise import Value
from qiskit_runtime.contract.devices.simulators import ALWAYS, CONTROL_FLOW, GATES
from qiskit_runtime.contract.limits import MAX_SHOTS
from qiskit_runtime.contract.resources.backend import BackendSpec

MAX_LISTED = 50_000
"""The most places of gates that properties list; of a larger device they are left out."""

Document = dict[str, Any]


def make_configuration(spec: BackendSpec, version: str) -> Document:
    """Return the configuration. ``version`` is that of what was not measured.

    Raises:
        NoDevice: the backend can't run.
    """
    device = make_device(spec)
    instructions = [*device.gates, *ALWAYS, *CONTROL_FLOW]
    return {
        "backend_name": spec.name,
        "backend_version": version,
        "description": spec.description,
        "online_date": device.online_date,
        "n_qubits": device.qubits,
        "basis_gates": list(device.gates),
        "gates": [_describe_gate(name, places) for name, places in device.gates.items()],
        "coupling_map": device.edges,
        "supported_instructions": instructions,
        "supported_features": ["dynamic_circuits"],
        "simulator": is_simulator(spec),
        "local": False,
        "conditional": True,
        "open_pulse": False,
        "memory": True,
        "max_shots": MAX_SHOTS,
        # Clients until 2023 need a number; nothing here counts them.
        "max_experiments": 900,
        "meas_levels": [2],
        "dynamic_reprate_enabled": False,
        "credits_required": False,
        **device.facts,
    }


def _describe_gate(name: str, places: Places) -> Document:
    gate: Document = {"name": name, "parameters": GATES[name].parameters, "qasm_def": ""}
    return gate if places is None else gate | {"coupling_map": list(places)}


def make_properties(spec: BackendSpec, version: str) -> Document:
    """Return what was measured, or is given by the noise; nothing for a simulator.

    Raises:
        NoDevice: the backend can't run.
    """
    device = make_device(spec)
    if is_simulator(spec):
        return {}
    return {
        "backend_name": spec.name,
        "backend_version": device.facts.get("backend_version", version),
        "last_update_date": device.updated,
        "qubits": [_date(values, device.updated) for values in device.values],
        "gates": list(_list_gates(device)),
        "general": [],
    }


def _list_gates(device: Device) -> Iterator[Document]:
    described = {**device.gates, **device.others}
    if sum(len(places or ()) for places in described.values()) > MAX_LISTED:
        return
    for name, places in described.items():
        for place, values in (places or {}).items():
            if values:
                yield _describe_place(name, place, _date(values, device.updated))


def _describe_place(name: str, place: Place, parameters: list[Document]) -> Document:
    return {
        "gate": name,
        "qubits": place,
        "name": name + "_".join(map(str, place)),
        "parameters": parameters,
    }


def _date(values: list[Value], date: str) -> list[Document]:
    return [
        {"date": date, "name": name, "unit": unit, "value": value} for name, unit, value in values
    ]
