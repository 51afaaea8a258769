"""The documents of backends, against the simulators that the runner makes, and in the client.

The client's own code makes a target of the documents; circuits that are transpiled for it run on
the runner's simulator of the same backend.
"""

import json
from functools import cache
from types import SimpleNamespace

import pytest
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import random_clifford
from qiskit_ibm_runtime.executor.dynamical_decoupling import generate_dd_pass_manager
from qiskit_ibm_runtime.models import BackendProperties, QasmBackendConfiguration
from qiskit_ibm_runtime.options_models.dynamical_decoupling import DynamicalDecouplingOptions
from qiskit_ibm_runtime.utils.backend_converter import convert_to_target
from qiskit_ibm_runtime.utils.backend_decoder import (
    configuration_from_server_data,
    properties_from_server_data,
)
from qiskit_ibm_runtime.utils.utils import is_isa_circuit

from qiskit_runtime.contract.devices.device import NoDevice, is_simulator
from qiskit_runtime.contract.devices.documents import (
    MAX_LISTED,
    make_configuration,
    make_properties,
)
from qiskit_runtime.contract.devices.simulators import (
    ALWAYS,
    CLIFFORD,
    GATES,
    TURNS,
    WIDTHS,
    is_fractional,
)
from qiskit_runtime.contract.resources.backend import BACKENDS, BackendSpec
from runner.quantum_backend import make_backend

LINE = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2], [3, 4], [4, 3]]
NOISE = {
    "depolarizing": {"oneQubit": 0.0005, "twoQubit": 0.01},
    "readout": {"prob1Given0": 0.01, "prob0Given1": 0.03},
    "relaxation": {"t1Microseconds": 120, "t2Microseconds": 90, "oneQubitGateNanoseconds": 35},
}

RELAXATION = {"t1Microseconds": 10, "t2Microseconds": 15}

OWN = {
    "line": {"qubits": 5, "couplingMap": LINE},
    "noisy-line": {"qubits": 5, "couplingMap": LINE, "noise": NOISE, "method": "density_matrix"},
    "fractional-line": {
        "qubits": 5,
        "couplingMap": LINE,
        "basisGates": ["id", "rz", "sx", "x", "rx", "cz", "rzz", "measure", "reset"],
        "noise": NOISE,
    },
    "clifford-line": {"qubits": 5, "couplingMap": LINE, "method": "stabilizer"},
    "gates": {"qubits": 6, "basisGates": ["h", "t", "tdg", "s", "cx", "rz"]},
    "noisy": {"noise": NOISE},
    "only-readout": {"noise": {"readout": {"prob1Given0": 0.1}}},
    "noiseless": {"noise": {}},
    "wide": {"qubits": 40, "method": "matrix_product_state"},
    "lagos": {"fakeDevice": "FakeLagosV2"},
    "quiet-lagos": {"fakeDevice": "FakeLagosV2", "noise": NOISE},
    "clifford-lagos": {
        "fakeDevice": "FakeLagosV2",
        "method": "stabilizer",
        "noise": {"depolarizing": {"oneQubit": 0.01, "twoQubit": 0.02}},
    },
    "fez": {"fakeDevice": "FakeFez"},
    "fractional-lima": {"fakeDevice": "FakeFractionalBackend"},
    "armonk": {"fakeDevice": "FakeArmonkV2"},
    "yorktown": {"fakeDevice": "FakeYorktownV2"},
    "no-universal": {"qubits": 5, "couplingMap": LINE, "basisGates": ["rx", "rz", "cz"]},
}
SPECS = [
    *BACKENDS,
    *(BackendSpec.model_validate({"name": name, **fields}) for name, fields in OWN.items()),
]
ALL = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
UNCONNECTED = ("armonk",)
"""One qubit: there is no bell circuit for it."""


def send(document):
    """Return a document as it arrives."""
    return json.loads(json.dumps(document))


def read(spec, use_fractional_gates=False):
    """Return configuration and properties as the client reads them."""
    configuration = configuration_from_server_data(
        send(make_configuration(spec, "0.1.0")), use_fractional_gates=use_fractional_gates
    )
    assert isinstance(configuration, QasmBackendConfiguration), "the client leaves it out"
    properties = send(make_properties(spec, "0.1.0"))
    if configuration.simulator:
        assert properties == {}
        return configuration, None
    return configuration, properties_from_server_data(
        properties, use_fractional_gates=use_fractional_gates
    )


def make_target(spec, use_fractional_gates=False):
    """Return the target that the client makes."""
    return convert_to_target(*read(spec, use_fractional_gates))


@cache
def simulate(spec):
    """Return the runner's simulator of a backend; that of a large device takes seconds to make."""
    return make_backend(spec.model_dump(mode="json", exclude_none=True), seed=1)


def bell():
    """Return a bell circuit with its measurement."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def feedback():
    """Return a circuit whose second qubit follows the first by feed-forward."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    return circuit


def draw(spec):
    """Return a random circuit that the method runs."""
    if spec.method == CLIFFORD:
        circuit = random_clifford(5, seed=3).to_circuit()
    else:
        circuit = random_circuit(5, 4, max_operands=2, seed=3)
    circuit.measure_all()
    return circuit


@ALL
def test_client_reads_every_configuration(spec):
    """It is no backend that vanishes with a warning; the qubits are the runner's or its width."""
    configuration, properties = read(spec)
    simulator = simulate(spec)
    assert configuration.backend_name == spec.name
    assert configuration.simulator == (spec.fake_device is None and spec.coupling_map is None)
    assert configuration.n_qubits == (simulator.width or WIDTHS[spec.method])
    assert (properties is None) == configuration.simulator


@ALL
def test_gates_and_places_are_those_of_the_runners_target(spec):
    """The runner has all that is advertised: gates of the standard library, on the same qubits."""
    configuration = make_configuration(spec, "0.1.0")
    target = simulate(spec).target
    known = {name for name in target.operation_names if name in GATES}
    if spec.method == CLIFFORD:
        known.discard("rz")
    assert set(configuration["basis_gates"]) == known
    for gate in configuration["gates"]:
        places = target[gate["name"]]
        told = gate.get("coupling_map")
        assert (told is None) == (places is None or None in places)
        assert told is None or {tuple(place) for place in told} == set(places)
    others = set(configuration["supported_instructions"]) - known
    assert others <= set(target.operation_names) and set(ALWAYS) <= others


@ALL
def test_properties_are_those_that_a_program_reads(spec):
    """Each value of the API's document is the one of the runner's backend, and the other way."""
    told = make_properties(spec, "0.1.0")
    if not told:
        assert is_simulator(spec)
        return
    client = BackendProperties.from_dict(send(told))
    program = simulate(spec).properties()
    for qubit in range(len(told["qubits"])):
        for name in ("T1", "T2", "frequency", "readout_error", "readout_length"):
            assert value_of(client.qubit_property(qubit), name) == pytest.approx(
                value_of(program.qubit_property(qubit), name), rel=1e-6
            )
    for gate in told["gates"]:
        place, kind = tuple(gate["qubits"]), gate["gate"]
        # On a stabilizer the device's rz is spelt as turns.
        its_name = "rz" if spec.method == CLIFFORD and kind in TURNS else kind
        for name in ("gate_error", "gate_length"):
            assert value_of(client.gate_property(kind, place), name) == pytest.approx(
                value_of(program.gate_property(its_name, place), name), rel=1e-6
            ), (kind, place, name)


@ALL
def test_unit_of_schedules_is_the_runners(spec):
    """The client's dt is that of the simulator, and each duration comes with it."""
    configuration, properties = read(spec)
    if configuration.simulator:
        return
    assert getattr(configuration, "dt", None) == pytest.approx(simulate(spec).configuration().dt)
    durations = [properties.qubit_property(0).get("readout_length")]
    if spec.noise is not None and spec.noise.relaxation:
        assert configuration.dt and None not in durations


def value_of(values, name):
    """Return a value by its name, or 0 where nothing is known."""
    return values.get(name, (0, None))[0] or 0


def list_uses():
    """Yield each backend with and without its fractional gates, where that is universal."""
    for spec in SPECS:
        names = make_configuration(spec, "0.1.0")["basis_gates"]
        if spec.name not in UNCONNECTED:
            if spec.name != "no-universal":
                yield pytest.param(spec, False, id=spec.name)
            if any(map(is_fractional, names)):
                yield pytest.param(spec, True, id=f"{spec.name}-fractional")


@pytest.mark.parametrize(("spec", "use_fractional_gates"), [*list_uses()])
def test_what_is_transpiled_for_the_client_runs(spec, use_fractional_gates):
    """A bell circuit, a random one and feed-forward, on the target that the client makes."""
    target, simulator = make_target(spec, use_fractional_gates), simulate(spec)
    manager = generate_preset_pass_manager(optimization_level=1, target=target, seed_transpiler=1)
    for circuit in (bell(), draw(spec), feedback()):
        translated = manager.run(circuit)
        assert is_isa_circuit(translated, target) == ""
        result = simulator.run(translated, shots=200).result()
        assert result.success and sum(result.get_counts().values()) == 200


@ALL
def test_universal_set_is_left_without_fractional_gates(spec):
    """The built-in backends need no flag; a device whose gates all turn does, and says so."""
    names = make_configuration(spec, "0.1.0")["basis_gates"]
    left = {name for name in names if not is_fractional(name)}
    if spec in BACKENDS:
        assert left >= {"x", "sx"} or left >= {"h", "s"}
        assert left & {"cx", "cz", "ecr"}
    assert {"rx", "rzz"} <= set(names) or spec.name not in ("aer_simulator", "aer_heron")


def test_rzz_circuit_runs_on_a_fractional_device():
    """The gate stays as it is, with its angle in the client's bounds."""
    spec = next(spec for spec in BACKENDS if spec.name == "aer_heron")
    circuit = QuantumCircuit(2)
    circuit.rx(0.3, 0)
    circuit.rzz(0.7, 0, 1)
    circuit.measure_all()
    target = make_target(spec, use_fractional_gates=True)
    translated = generate_preset_pass_manager(1, target=target, seed_transpiler=1).run(circuit)
    assert translated.count_ops()["rzz"] == 1
    assert simulate(spec).run(translated, shots=100).result().success


# The measured durations are written with seven digits.
@pytest.mark.filterwarnings("ignore:Duration is rounded:UserWarning")
@pytest.mark.parametrize("name", ["aer_heron", "aer_montreal"])
@pytest.mark.parametrize("scheduling", ["alap", "asap"])
def test_client_decouples_idle_qubits(name, scheduling):
    """Its dynamical decoupling finds the duration of each gate and measurement, and it runs."""
    spec = next(spec for spec in BACKENDS if spec.name == name)
    target = make_target(spec)
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for _ in range(12):
        circuit.cx(0, 1)
        circuit.barrier(0, 1)
    circuit.cx(1, 2)
    circuit.measure_all()
    manager = generate_preset_pass_manager(1, target=target, seed_transpiler=1)
    options = DynamicalDecouplingOptions(
        enable=True, scheduling_method=scheduling, sequence_type="XY4", skip_reset_qubits=False
    )
    isa = manager.run(circuit)
    decoupled = generate_dd_pass_manager(SimpleNamespace(target=target), options).run(isa)
    assert decoupled.count_ops()["x"] >= isa.count_ops().get("x", 0) + 4
    assert decoupled.count_ops()["delay"]
    assert simulate(spec).run(decoupled, shots=100).result().success


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"fakeDevice": "FakeNobody"}, "FakeNobody"),
        ({"method": "stabilizer", "basisGates": ["rx", "ry"]}, "stabilizer runs none"),
        ({"basisGates": ["measure"]}, "runs none"),
        ({"fakeDevice": "FakeLagosV2", "method": "stabilizer"}, "T2 is above T1"),
        ({"noise": {"relaxation": RELAXATION}, "method": "stabilizer"}, "T2 is above T1"),
    ],
)
def test_backend_that_can_not_run_has_no_documents(fields, text):
    """The reason is named."""
    spec = BackendSpec.model_validate({"name": "broken", **fields})
    with pytest.raises(NoDevice, match=text):
        make_configuration(spec, "0.1.0")
    with pytest.raises(NoDevice, match=text):
        make_properties(spec, "0.1.0")


def test_properties_of_a_huge_device_stay_bounded():
    """Beyond so many places of gates, they are left out: a document stays within memory."""
    gates = ["id", "rz", "sx", "x", "h", "cx"]
    spec = BackendSpec.model_validate(
        {"name": "huge", "qubits": 10_000, "couplingMap": [[0, 1]], "basisGates": gates}
    )
    properties = make_properties(spec, "0.1.0")
    assert properties["gates"] == [] and len(properties["qubits"]) == 10_000
    fewer = spec.model_copy(update={"basis_gates": ("sx", "cx"), "qubits": MAX_LISTED // 10})
    assert len(make_properties(fewer, "0.1.0")["gates"]) == MAX_LISTED // 10 + 1
