"""The data of measured devices, against the package that it was made of."""

import zipfile

import pytest
from qiskit.providers import BackendV2
from qiskit_ibm_runtime import fake_provider

from qiskit_runtime.contract.devices.fake_devices import (
    ARCHIVE,
    UnknownFakeDevice,
    read_fake_device,
)
from qiskit_runtime.contract.devices.simulators import ALWAYS, CONTROL_FLOW, GATES

DEVICES = {
    name: kind
    for name, kind in sorted(vars(fake_provider).items())
    if isinstance(kind, type) and issubclass(kind, BackendV2) and getattr(kind, "dirname", "")
}
PRECISION = 1e-12
REMEDY = "the data is not that of the installed package: run make devices"


def test_archive_has_every_device_of_the_package():
    """One entry each, and the notice of where they come from."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        entries = {name.removesuffix(".json") for name in archive.namelist()}
    assert entries == {"NOTICE", *DEVICES}, REMEDY
    assert ARCHIVE.stat().st_size < 2**20


@pytest.mark.filterwarnings("ignore:Properties of fake_nighthawk")
@pytest.mark.parametrize("name", DEVICES)
def test_device_is_that_of_the_package(name):
    """Qubits, connections, gates, errors and times are those of its target."""
    fake, device = DEVICES[name](), read_fake_device(name)
    target = fake.target

    assert device.qubits == fake.num_qubits, REMEDY
    assert list(device.edges) == [tuple(edge) for edge in fake.configuration().coupling_map or ()]
    assert device.facts["backend_version"] == fake.backend_version
    assert device.facts.get("dt", 0) * 1e-9 == pytest.approx(target.dt or 0)
    gates = {gate for gate in target.operation_names if gate in GATES}
    assert {gate for gate in device.gates if gate in GATES} == gates
    for gate in gates:
        check_gate(device.gates[gate], target[gate])
    for qubit, values in enumerate(device.values):
        check_qubit(values, target, qubit)


def check_gate(places, known):
    """Compare a gate's places, errors and durations with those of a target."""
    assert set(places) == set(known)
    for place, properties in known.items():
        values = {name: value for name, _, value in places[place]}
        error, duration = getattr(properties, "error", None), getattr(properties, "duration", None)
        assert values.get("gate_error") == approximately(error)
        assert values.get("gate_length") == approximately(duration and duration * 1e9)


def check_qubit(values, target, qubit):
    """Compare a qubit's times and readout with those of a target."""
    scale = {"us": 1e-6, "ns": 1e-9, "GHz": 1e9, "": 1}
    found = {name: value * scale[unit] for name, unit, value in values}
    known, measure = target.qubit_properties[qubit], target["measure"][(qubit,)]
    assert found.get("T1") == approximately(known.t1)
    assert found.get("T2") == approximately(known.t2)
    assert found.get("frequency") == approximately(known.frequency)
    assert found.get("readout_error") == approximately(measure.error)
    assert found.get("readout_length") == approximately(measure.duration)


def approximately(value):
    """Return what compares with a number in another unit; None where nothing was measured."""
    return None if value is None else pytest.approx(value, rel=PRECISION, abs=1e-15)


def test_instructions_of_every_device_are_gates_or_known_others():
    """Nothing of the data is left out of documents without this list saying so."""
    for device in map(read_fake_device, DEVICES):
        assert device.gates.keys() - device.signatures.keys() <= {*GATES, *ALWAYS}
        assert set(device.instructions) <= {*ALWAYS, *CONTROL_FLOW}


@pytest.mark.parametrize("name", ["FakeNobody", "NOTICE", "../FakeLimaV2"])
def test_unknown_device_is_an_error(name):
    """Only names of devices lead into the archive."""
    with pytest.raises(UnknownFakeDevice, match=name):
        read_fake_device(name)
