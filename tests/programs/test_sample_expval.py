"""sample-expval: the GHZ state's values, drawn states by NumPy, spreads, pairings, refusals."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator

from tests.programs.drawn import (
    PAULIS,
    check_result,
    draw_rng,
    draw_terms,
    misread,
    post,
)

PROJECTORS = PAULIS | {"0": np.diag([1, 0]), "1": np.diag([0, 1])}


@pytest.fixture
def run(load_program, load_metadata, decoding_messenger):
    """Run the program with encoded parameters that the schema allows; give the values."""
    metadata = load_metadata("sample_expval")

    def run_program(circuits, operators="", backend=None, **params):
        decoding_messenger.__init__()
        params |= {"circuits": circuits, "expectation_operators": operators}
        params = post(metadata, params)
        load_program("sample_expval").main(backend or AerSimulator(), decoding_messenger, **params)
        [final] = decoding_messenger.final
        check_result(metadata, final)
        last = decoding_messenger.progress[-1]
        assert last.done == last.total
        return final

    return run_program


def ghz():
    """The seed's four-qubit GHZ state, not measured."""
    circuit = QuantumCircuit(4)
    circuit.h(2)
    circuit.cx(2, 1)
    circuit.cx(1, 0)
    circuit.cx(2, 3)
    return circuit


def measured(circuit):
    """The circuit with all qubits measured."""
    return circuit.measure_all(inplace=False)


def exact(circuit, terms):
    """The value by NumPy, with projectors."""
    state = Statevector(circuit).data
    total = 0
    for label, coefficient in terms:
        product = np.eye(1)
        for letter in label:
            product = np.kron(product, PROJECTORS[letter])
        total += coefficient * (state.conj() @ product @ state).real
    return total


def test_ghz(run):
    """ZZZZ is 1, IIII is 1, IZZZ is 0 within the shots' noise; so for a list and one by one."""
    operators = ["ZZZZ", "IIII", "IZZZ"]
    values = run(measured(ghz()), operators)

    assert values[:2] == [1, 1]
    assert abs(values[2]) < 5 / 8192**0.5
    assert [run(measured(ghz()), operator)[0] for operator in operators[:2]] == [1, 1]
    assert run(measured(ghz())) == [1]


def test_ghz_in_other_bases(run):
    """A circuit that does not measure is measured in each basis: XXXX is 1 and YYYY is 1."""
    values = run(ghz(), ["XXXX", "YYYY", {"0000": 1, "1111": -1}, "XXYY", [["ZZII", 0.5]]])

    assert values[:2] == [1, 1]
    assert abs(values[2]) < 0.06
    assert values[3:] == [-1, 0.5]


@pytest.mark.parametrize("coupled", [False, True])
def test_drawn_states_and_operators(run, coupled):
    """Values of drawn operators on drawn states are NumPy's, within their standard deviations."""
    rng, seed = draw_rng()
    backend = None
    if coupled:
        line = CouplingMap.from_line(5)
        backend = AerSimulator(coupling_map=line, basis_gates=["rz", "sx", "x", "cx"])
    circuits = [random_circuit(3, 3, seed=int(rng.integers(2**31))) for _ in range(4)]
    terms = [draw_terms(rng, 3, 8) for _ in circuits[:2]]
    terms += [draw_terms(rng, 3, 6, letters="IXYZ01") for _ in circuits[2:]]
    operators = [SparsePauliOp.from_list(terms[0]), terms[1], *map(dict, terms[2:])]
    values = run(circuits, operators, backend, return_stddev=True)

    for circuit, operator, (value, deviation) in zip(circuits, terms, values):
        assert abs(value - exact(circuit, operator)) < 6 * deviation + 1e-9, seed
    assert max(deviation for _, deviation in values) < 0.2


def test_drawn_measured_circuits(run):
    """Letters stand for classical bits, wherever they are measured from."""
    rng, seed = draw_rng()
    bare = random_circuit(3, 3, seed=int(rng.integers(2**31)))
    circuit = QuantumCircuit(3, 3)
    circuit.compose(bare, inplace=True)
    order = rng.permutation(3)
    circuit.measure(range(3), order)
    terms = draw_terms(rng, 3, 6, letters="IZ01")
    [[value, deviation]] = run(circuit, dict(terms), return_stddev=True)

    # Letter of bit order[q] belongs to qubit q.
    moved = [
        ["".join(label[2 - order[2 - place]] for place in range(3)), coefficient]
        for label, coefficient in terms
    ]
    assert abs(value - exact(bare, moved)) < 6 * deviation + 1e-9, seed


def test_spread_is_that_of_repeats(run):
    """The standard deviation is the one that many runs show."""
    rng, seed = draw_rng()
    circuit = random_circuit(2, 3, seed=int(rng.integers(2**31)))
    circuit.ry(0.7, [0, 1])
    operators = [[["XZ", 1.0], ["ZI", 0.5], ["YY", 0.3]]]
    pairs = run([circuit.copy() for _ in range(150)], operators, shots=200, return_stddev=True)
    values, deviations = np.array(pairs).T

    assert abs(values.mean() - exact(circuit, operators[0])) < 6 * deviations.mean() / 150**0.5
    assert 0.75 < values.std() / deviations.mean() < 1.33, seed


def test_mitigation(run):
    """Mitigated values are near those without misreading, and know their price."""
    backend = misread((0.05, 0.2), (0.1, 0.1), (0.2, 0.02), (0.03, 0.08))
    operators = ["ZZZZ", "XXXX", {"0000": 1}]
    raw = run(ghz(), operators, backend, return_stddev=True)
    mitigated = run(ghz(), operators, backend, return_stddev=True, use_measurement_mitigation=True)

    assert raw[0][0] < 0.7
    assert mitigated[0][0] == pytest.approx(1, abs=0.1)
    assert mitigated[1][0] == pytest.approx(1, abs=0.1)
    assert mitigated[2][0] == pytest.approx(0.5, abs=0.1)
    assert mitigated[0][1] > raw[0][1]


def test_one_operator_for_all_circuits(run):
    """An operator serves all circuits, given alone or in a list of one."""
    flip = QuantumCircuit(1, 1)
    flip.x(0)
    flip.measure(0, 0)
    stay = QuantumCircuit(1, 1)
    stay.measure(0, 0)

    assert run([flip, stay], "Z") == run([flip, stay], ["Z"]) == [-1, 1]
    assert run([flip, stay], ["Z", "1"]) == [-1, 0]


def test_many_circuits_are_told_of(run, decoding_messenger):
    """More circuits than one run takes come back in order; the progress tells of each run."""
    circuits = []
    for index in range(45):
        circuit = QuantumCircuit(1, 1)
        circuit.ry(np.pi * (index % 2), 0)
        circuit.measure(0, 0)
        circuits.append(circuit)

    assert run(circuits, "Z", shots=10) == [1 - 2 * (index % 2) for index in range(45)]
    assert [item.done for item in decoding_messenger.progress] == [20, 40, 45]


def test_configs_reach_transpiler_and_run(run):
    """transpiler_config and run_config are keyword arguments; skipping transpiles nothing."""
    # Qubit 2 is the one that is misread, always.
    backend = misread((0, 0), (0, 0), (1, 1))
    circuit = measured(QuantumCircuit(1))

    assert run(circuit, "Z", backend, transpiler_config={"initial_layout": [2]}) == [-1]
    assert run(circuit, "Z", backend, skip_transpilation=True) == [1]
    assert run(circuit, "Z", backend, run_config={"noise_model": None, "method": "stabilizer"}) == [
        1
    ]


def test_method_of_the_run_counts_for_the_memory(run):
    """Forty qubits run by a method that holds no dense state, if run_config asks for it."""
    circuit = QuantumCircuit(40)
    circuit.ry(np.pi, range(40))
    inputs = {"run_config": {"method": "matrix_product_state"}, "seed_transpiler": 2**63 - 1}
    backend = AerSimulator(max_memory_mb=2048)

    assert run(measured(circuit), "Z" * 40, backend, **inputs) == [1]


def test_same_seed_same_values(run):
    """A seed repeats every count, with mitigation too; another one does not."""

    def values(seed):
        return run(
            ghz(),
            [draw_terms(np.random.default_rng(1), 4, 6)],
            misread(*[(0.1, 0.1)] * 4),
            seed_simulator=seed,
            use_measurement_mitigation=True,
        )

    assert values(3) == values(3)
    assert values(3) != values(4)


def _free():
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("angle"), 0)
    return circuit


@pytest.mark.parametrize(
    ("begin", "circuits", "params"),
    [
        ("circuits: mandatory", None, {}),
        ("circuits: expected a circuit", "bell", {}),
        ("circuits: expected a circuit", [], {}),
        (r"circuits\[0\]: has free parameters", _free(), {}),
        ("circuits: .* measures nothing", QuantumCircuit(2, 2), {}),
        (
            "expectation_operators: 'ZZ' has 2 letters, .* 4 classical",
            measured(ghz()),
            {"ops": "ZZ"},
        ),
        ("expectation_operators: 'XXXX' needs another basis", measured(ghz()), {"ops": "XXXX"}),
        ("expectation_operators: expected a label", ghz(), {"ops": "ABCD"}),
        (r"expectation_operators\[1\]: expected a label", ghz(), {"ops": ["ZZZZ", 3]}),
        ("expectation_operators: 3 operators do not", [ghz()] * 2, {"ops": ["ZZZZ"] * 3}),
        ("expectation_operators: 0 operators", ghz(), {"ops": []}),
        ("expectation_operators: .*not Hermitian", ghz(), {"ops": {"ZZZZ": 1j}}),
        (
            "transpiler_config: 'layout_methd' is no option .*mean 'layout_method'",
            ghz(),
            {"transpiler_config": {"layout_methd": 1}},
        ),
        ("run_config.shotz: .*did you mean 'shots'", ghz(), {"run_config": {"shotz": 7}}),
        ("run_config.memory: expected true", ghz(), {"run_config": {"memory": "yes"}}),
        ("run_config.meas_level: ", ghz(), {"run_config": {"meas_level": 0}}),
        ("run_config.parameter_binds: bind", ghz(), {"run_config": {"parameter_binds": [{}]}}),
        ("run_config: 'shots' is a field", ghz(), {"run_config": {"shots": 1}}),
        ("run_config: expected an object", ghz(), {"run_config": 5}),
        ("expectation_operators: .*not finite", ghz(), {"ops": {"ZZZZ": float("nan")}}),
        ("run_config.method: Aer has no", ghz(), {"run_config": {"method": "foo"}}),
        ("transpiler_config: ", ghz(), {"transpiler_config": {"routing_method": "foo"}}),
        ("transpiler_config: ", ghz(), {"transpiler_config": {"initial_layout": [1]}}),
        ("shots: ", ghz(), {"shots": 0}),
        ("shots: ", ghz(), {"shots": 10**8 + 1}),
        ("shots: mandatory", ghz(), {"shots": None}),
        ("return_stddev: ", ghz(), {"return_stddev": "yes"}),
        ("seed_simulator: ", ghz(), {"seed_simulator": -1}),
    ],
)
def test_names_the_wrong_field(load_program, messenger, begin, circuits, params):
    """A mistake is refused by its field's name."""
    if "ops" in params:
        params = {"expectation_operators": params["ops"]}
    with pytest.raises(ValueError, match=f"^{begin}"):
        load_program("sample_expval").main(AerSimulator(), messenger, circuits, **params)
    assert messenger.final == []
