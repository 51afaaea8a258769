"""The measured devices that a RuntimeBackend may name, as ``qiskit_ibm_runtime`` has them.

``fake_devices.zip`` holds one JSON text a device; ``docs/tools/fake_devices.py`` writes it, and its
entry NOTICE says of what. A device is read when it is asked for. Standard library only.
"""

import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from qiskit_runtime.contract.devices.noise import Value

ARCHIVE = Path(__file__).with_name("fake_devices.zip")
"""The devices, one entry each."""

EVERY_QUBIT, EVERY_EDGE = "every qubit", "every edge"
"""The words for the usual places of a gate."""

Place = tuple[int, ...]
"""The qubits that a gate acts on, in its order."""


class UnknownFakeDevice(LookupError):
    """No measured device has this name."""


@dataclass(frozen=True, slots=True)
class FakeDevice:
    """A device as it was measured: ``updated`` and ``online_date`` are ISO times."""

    qubits: int
    description: str
    online_date: str
    updated: str
    facts: dict[str, Any]
    """Further fields of its configuration."""
    edges: tuple[Place, ...]
    gates: dict[str, dict[Place, list[Value]]]
    """Its gates, and the instructions of which something was measured."""
    instructions: tuple[str, ...]
    """The instructions that it has besides gates and ``measure``, measured or not."""
    signatures: dict[str, dict[str, Any]]
    """The numbers of qubits and bits, and the parameters, of instructions that are its own."""
    values: list[list[Value]]
    """The values of each qubit."""


@lru_cache(maxsize=4)
def read_fake_device(name: str) -> FakeDevice:
    """Return the device of a class of ``qiskit_ibm_runtime.fake_provider``, such as FakeLimaV2.

    Raises:
        UnknownFakeDevice: there is no such device.
    """
    try:
        with zipfile.ZipFile(ARCHIVE) as archive:
            document = json.loads(archive.read(f"{name}.json"))
    except KeyError:
        raise UnknownFakeDevice(name) from None
    qubits, edges = document["qubits"], tuple(map(tuple, document["edges"]))
    usual = {EVERY_QUBIT: [(qubit,) for qubit in range(qubits)], EVERY_EDGE: edges}
    gates = {}
    for gate, found in document["gates"].items():
        listed = found["places"]
        places = usual[listed] if isinstance(listed, str) else [tuple(place) for place in listed]
        rows = _read_rows(found["values"], len(places))
        gates[gate] = dict(zip(places, rows, strict=True))
    return FakeDevice(
        qubits=qubits,
        description=document["description"],
        online_date=document["online_date"],
        updated=document["updated"],
        facts=document["facts"],
        edges=edges,
        gates=gates,
        instructions=tuple(document["instructions"]),
        signatures=document["signatures"],
        values=_read_rows(document["values"], qubits),
    )


def _read_rows(columns: list[dict[str, Any]], count: int) -> list[list[Value]]:
    """Return the values of each of so many rows; a column has one number for all, or one each."""
    rows: list[list[Value]] = [[] for _ in range(count)]
    for column in columns:
        values = column["values"]
        every = values if isinstance(values, list) else [values] * count
        for row, value in zip(rows, every, strict=True):
            if value is not None:
                row.append((column["name"], column["unit"], value))
    return rows
