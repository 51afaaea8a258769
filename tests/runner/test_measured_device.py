"""The devices that the runner makes of our own data, against those of IBM's client."""

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings
from functools import lru_cache

import numpy
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import UnitaryGate, XGate
from qiskit.providers import BackendV2
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_runtime import fake_provider

from qiskit_runtime.contract.resources.backend import BACKENDS
from runner.device_noise import DeviceErrors, DeviceNoise
from runner.measured_device import make_measured
from runner.quantum_backend import REHEARSED, make_backend
from runner.runtime_simulator import RuntimeSimulator
from tests.runner.births import ROOT

DEVICES = {
    name: kind
    for name, kind in sorted(vars(fake_provider).items())
    if isinstance(kind, type) and issubclass(kind, BackendV2) and getattr(kind, "dirname", "")
}
LARGE = 16
"""The qubits from which all of a device's errors take a second and more: there, a sample of them is
compared."""

WITHOUT_KRAUS = {"FakeJakartaV2", "FakeJohannesburgV2", "FakeManilaV2"}
"""The devices on which no T2 is above its T1, so that Aer may simulate them by stabilizers."""

SIZES = "num_qubits dt granularity min_length pulse_alignment acquire_alignment description"
SHOTS = 300


@lru_cache(maxsize=len(DEVICES))
def make_fake(name):
    """The package's device."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Properties of fake_nighthawk")
        fake = DEVICES[name]()
        fake.target  # noqa: B018  (made when it is first asked for)
    return fake


@lru_cache(maxsize=4)
def make_whole(name):
    """All of the noise of the package's device, as Aer makes it."""
    return NoiseModel.from_backend(make_fake(name))


def make_old(name, **options):
    """The simulator as Aer makes it of the package's device, with all of its noise."""
    fake = make_fake(name)
    backend = RuntimeSimulator.from_backend(fake, noise_model=make_whole(name), **options)
    backend.take_device(fake.target)
    return backend


def make_new(name, **fields):
    """The simulator that a job is given."""
    return make_backend({"name": "mine", "fake_device": name, **fields})


def describe_target(target):
    """All of a target, as values that can be compared."""
    return {
        "sizes": {name: getattr(target, name) for name in SIZES.split()},
        "concurrent": target.concurrent_measurements,
        "qubits": [(qubit.t1, qubit.t2, qubit.frequency) for qubit in target.qubit_properties],
        "gates": {name: describe_gate(target, name) for name in target.operation_names},
        "coupling": sorted((target.build_coupling_map() or NoMap).get_edges()),
    }


class NoMap:
    """The connections of a device of one qubit."""

    @staticmethod
    def get_edges():
        """None."""
        return []


def describe_gate(target, name):
    """An instruction, its places in their order, and what is known of each."""
    operation = target.operation_from_name(name)
    if not isinstance(operation, type):
        parameters = [str(parameter) for parameter in operation.params]
        operation = (operation.name, operation.num_qubits, operation.num_clbits, parameters)
    places = [
        (place, known and (known.error, known.duration)) for place, known in target[name].items()
    ]
    return operation, places, target.gate_has_angle_bounds(name)


def describe_noise(noise):
    """A noise model's errors by instruction and place, without the random ids."""
    errors = noise.to_dict(serializable=True)["errors"]
    for error in errors:
        error.pop("id", None)
    return {
        (error["type"], *error["operations"], *map(tuple, error.get("gate_qubits", ()))): error
        for error in errors
    }


def describe_passes(noise):
    """The numbers that the errors of delays are made of."""
    return [
        [array.tolist() for array in (one._t1s, one._t2s, one._p1s)] + [one._dt]
        for one in noise._custom_noise_passes
    ]


@pytest.mark.parametrize("name", DEVICES)
def test_device_has_the_target_of_the_package_s(name):
    """Qubits, times, instructions, places, errors and durations are equal, to the last digit."""
    fake, made = make_fake(name), make_measured(name)
    assert describe_target(made.target) == describe_target(fake.target)
    assert set(made.operation_names) == set(fake.operation_names)
    assert (made.description, made.backend_version) == (fake.description, fake.backend_version)
    assert (made.dt, made.num_qubits, made.max_circuits) == (fake.dt, fake.num_qubits, None)


def choose_places(name):
    """The places whose errors are compared: all of a small device's, some of each gate else."""
    errors = DeviceErrors(make_measured(name))
    if make_measured(name).num_qubits < LARGE or os.environ.get("ALL_ERRORS"):
        return errors, errors.places
    chosen = set()
    for gate in make_measured(name).operation_names:
        places = sorted(place for kind, place in errors.places if kind == gate)
        chosen |= {(gate, place) for place in (*places[:2], *places[-2:])}
    return errors, chosen


@pytest.mark.parametrize("name", DEVICES)
def test_device_has_the_noise_that_aer_makes_of_the_package_s(name):
    """Each error is equal to the last digit; ALL_ERRORS=1 compares all of large devices too."""
    errors, chosen = choose_places(name)
    part = DeviceNoise(make_measured(name).operation_names)
    part._take(errors.find(chosen), errors.passes)
    fake = make_fake(name)
    if chosen != errors.places:
        # Of its target, which is equal, what is compared.
        cut = make_measured(name).cut(chosen)
        for gate, place in chosen:
            cut.target[gate][place] = fake.target[gate][place]
        fake = cut
    known = NoiseModel.from_backend(fake)
    assert describe_noise(part) == describe_noise(known)
    assert describe_passes(part) == describe_passes(known)
    assert part.basis_gates == known.basis_gates


@pytest.mark.parametrize("name", DEVICES)
def test_part_of_a_noise_has_every_kind_that_the_device_has(name):
    """Aer chooses a method by the kinds of all errors, so that a part without any has them too."""
    noise = DeviceNoise(make_measured(name).operation_names, make_measured(name))
    kinds = {step["name"] for step in list_steps(noise.find_part([]))}
    assert ("kraus" in kinds) == (name not in WITHOUT_KRAUS)
    assert {error["type"] for error in noise.find_part([]).to_dict()["errors"]} == {
        "qerror",
        "roerror",
    }
    assert not noise.is_ideal()


def list_steps(noise):
    """The instructions that a noise model's errors are made of."""
    errors = noise.to_dict()["errors"]
    parts = [part for error in errors for part in error.get("instructions", ())]
    return [step for part in parts for step in part]


def make_circuits():
    """Circuits that meet each kind of noise: of gates, delays, resets, branches, labels, none."""
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    steps = QuantumCircuit(3, 3)
    steps.h(0)
    steps.cx(0, 1)
    steps.delay(3200, 1, unit="dt")
    steps.cx(1, 2)
    steps.measure(0, 0)
    with steps.if_test((0, 1)):
        steps.x(1)
        steps.reset(2)
    steps.measure([1, 2], [1, 2])
    turned = QuantumCircuit(1)
    turned.s(0)
    turned.measure_all()
    return [bell, steps, turned]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("FakeMontrealV2", "automatic"),
        *(("FakeManilaV2", name) for name in ("automatic", "density_matrix", "statevector")),
        ("FakeJakartaV2", "matrix_product_state"),
        ("FakeJakartaV2", "stabilizer"),
        ("FakeLimaV2", "matrix_product_state"),
    ],
)
def test_seed_gives_the_counts_that_all_of_the_noise_gives(name, method):
    """A run with a part of the noise is the run with all of it, shot by shot."""
    old, new = make_old(name, method=method), make_new(name, method=method)
    for circuit in make_circuits():
        layout = [*range(circuit.num_qubits)]
        ran = transpile(circuit, new, initial_layout=layout, seed_transpiler=1)
        found = [
            backend.run(ran, shots=SHOTS, seed_simulator=7, memory=True).result()
            for backend in (old, new)
        ]
        assert found[0].get_memory() == found[1].get_memory(), circuit
        methods = {one.results[0].metadata["method"] for one in found}
        assert len(methods) == 1, circuit


def test_gate_with_the_label_of_a_noisy_one_has_its_noise():
    """Aer looks a gate's errors up by its label, so a part has them too."""
    circuit = QuantumCircuit(1)
    for _ in range(40):
        circuit.append(UnitaryGate(numpy.eye(2), label="sx"), [0])
    circuit.append(XGate(label="reset"), [0])
    circuit.measure_all()
    noise = make_new("FakeLimaV2").options.noise_model
    parts = noise.find_part([circuit]).to_dict()["errors"]
    assert {"sx", "reset", "x"} <= {name for part in parts for name in part["operations"]}


def test_circuits_get_the_errors_that_they_meet():
    """A bell circuit's run has a handful of errors, whatever ran before; not a device's 200."""
    backend = make_new("FakeMontrealV2")
    wide = QuantumCircuit(27)
    wide.sx(range(27))
    wide.measure_all()
    noise = backend.options.noise_model
    assert len(noise.find_part([wide]).to_dict()["errors"]) == 2 * 27
    bell = transpile(make_circuits()[0], backend, seed_transpiler=1)
    errors = noise.find_part([bell]).to_dict()["errors"]
    assert 4 <= len(errors) <= 6 and {"cx", "measure"} <= {
        name for error in errors for name in error["operations"]
    }
    assert len(noise.find_part([bell, wide]).to_dict()["errors"]) == 2 * 27 + 1


def test_noise_that_a_program_looks_at_is_all_of_it():
    """It equals Aer's own model, is shown as one, and can be copied, emptied and made ideal."""
    noise, known = make_new("FakeLimaV2").options.noise_model, make_whole("FakeLimaV2")
    assert noise == known and describe_noise(noise) == describe_noise(known)
    assert noise.noise_instructions == known.noise_instructions
    assert noise.find_part([]) is noise
    assert noise.noise_qubits == known.noise_qubits
    noise.reset()
    assert noise.is_ideal() and noise.to_dict() == {"errors": []}


CHANGES = {
    "one qubit": lambda noise: noise.add_quantum_error(depolarizing_error(1, 1), "measure", [0]),
    "all qubits": lambda noise: noise.add_all_qubit_quantum_error(depolarizing_error(1, 1), "z"),
    "a pass": lambda noise: noise._custom_noise_passes.clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_noise_that_a_program_changes_is_what_runs(change):
    """The model that it has changed is the one that Aer gets, in each run from then on."""
    noise, known = (
        make_new("FakeLimaV2").options.noise_model,
        copy.deepcopy(make_whole("FakeLimaV2")),
    )
    change(noise)
    change(known)
    assert noise.find_part([]) is noise
    assert describe_noise(noise) == describe_noise(known)
    assert describe_passes(noise) == describe_passes(known)


def test_copy_of_a_noise_is_one():
    """A program may copy a backend's noise, before it was read and after."""
    noise = make_new("FakeLimaV2").options.noise_model
    for copied in (copy.deepcopy(noise), pickle.loads(pickle.dumps(noise))):
        circuits = make_circuits()[2:]
        part = noise.find_part(circuits)
        assert describe_noise(copied.find_part(circuits)) == describe_noise(part)
        assert copied == make_whole("FakeLimaV2")


def test_noise_of_one_run_goes_before_the_device_s():
    """A run without noise is ideal, and the next one is noisy again."""
    backend = make_new("FakeLimaV2")
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    assert backend.run(circuit, shots=500, noise_model=None).result().get_counts() == {"1": 500}
    assert len(backend.run(circuit, shots=500).result().get_counts()) == 2


def test_angle_beyond_a_gate_s_bounds_is_folded_as_ibm_s_client_does():
    """A circuit can be translated for the device itself, whose RZZ takes a quarter turn at most."""
    device = make_measured("FakeFractionalBackend")
    assert device.target.gate_has_angle_bounds("rzz")
    circuit = QuantumCircuit(2)
    circuit.rzz(2.0, 0, 1)
    translated = transpile(circuit, target=device.target, seed_transpiler=1)
    angles = [item.params[0] for item in translated.data if item.name == "rzz"]
    assert angles and all(0 <= angle <= numpy.pi / 2 + 1e-9 for angle in angles)


def test_job_on_a_device_imports_nothing_of_ibm_s_client():
    """Neither its fake devices nor its transpiler's plugins are loaded, which takes seconds."""
    script = """
import json, sys
from runner.program_process import preload
preload()
from qiskit import QuantumCircuit, transpile
from runner.quantum_backend import make_backend
backend = make_backend({"name": "a", "fake_device": "FakeMontrealV2"})
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
counts = backend.run(transpile(bell, backend), shots=10).result().get_counts()
print(json.dumps([sum(counts.values()), [m for m in sys.modules if "ibm" in m]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(done.stdout) == [10, []]


def test_rehearsed_device_is_that_of_the_backend_that_is_always_there():
    """Jobs on aer_montreal are those that gain by what is prepared before they come."""
    (montreal,) = [backend for backend in BACKENDS if backend.name == "aer_montreal"]
    assert montreal.fake_device == REHEARSED
