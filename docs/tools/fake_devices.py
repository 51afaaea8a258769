"""Writes the devices of qiskit_ibm_runtime.fake_provider as data that the API describes them by.

``make devices`` runs it after an update of that package. The runner makes its simulators of the
same data, so numbers are kept as they are; times of single values, and pulses, are left out.
"""

import json
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qiskit.providers import BackendV2
from qiskit_ibm_runtime import fake_provider

from qiskit_runtime.contract.devices.fake_devices import ARCHIVE, EVERY_EDGE, EVERY_QUBIT

NOTICE = f"""The devices of qiskit_ibm_runtime.fake_provider {version("qiskit-ibm-runtime")}.

Copyright IBM 2019-2026, licensed under the Apache License, Version 2.0; see LICENSE.
Changed: written by docs/tools/fake_devices.py as columns, without pulses and times of single
values.
"""

OTHERS = ("reset", "delay")
"""Instructions whose values stand among those of gates, and in no list of gates."""

CONTROL_FLOW = ("for_loop", "if_else", "switch_case", "while_loop")
"""Instructions that act on any qubits."""

FACTS = ("backend_version", "processor_type", "dt", "timing_constraints")

SIGNATURE = ("num_qubits", "num_clbits", "parameters")
"""The shape of an instruction that Qiskit does not know."""


def main() -> None:
    """Write the archive anew."""
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_LZMA) as archive:
        _add(archive, "NOTICE", NOTICE)
        for name, device in list_devices():
            described = describe(device)
            _add(archive, f"{name}.json", json.dumps(described, separators=(",", ":")))
    print(f"{ARCHIVE}: {ARCHIVE.stat().st_size} bytes")


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    # Without the time of day: the same devices give the same bytes.
    archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_LZMA)


def list_devices() -> Iterator[tuple[str, Any]]:
    """Yield each device by the name of its class."""
    for name, kind in sorted(vars(fake_provider).items()):
        if isinstance(kind, type) and issubclass(kind, BackendV2) and hasattr(kind, "dirname"):
            yield name, kind


def describe(device: Any) -> dict[str, Any]:
    """Return what is kept of a device: facts, and a column for each measured quantity."""
    folder = Path(device.dirname)
    configuration = json.loads((folder / device.conf_filename).read_text())
    properties = json.loads((folder / device.props_filename).read_text())
    facts = {name: configuration[name] for name in FACTS if configuration.get(name) is not None}
    gates = {gate["name"]: gate for gate in configuration["gates"] if gate.get("coupling_map")}
    measured = {entry["gate"]: {"name": entry["gate"]} for entry in properties["gates"]}
    signatures = {
        signature["name"]: {key: signature[key] for key in SIGNATURE}
        for signature in configuration.get("instruction_signatures", ())
    }
    supported = configuration.get("supported_instructions", ("measure", *OTHERS))
    known = {*configuration["basis_gates"], *OTHERS, *signatures}
    others = {name: gate for name, gate in measured.items() if name in known}
    return {
        "qubits": configuration["n_qubits"],
        "description": configuration["description"],
        "updated": properties["last_update_date"],
        "online_date": configuration["online_date"],
        "facts": facts,
        "edges": configuration["coupling_map"] or [],
        "gates": {
            name: _describe_gate(gate, configuration, properties)
            for name, gate in (others | gates).items()
        },
        "instructions": [name for name in (*OTHERS, *CONTROL_FLOW) if name in supported],
        "signatures": signatures,
        "values": _list_columns(properties["qubits"]),
    }


def _describe_gate(
    gate: dict[str, Any], configuration: dict[str, Any], properties: dict[str, Any]
) -> dict[str, Any]:
    measured = {
        tuple(entry["qubits"]): entry["parameters"]
        for entry in properties["gates"]
        if entry["gate"] == gate["name"]
    }
    places = [*dict.fromkeys([*map(tuple, gate.get("coupling_map") or []), *measured])]
    return {
        "places": _shorten(places, configuration),
        "values": _list_columns([measured.get(place, []) for place in places]),
    }


def _shorten(places: list[tuple[int, ...]], configuration: dict[str, Any]) -> Any:
    """Return the places, or the word for the usual ones: every qubit, every connection."""
    if places == [(qubit,) for qubit in range(configuration["n_qubits"])]:
        return EVERY_QUBIT
    if places == [tuple(edge) for edge in configuration["coupling_map"] or []]:
        return EVERY_EDGE
    return places


def _list_columns(rows: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return rows of named values as columns: a value for each row, or one for all of them."""
    keys = dict.fromkeys((value["name"], value["unit"]) for row in rows for value in row)
    columns = []
    for name, unit in keys:
        values = [
            next((value["value"] for value in row if value["name"] == name), None) for row in rows
        ]
        every = values[0] if len(set(values)) == 1 else values
        columns.append({"name": name, "unit": unit.replace("µ", "u"), "values": every})
    return columns


if __name__ == "__main__":
    main()
