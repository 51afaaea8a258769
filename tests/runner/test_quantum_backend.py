"""The device that a backend's description becomes: its noise, its qubits, its gates."""

import math
import os
import subprocess
import sys

import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.classical import expr, types
from qiskit.quantum_info import random_clifford
from qiskit.transpiler.exceptions import TranspilerError
from qiskit_aer.backends.aerbackend import AerError

from qiskit_runtime.contract.resources.backend import BACKENDS, BackendSpec
from qiskit_runtime.contract.wire.verdict import Outcome
from runner.quantum_backend import UnknownDevice, make_backend
from tests.runner.births import ROOT

SHOTS = 20_000
LINE = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2], [3, 4], [4, 3]]


def make(seed=1, **fields):
    """Return the backend of a description, as it comes with a job input."""
    spec = BackendSpec.model_validate({"name": "mine"} | fields)
    return make_backend(spec.model_dump(mode="json", exclude_none=True), seed=seed)


def share(backend, circuit, value):
    """Return the share of shots with this value of a circuit that is run as it is."""
    return backend.run(circuit, shots=SHOTS).result().get_counts().get(value, 0) / SHOTS


def is_near(measured, expected):
    """Return whether it is within five standard deviations of a sample of so many shots."""
    return abs(measured - expected) <= 5 * math.sqrt(expected * (1 - expected) / SHOTS)


def repeat(qubits, gates, times):
    """Return a circuit that repeats the same gates, begun in |1...1>."""
    circuit = QuantumCircuit(qubits)
    for _ in range(times):
        gates(circuit)
        circuit.barrier()
    circuit.measure_all()
    return circuit


def test_readout_tells_the_other_value_as_often_as_it_says():
    """Each way has its own probability."""
    backend = make(noise={"readout": {"prob1Given0": 0.1, "prob0Given1": 0.25}})
    zero, one = QuantumCircuit(1), QuantumCircuit(1)
    one.x(0)
    zero.measure_all()
    one.measure_all()
    assert is_near(share(backend, zero, "1"), 0.1) and is_near(share(backend, one, "0"), 0.25)


@pytest.mark.parametrize(("gate", "times"), [("x", 20), ("sx", 40), ("h", 20), ("id", 20)])
def test_depolarisation_of_one_qubit_has_its_strength(gate, times):
    """After k gates that do nothing together, |0> is left with (1 + (1-p)^k) / 2."""
    backend = make(noise={"depolarizing": {"oneQubit": 0.02}})
    circuit = repeat(1, lambda circuit: getattr(circuit, gate)(0), times)
    assert is_near(share(backend, circuit, "0"), (1 + 0.98**times) / 2)


@pytest.mark.parametrize("gate", ["cx", "cz", "swap"])
def test_depolarisation_of_two_qubits_has_its_strength(gate):
    """After k gates, |00> is left with (1 + 3 (1-p)^k) / 4; gates of one qubit have none."""
    backend = make(noise={"depolarizing": {"twoQubit": 0.05}})
    circuit = repeat(2, lambda circuit: getattr(circuit, gate)(0, 1), 10)
    assert is_near(share(backend, circuit, "00"), (1 + 3 * 0.95**10) / 4)
    assert share(backend, repeat(2, lambda circuit: circuit.x([0, 1]), 2), "00") == 1


@pytest.mark.parametrize("t2", [15, 30])
def test_relaxation_of_an_idle_qubit_follows_t1(t2):
    """|1> lasts as exp(-t / T1) while gates last that do nothing."""
    times = {"t1Microseconds": 20, "t2Microseconds": t2, "oneQubitGateNanoseconds": 100}
    backend = make(noise={"relaxation": times})
    circuit = QuantumCircuit(1)
    circuit.x(0)
    for _ in range(99):
        circuit.barrier()
        circuit.id(0)
    circuit.measure_all()
    assert is_near(share(backend, circuit, "1"), math.exp(-100 * 0.1 / 20))


def test_relaxation_follows_t2():
    """A superposition loses its phase as exp(-t / T2)."""
    times = {"t1Microseconds": 50, "t2Microseconds": 20, "oneQubitGateNanoseconds": 100}
    backend = make(noise={"relaxation": times})
    circuit = QuantumCircuit(1)
    circuit.h(0)
    for _ in range(99):
        circuit.id(0)
    circuit.h(0)
    circuit.measure_all()
    # The relaxation after the last gate moves |1> to |0> for a two-hundredth of T1.
    ideal = (1 + math.exp(-100 * 0.1 / 20)) / 2
    expected = ideal + (1 - ideal) * (1 - math.exp(-0.1 / 50))
    assert is_near(share(backend, circuit, "0"), expected)


def test_relaxation_of_a_gate_of_two_qubits_is_that_of_both():
    """Each qubit relaxes for as long as the gate lasts, and a gate of no time does nothing."""
    times = {"t1Microseconds": 20, "t2Microseconds": 20, "twoQubitGateNanoseconds": 500}
    backend = make(noise={"relaxation": times | {"oneQubitGateNanoseconds": 0}})
    circuit = QuantumCircuit(2)
    circuit.x([0, 1])
    for _ in range(10):
        circuit.cz(0, 1)
    circuit.measure_all()
    assert is_near(share(backend, circuit, "11"), math.exp(-2 * 10 * 0.5 / 20))


def test_noise_of_a_transpiled_circuit_is_there():
    """A transpiled circuit has only gates with noise."""
    backend = make(noise={"depolarizing": {"twoQubit": 1.0}}, qubits=5, couplingMap=LINE)
    circuit = QuantumCircuit(5)
    circuit.cx(0, 4)
    circuit.measure_all()
    translated = transpile(circuit, backend, seed_transpiler=1)
    assert share(backend, translated, "00000") < 0.6


@pytest.mark.parametrize("noise", [None, {"depolarizing": {"oneQubit": 0.01}}])
def test_transpiler_keeps_to_the_coupling_map_and_the_basis_gates(noise):
    """With noise or without, two-qubit gates are on the map's pairs, and gates are the named."""
    fields = {"noise": noise} if noise else {}
    backend = make(qubits=5, couplingMap=LINE, basisGates=["rz", "sx", "ecr"], **fields)
    circuit = QuantumCircuit(5)
    circuit.h(0)
    for qubit in range(1, 5):
        circuit.cx(0, qubit)
    circuit.measure_all()
    translated = transpile(circuit, backend, seed_transpiler=1)
    assert set(translated.count_ops()) <= {"rz", "sx", "ecr", "measure", "barrier"}
    pairs = [
        [translated.find_bit(qubit).index for qubit in item.qubits]
        for item in translated.data
        if item.operation.name == "ecr"
    ]
    assert pairs and all(pair in LINE for pair in pairs)
    assert backend.run(translated, shots=10).result().success


def test_direction_of_the_map_counts():
    """A gate that works one way is turned by the transpiler."""
    backend = make(qubits=2, couplingMap=[[1, 0]])
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    translated = transpile(circuit, backend, initial_layout=[0, 1], seed_transpiler=1)
    (gate,) = [item for item in translated.data if item.operation.name == "cx"]
    assert [translated.find_bit(qubit).index for qubit in gate.qubits] == [1, 0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"couplingMap": [[0, 1], [1, 2]]},
        {"basisGates": ["u", "cx"]},
        {"method": "stabilizer"},
        {"method": "matrix_product_state", "couplingMap": [[0, 1], [1, 2]]},
    ],
)
def test_device_has_its_number_of_qubits(fields):
    """A circuit of all its qubits is taken, and one more is refused."""
    backend = make(qubits=3, **fields)
    assert backend.num_qubits == 3
    circuit = QuantumCircuit(3)
    circuit.h(0)
    transpile(circuit, backend)
    with pytest.raises(TranspilerError, match="greater than maximum"):
        transpile(QuantumCircuit(4), backend)


@pytest.mark.parametrize(
    "gates",
    [
        ["rz", "sx", "cx", "measure"],
        ["cx", "cx", "u"],
        ["id", "rz", "sx", "x", "cx", "reset", "delay", "barrier"],
    ],
)
def test_basis_gates_as_devices_list_them_are_taken(gates):
    """A gate named twice, and operations of every device that are not gates, are no mistake."""
    backend = make(qubits=2, basisGates=gates)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    assert set(transpile(circuit, backend).count_ops()) <= {*gates, "measure", "barrier"}


def test_fake_device_is_taken_over():
    """The device has its qubits, map, gates and noise; the description's noise replaces its own."""
    backend = make(fakeDevice="FakeMontrealV2")
    assert backend.num_qubits == 27 and {"cx", "rz", "sx"} <= set(backend.operation_names)
    assert [0, 1] in [list(pair) for pair in backend.coupling_map]
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    translated = transpile(circuit, backend, seed_transpiler=1)
    assert 0 < share(backend, translated, "01") < 0.1
    ideal = make(fakeDevice="FakeMontrealV2", noise={})
    assert share(ideal, translated, "01") == 0 and ideal.num_qubits == 27
    read = make(fakeDevice="FakeMontrealV2", noise={"readout": {"prob1Given0": 0.5}})
    assert is_near(share(read, translated, "01"), 0.125)


@pytest.mark.parametrize("name", ["FakeNowhere", "FakeProviderForBackendV2", "Fake0"])
def test_unknown_fake_device_is_an_unknown_device(name):
    """Other names of the provider than devices are unknown."""
    with pytest.raises(UnknownDevice, match=f"fakeDevice: .* has no {name}"):
        make(fakeDevice=name)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fake_device": "FakeNowhere"}, "fakeDevice: qiskit_ibm_runtime.fake_provider has no Fa"),
        ({"basis_gates": ["nogate", "cx"]}, "basisGates: there is no gate 'nogate'"),
    ],
)
def test_job_on_a_device_that_can_t_be_made_fails_by_its_backend(fields, words, run_program):
    """The job's reason is UnknownBackend, and its message names the field."""
    _, verdict, _ = run_program("def main(b, m):\n    pass\n", backend={"name": "x"} | fields)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "UnknownBackend")
    assert verdict.message.startswith(f"UnknownDevice: {words}")


def test_seed_gives_the_same_noise():
    """Two backends of one seed measure the same, run by run."""
    fields = {"noise": {"depolarizing": {"oneQubit": 0.3}}}
    circuit = repeat(3, lambda circuit: circuit.h(range(3)), 3)
    one, same, other = (make(seed=seed, **fields) for seed in (4, 4, 5))
    counts = [
        [backend.run(circuit, shots=100).result().get_counts() for _ in range(2)]
        for backend in (one, same, other)
    ]
    assert counts[0] == counts[1] != counts[2] and counts[0][0] != counts[0][1]


@pytest.mark.parametrize("spec", BACKENDS, ids=lambda spec: spec.name)
def test_backends_that_are_always_there_can_be_made(spec):
    """Each runs a circuit, under its own name and with its method."""
    backend = make_backend(spec.model_dump(mode="json"))
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    assert (backend.name, backend.options.method) == (spec.name, spec.method)
    assert backend.run(transpile(circuit, backend), shots=10).result().success


def test_parts_of_a_noise_that_are_none_are_left_out():
    """A description with every field, the unset ones null, is as good as one without them."""
    spec = BackendSpec.model_validate({"name": "x", "noise": {"readout": {}}})
    backend = make_backend(spec.model_dump(mode="json"))
    assert share(backend, repeat(1, lambda circuit: circuit.x(0), 2), "0") == 1


OWN = {"qubits": 3, "couplingMap": [[0, 1], [1, 2]]}
NOISE = {
    "relaxation": {"t1Microseconds": 50, "t2Microseconds": 20},
    "readout": {"prob1Given0": 0.1, "prob0Given1": 0.3},
}


@pytest.mark.parametrize("spec", BACKENDS, ids=lambda spec: spec.name)
def test_programs_of_2021_get_answers(spec):
    """Their questions have answers: the name, no limit of circuits, no pulses, no provider."""
    backend = make_backend(spec.model_dump(mode="json"))
    configuration = backend.configuration()
    assert configuration.backend_name == backend.name == spec.name
    assert configuration.max_experiments > 10**6 and backend.max_circuits is None
    assert configuration.n_qubits == backend.num_qubits == (spec.qubits or 10_000)
    assert configuration.dt == backend.dt
    assert configuration.simulator and configuration.local and not configuration.open_pulse
    assert backend.provider() is None and backend.defaults() is None
    status = backend.status()
    assert (status.backend_name, status.operational, status.pending_jobs) == (spec.name, True, 0)
    assert (backend.properties() is None) == (spec.qubits is None)


def test_properties_are_those_of_the_device():
    """A fake device has its own times, one of a description those that it says, in seconds."""
    fake = make(fakeDevice="FakeMontrealV2")
    measured = fake.target.qubit_properties[3]
    assert fake.properties().t1(3) == pytest.approx(measured.t1)
    assert fake.properties().frequency(3) == pytest.approx(measured.frequency)
    assert 0 < fake.properties().gate_error("cx", [0, 1]) < 0.1
    for fields in (OWN, {"qubits": 3}):
        own = make(noise=NOISE, **fields).properties()
        assert (own.t1(2), own.t2(2)) == (pytest.approx(50e-6), pytest.approx(20e-6))
        assert own.readout_error(0) == pytest.approx(0.2)


def test_method_set_by_a_program_leaves_name_and_width():
    """``set_options(method=...)`` changes what is run and the target, and nothing else."""
    backend = make()
    backend.set_options(method="stabilizer")
    assert (backend.name, backend.num_qubits) == ("mine", 10_000)
    assert "t" not in backend.operation_names and "s" in backend.operation_names


@pytest.mark.parametrize("level", range(4))
def test_program_s_own_transpile_keeps_a_clifford(level):
    """``transpile(circuit, backend)`` on a stabilizer backend gives what it runs, at each level."""
    backend = make(method="stabilizer", **OWN)
    for seed in range(4):
        circuit = QuantumCircuit(3)
        circuit.append(random_clifford(3, seed=seed), range(3))
        circuit.rx(math.pi / 2, 0)
        circuit.measure_all()
        translated = transpile(circuit, backend, optimization_level=level, seed_transpiler=1)
        assert backend.run(translated, shots=10).result().success


@pytest.mark.parametrize("fields", [{"fakeDevice": "FakeMontrealV2"}, OWN])
def test_untranspiled_circuit_on_a_device_gets_the_remedy(fields):
    """A gate that the device has not is named, and what to do about it."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    job = make(**fields).run(circuit)
    with pytest.raises(AerError, match=r"unknown instruction: h .*mine.*transpile\(circuit, back"):
        job.result()


def test_gate_that_the_method_has_not_is_refused():
    """A stabilizer has no T; its rz is for quarter turns."""
    make(method="stabilizer", qubits=2, basisGates=["rz", "sx", "cx"])
    with pytest.raises(UnknownDevice, match="basisGates: the method stabilizer has no t; it has"):
        make(method="stabilizer", qubits=2, basisGates=["t", "sx", "cx"])


@pytest.mark.parametrize("use", ["condition", "switch", "store", "in a block", "bool", "input"])
def test_variable_that_aer_breaks_on_is_named(use):
    """A circuit that reads a variable is refused by its name; Aer would abort the process."""
    circuit = QuantumCircuit(1, 1, name="counting")
    if use == "input":
        variable = circuit.add_input("v", types.Bool())
    elif use == "bool":
        variable = circuit.add_var("v", expr.lift(False))
    else:
        variable = circuit.add_var("v", expr.lift(0, types.Uint(4)))
    match use:
        case "condition" | "input":
            with circuit.if_test(variable if use == "input" else expr.equal(variable, 3)):
                circuit.x(0)
        case "switch":
            with circuit.switch(variable) as case, case(3):
                circuit.x(0)
        case "store":
            circuit.store(circuit.add_var("w", expr.lift(1, types.Uint(4))), variable)
        case "in a block":
            with circuit.for_loop(range(2)), circuit.while_loop(expr.less(variable, 3)):
                circuit.x(0)
    circuit.measure(0, 0)

    with pytest.raises(ValueError, match="circuit 'counting' uses the variable 'v'"):
        make().run(circuit)


def test_variable_that_is_only_stored_runs():
    """Aer's own abilities stay allowed: a store into bits, and reads of classical registers."""
    circuit = QuantumCircuit(1, 1)
    circuit.store(circuit.add_var("v", expr.lift(0, types.Uint(4))), expr.lift(3, types.Uint(4)))
    circuit.store(circuit.clbits[0], expr.lift(True))
    with circuit.if_test(expr.lift(circuit.clbits[0])):
        circuit.x(0)
    circuit.measure(0, 0)

    assert make().run(circuit, shots=5).result().get_counts() == {"1": 5}


@pytest.mark.parametrize(
    ("variables", "spins"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, "30000000000"),
    ],
)
def test_idle_threads_of_aer_sleep_soon_unless_the_user_has_it_otherwise(variables, spins):
    """A user's own variables of OpenMP win; what counts is what its library says it has read."""
    done = subprocess.run(
        [sys.executable, "-c", "from runner.program_process import preload; preload()"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "verbose", **variables},
        check=True,
    )
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr
