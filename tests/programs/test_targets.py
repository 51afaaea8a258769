"""Targets of circuits: any Clifford on a stabilizer, dynamic circuits on devices."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.classical import expr
from qiskit.circuit.random import random_clifford_circuit
from qiskit.quantum_info import (
    Clifford,
    Operator,
    Pauli,
    StabilizerState,
    random_clifford,
    random_pauli_list,
)
from qiskit.transpiler.exceptions import TranspilerError

from qiskit_runtime.programs.simulate import transpiling
from runner.quantum_backend import make_backend

LINE = [[0, 1], [1, 2], [2, 3]]
STABILIZERS = {
    "built in": {"method": "stabilizer"},
    "line": {"method": "stabilizer", "qubits": 4, "coupling_map": LINE},
    "rz": {"method": "stabilizer", "qubits": 4, "basis_gates": ["rz", "sx", "x", "cz"]},
}
DEVICES = {
    "line": {"qubits": 4, "coupling_map": LINE},
    "gates": {"qubits": 4, "basis_gates": ["u", "cz"]},
    "mps": {"qubits": 4, "coupling_map": LINE, "method": "matrix_product_state"},
    "stabilizer": {"qubits": 4, "coupling_map": LINE, "method": "stabilizer"},
    "montreal": {"fake_device": "FakeMontrealV2", "noise": {}},
}
WIDE = 127


def make(**spec):
    """A job's backend, with 512 MiB."""
    return make_backend({"name": "mine"} | spec, 2**29, seed=1)


@pytest.fixture
def run(load_program, decoding_messenger):
    """Run a program on a backend; its final result."""

    def run_program(name, backend, **inputs):
        load_program(name).main(backend, decoding_messenger, **inputs)
        return decoding_messenger.final[-1]

    return run_program


def draw_rotations(seed):
    """A Clifford circuit in spellings that a stabilizer simulation has no names for."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4)
    for _ in range(20):
        first, second = (int(qubit) for qubit in rng.permutation(4)[:2])
        angle = int(rng.integers(-4, 5)) * np.pi / 2
        match int(rng.integers(8)):
            case 0:
                circuit.rx(angle, first)
            case 1:
                circuit.ry(angle, first)
            case 2:
                circuit.p(angle, first)
            case 3:
                circuit.u(angle, -angle, 2 * angle, first)
            case 4:
                circuit.rzz(angle, first, second)
            case 5:
                circuit.cp(2 * angle, first, second)
            case 6:
                circuit.iswap(first, second)
            case _:
                circuit.h(first)
    return circuit


def draw_clifford(seed):
    """A random Clifford circuit of four qubits: by gates, as one operation, or by rotations."""
    if seed % 3 == 0:
        return random_clifford_circuit(4, 25, seed=seed)
    if seed % 3 == 1:
        circuit = QuantumCircuit(4)
        circuit.append(random_clifford(4, seed=seed), range(4))
        return circuit
    return draw_rotations(seed)


def find_outcomes(circuit):
    """The outcomes that the measured circuit has, each as likely as the others."""
    return set(StabilizerState(to_clifford(circuit)).probabilities_dict())


def to_clifford(circuit):
    """The circuit's Clifford, by its matrix."""
    return Clifford.from_operator(Operator(circuit))


def measured(circuit):
    """A measured copy."""
    copy = circuit.copy()
    copy.measure_all()
    return copy


def count(result):
    """The outcomes of each circuit of a circuit-runner's result, in bits."""
    return [
        {format(int(key, 16), "04b") for key in item["data"]["counts"]}
        for item in result["results"]
    ]


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("backend", STABILIZERS)
def test_any_clifford_runs_on_a_stabilizer_at_every_level(run, backend, level):
    """Each of 40 random Cliffords has exactly its outcomes: 1 to 16 of them, in 400 shots."""
    circuits = [draw_clifford(seed) for seed in range(40 if backend == "line" else 12)]
    result = run(
        "circuit_runner",
        make(**STABILIZERS[backend]),
        circuits=[measured(circuit) for circuit in circuits],
        optimization_level=level,
        seed_simulator=5,
        shots=400,
    )
    assert count(result) == [find_outcomes(circuit) for circuit in circuits]


@pytest.mark.parametrize("level", range(4))
def test_method_as_a_run_option_is_what_is_transpiled_for(run, level):
    """``method: stabilizer`` of a run on the default backend keeps Cliffords Clifford."""
    circuits = [draw_clifford(seed) for seed in range(100, 112)]
    result = run(
        "circuit_runner",
        make(),
        circuits=[measured(circuit) for circuit in circuits],
        method="stabilizer",
        optimization_level=level,
        seed_simulator=5,
        shots=400,
    )
    assert count(result) == [find_outcomes(circuit) for circuit in circuits]
    assert {item["metadata"]["method"] for item in result["results"]} == {"stabilizer"}


@pytest.mark.parametrize("backend", STABILIZERS)
def test_sampler_and_estimator_run_any_clifford(run, backend):
    """Samples are the exact outcomes, and exact values the stabilizer state's."""
    circuits = [draw_clifford(seed) for seed in range(200, 212)]
    pubs = [(measured(circuit), None, 400) for circuit in circuits]
    sampled = run("sampler", make(**STABILIZERS[backend]), pubs=pubs, seed_simulator=5)
    found = [set(item.data.meas.get_counts()) for item in sampled]
    assert found == [find_outcomes(circuit) for circuit in circuits]

    paulis = random_pauli_list(4, 8, seed=6, phase=False)
    pubs = [(circuit, paulis.to_labels(), None, 0) for circuit in circuits]
    estimated = run("estimator", make(**STABILIZERS[backend]), pubs=pubs)
    for circuit, item in zip(circuits, estimated, strict=True):
        state = StabilizerState(to_clifford(circuit))
        assert item.data.evs.tolist() == [state.expectation_value(pauli) for pauli in paulis]


@pytest.mark.parametrize("level", range(4))
def test_sample_expval_runs_any_clifford(run, level):
    """A Pauli that the state has a sign for is read with it in every shot; others are near 0."""
    circuits = [draw_clifford(seed) for seed in range(300, 312)]
    values = run(
        "sample_expval",
        make(**STABILIZERS["line"]),
        circuits=circuits,
        expectation_operators="XYZZ",
        shots=1000,
        transpiler_config={"optimization_level": level},
        seed_simulator=5,
    )
    exact = [
        StabilizerState(to_clifford(item)).expectation_value(Pauli("XYZZ")) for item in circuits
    ]
    for value, expected in zip(values, exact, strict=True):
        # Six standard deviations of a fair coin's mean.
        assert value == expected if expected else abs(value) < 6 * 1000**-0.5


def test_parameters_of_a_clifford_pub_are_bound_on_a_stabilizer(run):
    """A circuit whose parameters come to quarter turns runs, as its angles are not known before."""
    theta = Parameter("theta")
    circuit = QuantumCircuit(2)
    circuit.rx(theta, 0)
    circuit.cx(0, 1)
    circuit.h([0, 1])
    circuit.h([0, 1])
    turns = [[0.0], [np.pi], [2 * np.pi]]
    (item,) = run("estimator", make(method="stabilizer"), pubs=[(circuit, "ZI", turns, 0)])
    assert item.data.evs.tolist() == [1, -1, 1]


def dynamic(kind):
    """A circuit of this kind of control flow that ends in 011 or 111, and which of them."""
    circuit = QuantumCircuit(
        QuantumRegister(3, "q"), ClassicalRegister(1, "c"), ClassicalRegister(3, "out")
    )
    circuit.x(0)
    circuit.measure(0, 0)
    if kind == "store":
        circuit.store(circuit.clbits[0], expr.lift(False))
        circuit.store(circuit.clbits[0], expr.logic_not(circuit.clbits[0]))
    if kind in ("if", "store"):
        with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
            flip(circuit)
        with otherwise:
            circuit.x(2)
    elif kind == "switch":
        with circuit.switch(circuit.cregs[0]) as case:
            with case(0):
                circuit.x(2)
            with case(1):
                flip(circuit)
    elif kind == "while":
        with circuit.while_loop((circuit.clbits[0], 1)):
            circuit.x(0)
            circuit.measure(0, 0)
            flip(circuit)
        circuit.x(0)
    else:
        with circuit.for_loop(range(3)):
            flip(circuit)
            if kind == "break":
                with circuit.if_test((circuit.clbits[0], 1)):
                    circuit.break_loop()
    circuit.measure([0, 1, 2], [1, 2, 3])
    return circuit, "011" if kind == "for" else "111"


def flip(circuit):
    """Turn qubit 1, and qubit 2 by it: twice more, and 2 is back."""
    circuit.x(1)
    circuit.cx(1, 2)


KINDS = ("if", "switch", "for", "while", "break", "store")


@pytest.mark.parametrize("device", DEVICES)
def test_dynamic_circuits_run_on_every_device(run, device):
    """The control flow if, switch, for, while, break and store, by circuit-runner and sampler."""
    backend = make(**DEVICES[device])
    circuits, ends = zip(*map(dynamic, KINDS), strict=True)
    for level in (0, 3):
        result = run(
            "circuit_runner",
            backend,
            circuits=list(circuits),
            optimization_level=level,
            shots=20,
            seed_simulator=1,
        )
        found = [
            {format(int(key, 16), "04b")[:3] for key in item["data"]["counts"]}
            for item in result["results"]
        ]
        assert found == [{end} for end in ends]
    sampled = run("sampler", backend, pubs=[(circuit, None, 20) for circuit in circuits])
    assert [item.data.out.get_counts() for item in sampled] == [{end: 20} for end in ends]


@pytest.mark.parametrize(
    "simulator",
    [
        {"coupling_map": LINE},
        {"basis_gates": ["u", "cz"]},
        {"coupling_map": LINE, "basis_gates": ["rz", "sx", "ecr"]},
    ],
)
def test_dynamic_circuits_run_with_gates_and_connections_of_the_options(run, simulator):
    """``options.simulator`` restricts gates, and a simulator's other instructions stay."""
    circuits, ends = zip(*map(dynamic, KINDS), strict=True)
    sampled = run(
        "sampler",
        make(),
        pubs=[(circuit, None, 20) for circuit in circuits],
        options={"simulator": simulator},
    )
    assert [item.data.out.get_counts() for item in sampled] == [{end: 20} for end in ends]
    conditional = QuantumCircuit(2, 1)
    conditional.h(0)
    conditional.iswap(0, 1)
    (item,) = run(
        "estimator", make(), pubs=[(conditional, "ZZ", None, 0)], options={"simulator": simulator}
    )
    assert item.data.evs == pytest.approx(0, abs=1e-9)


def test_noise_is_in_the_branches(run):
    """After 20 noisy gates in a branch |0> is left with (1 + 0.98^20) / 2, and not always."""
    noise = {"depolarizing": {"one_qubit": 0.02, "two_qubit": 0.0}}
    backend = make(qubits=4, coupling_map=LINE, basis_gates=["x", "rz", "sx", "cx"], noise=noise)
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((0, 0)):
        for _ in range(20):
            circuit.x(1)
            circuit.barrier()
    circuit.measure(1, 1)
    shots, expected = 20_000, (1 + 0.98**20) / 2
    result = run("circuit_runner", backend, circuits=circuit, shots=shots, seed_simulator=1)
    share = result["results"][0]["data"]["counts"]["0x0"] / shots
    assert abs(share - expected) <= 6 * (expected * (1 - expected) / shots) ** 0.5


def draw_wide(gate):
    """A GHZ state of 127 qubits, with a gate at its beginning that has to be translated."""
    circuit = QuantumCircuit(WIDE)
    circuit.h(0)
    for qubit in range(1, WIDE):
        circuit.cx(qubit - 1, qubit)
    circuit.append(gate, [0, 1])
    return circuit


def symmetric(is_clifford):
    """A gate of two qubits that no simulation has by name, and that a GHZ state is stable under."""
    inner = QuantumCircuit(2, name="phase_of_both")
    inner.crz(np.pi * (2 if is_clifford else 0.6), 0, 1)
    inner.rzz(np.pi if is_clifford else 0.3, 0, 1)
    return inner.to_gate()


WIDES = {
    "mps": ({"method": "matrix_product_state"}, {}, False),
    "own mps": ({"method": "matrix_product_state", "qubits": WIDE}, {}, False),
    "stabilizer": ({"method": "stabilizer"}, {}, True),
    "own stabilizer": (
        {
            "method": "stabilizer",
            "qubits": WIDE,
            "coupling_map": [[qubit, qubit + 1] for qubit in range(WIDE - 1)],
        },
        {},
        True,
    ),
    "automatic": ({}, {}, True),
    "method mps": ({}, {"method": "matrix_product_state"}, False),
    "method stabilizer": ({}, {"method": "stabilizer"}, True),
}


@pytest.mark.parametrize("case", WIDES)
def test_wide_circuits_run_by_every_method_that_can(run, case):
    """127 qubits, of which something must be translated, in circuit-runner and sample-expval."""
    spec, options, is_clifford = WIDES[case]
    backend, wide = make(**spec), draw_wide(symmetric(is_clifford))
    result = run(
        "circuit_runner", backend, circuits=measured(wide), shots=50, seed_simulator=1, **options
    )
    found = {int(key, 16) for key in result["results"][0]["data"]["counts"]}
    assert found == {0, 2**WIDE - 1}
    (value,) = run(
        "sample_expval",
        backend,
        circuits=wide,
        expectation_operators="Z" + "I" * (WIDE - 2) + "Z",
        shots=50,
        run_config=options,
    )
    assert value == 1


@pytest.mark.parametrize("case", [case for case in WIDES if not WIDES[case][1]])
def test_wide_pubs_run_by_every_method_that_can(run, case):
    """127 qubits in sampler and estimator, by shots and exactly."""
    spec, _, is_clifford = WIDES[case]
    backend, wide = make(**spec), draw_wide(symmetric(is_clifford))
    (sampled,) = run("sampler", backend, pubs=[(measured(wide), None, 50)], seed_simulator=1)
    assert set(sampled.data.meas.get_counts()) == {"0" * WIDE, "1" * WIDE}
    label = "Z" + "I" * (WIDE - 2) + "Z"
    pubs = [(wide, label, None, precision) for precision in (0.1, 0)]
    values = [float(item.data.evs) for item in run("estimator", backend, pubs=pubs)]
    assert values == pytest.approx([1, 1])


@pytest.mark.parametrize("shots", [20, None])
@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        ("vqe", {"optimizer": {"name": "SPSA", "maxiter": 1}}),
        ("qaoa", {"optimizer": {"name": "SPSA", "maxiter": 1}}),
        ("sample_vqe", {"optimizer_config": {"maxiter": 1}}),
    ],
)
def test_wide_problems_run_on_matrix_product_states(run, program, inputs, shots):
    """The advice of TooLarge holds for the variational programs too: 127 qubits."""
    label = "ZZ" + "I" * (WIDE - 2)
    if program == "sample_vqe":
        config = {"reps": 1, "entanglement": "linear"}
        inputs = inputs | {"ansatz": "RealAmplitudes", "ansatz_config": config}
    if program == "vqe":
        ansatz = QuantumCircuit(WIDE)
        ansatz.ry(Parameter("a"), range(WIDE))
        inputs = inputs | {"ansatz": ansatz}
    name = "hamiltonian" if program == "sample_vqe" else "operator"
    backend = make(method="matrix_product_state")
    final = run(program, backend, **inputs, **{name: [[label, 1.0]]}, shots=shots, seed_simulator=1)
    value = final["fun" if program == "sample_vqe" else "optimal_value"]
    assert -1.0001 <= value <= 1.0001


@pytest.mark.parametrize(
    ("program", "option"),
    [("circuit_runner", "transpiler_options"), ("sample_expval", "transpiler_config")],
)
def test_connections_alone_are_taken(run, program, option):
    """A coupling map without basis gates restricts the gates of two qubits, whatever else is."""
    circuit = QuantumCircuit(3)
    circuit.x([0, 1])
    circuit.ccx(0, 1, 2)
    circuit.measure_all()
    edges = [[0, 1], [1, 0], [1, 2], [2, 1]]
    final = run(program, make(), circuits=circuit, **{option: {"coupling_map": edges}})
    if program == "sample_expval":
        assert final == [-1]
    else:
        assert final["results"][0]["data"]["counts"] == {"0x7": 1024}


def test_unknown_basis_gate_is_refused_with_the_nearest(run):
    """An unknown gate is named, with the one that may have been meant."""
    with pytest.raises(ValueError, match=r"^options.simulator.basis_gates: .*'cxx'.*mean 'cx'"):
        run(
            "sampler",
            make(),
            pubs=[(measured(QuantumCircuit(1)),)],
            options={"simulator": {"basis_gates": ["cxx", "u"]}},
        )


@pytest.mark.parametrize(
    "spec",
    [
        {"qubits": 2, "basis_gates": ["u", "cz"]},
        {"qubits": 2, "basis_gates": ["h", "s", "sdg", "cx"], "method": "stabilizer"},
    ],
)
def test_estimator_measures_in_the_device_s_own_gates(run, spec):
    """A device without rz and sx turns X and Y to Z by what it has: a Bell pair's correlations."""
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    (item,) = run("estimator", make(**spec), pubs=[(bell, ["XX", "YY", "ZZ"], None, 0.1)])
    assert item.data.evs.tolist() == pytest.approx([1, -1, 1])


def test_exact_values_on_a_device_without_noise_need_no_density_matrix(run):
    """A density matrix of 18 qubits takes 1 TiB, a state 4 MiB; Z on all is 1 for GHZ."""
    circuit = QuantumCircuit(18)
    circuit.h(0)
    for qubit in range(17):
        circuit.cx(qubit, qubit + 1)
    circuit.t(0)
    backend = make(fake_device="FakeMontrealV2", noise={})
    result = run("estimator", backend, pubs=[[circuit, "Z" * 18, None, 0]])
    assert result[0].data.evs == pytest.approx(1)


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("method", ["automatic", "stabilizer", "matrix_product_state"])
def test_a_simulator_s_target_has_no_qubits_to_look_at(method, level):
    """A simulator of 10,000 qubits costs no look at each one, and circuits come out right."""
    backend = make(method=method)
    assert backend.num_qubits == backend.configuration().n_qubits == 10_000
    assert backend.target.num_qubits is None
    passes = transpiling.make_passes(backend, level, seed_transpiler=7)
    for draw in (draw_clifford, draw_rotations):
        circuit = draw(level)
        assert Operator.from_circuit(passes.run(circuit)).equiv(Operator(circuit))
        again = transpile(circuit, backend, optimization_level=level)
        assert Operator.from_circuit(again).equiv(Operator(circuit))


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_s_target_has_its_width(device):
    """Connections are of numbered qubits, and circuits with more of them are refused."""
    backend = make(**DEVICES[device])
    assert backend.target.num_qubits == backend.num_qubits == backend.width
    with pytest.raises(TranspilerError, match="maximum"):
        transpile(QuantumCircuit(backend.num_qubits + 1), backend)
