"""vqe: known answers, answers by NumPy, every field of the result, reruns, refusals."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2, real_amplitudes
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_ibm_runtime.fake_provider import FakeMontrealV2

from qiskit_runtime.programs.simulate import transpiling
from tests.programs.drawn import (
    check_progress,
    check_result,
    draw_rng,
    draw_terms,
    lowest,
    misread,
    post,
    to_matrix,
)

H2 = [
    ["II", -1.052373],
    ["IZ", 0.397937],
    ["ZI", -0.397937],
    ["ZZ", -0.011280],
    ["XX", 0.180931],
]
COBYLA = {"name": "COBYLA", "maxiter": 1000}
FIELDS = {
    "optimizer_evals",
    "optimizer_time",
    "optimal_value",
    "optimal_point",
    "optimal_parameters",
    "cost_function_evals",
    "eigenstate",
    "eigenvalue",
    "aux_operator_eigenvalues",
    "optimizer_history",
    "optimizer_message",
}


@pytest.fixture
def run(load_program, load_metadata, decoding_messenger):
    """Run the program with encoded parameters that the schema allows; give the result."""
    metadata = load_metadata("vqe")

    def run_program(backend=None, **params):
        messenger = decoding_messenger
        messenger.__init__()
        params = post(metadata, params)
        load_program("vqe").main(backend or AerSimulator(), messenger, **params)
        [final] = messenger.final
        check_result(metadata, final)
        check_progress(messenger.progress, final["cost_function_evals"])
        assert len(messenger.interim) == final["cost_function_evals"]
        return final

    return run_program


@pytest.fixture
def refuse(load_program, messenger):
    """Check that the program refuses its inputs with a text that begins so, and runs nothing."""

    def check(begin, backend=None, **params):
        given = {"ansatz": real_amplitudes(2, reps=1), "operator": H2} | params
        with pytest.raises(ValueError, match=f"^{begin}"):
            load_program("vqe").main(backend or AerSimulator(), messenger, **given)
        assert messenger.final == messenger.interim == []

    return check


# Known answers


def test_tutorial(run):
    """ZZII on four qubits comes near -1 with 50 steps of SPSA and 1024 shots, seeds be what may."""
    ansatz = efficient_su2(4, reps=1, entanglement="linear")
    values = [
        run(
            ansatz=ansatz,
            operator=SparsePauliOp("ZZII"),
            optimizer={"name": "SPSA", "maxiter": 50},
            seed_simulator=seed,
        )["optimal_value"]
        for seed in (10, 11, 12)
    ]

    assert sorted(values)[1] < -0.97
    assert min(values) >= -1


def test_tutorial_without_shots(run):
    """Exactly evaluated, COBYLA finds the tutorial's -1."""
    ansatz = efficient_su2(4, reps=1, entanglement="linear")
    result = run(
        ansatz=ansatz,
        operator=[["ZZII", 1]],
        optimizer=COBYLA,
        shots=None,
        seed_simulator=10,
    )

    assert result["optimal_value"] == pytest.approx(-1, abs=1e-4)


def test_three_qubit_parity(run):
    """ZIZ on three qubits with real amplitudes comes near -1 with 100 steps of SPSA."""
    result = run(
        ansatz=real_amplitudes(3),
        operator=[["ZIZ", 1]],
        optimizer={"name": "SPSA", "maxiter": 100},
        seed_simulator=1,
    )

    assert result["optimal_value"] < -0.95


def test_heisenberg_pair(run):
    """XX+YY+ZZ has the singlet at -3, which COBYLA finds exactly, and finds with shots."""
    problem = {
        "ansatz": efficient_su2(2),
        "operator": [["XX", 1], ["YY", 1], ["ZZ", 1]],
        "optimizer": COBYLA,
        "seed_simulator": 1,
    }

    assert run(**problem, shots=None)["optimal_value"] == pytest.approx(-3, abs=1e-4)
    assert run(**problem, shots=4096)["optimal_value"] < -2.9


@pytest.mark.parametrize("seed", [1, 2])
def test_hydrogen(run, seed):
    """H2's ground state energy is exact within 1e-4 without shots, from several starts."""
    result = run(
        ansatz=real_amplitudes(2, reps=2),
        operator=H2,
        optimizer=COBYLA,
        shots=None,
        seed_simulator=seed,
    )

    assert result["optimal_value"] == pytest.approx(-1.857275, abs=1e-4)
    assert result["eigenvalue"] == result["optimal_value"]


def test_hydrogen_with_shots(run):
    """With shots, SPSA comes as near to H2's energy as their noise allows."""
    result = run(
        ansatz=real_amplitudes(2, reps=2),
        operator=H2,
        optimizer={"name": "SPSA", "maxiter": 100},
        shots=4096,
        seed_simulator=2,
    )

    assert result["optimal_value"] == pytest.approx(-1.857, abs=0.03)


# Answers by NumPy


@pytest.mark.parametrize("optimizer", ["L-BFGS-B", "slsqp", "BFGS"])
def test_drawn_operators(run, optimizer):
    """A drawn operator's smallest eigenvalue is the one that NumPy finds by diagonalisation."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, 2, 6)
    # An ansatz that reaches every state of two qubits; the best of some starts leaves minima out.
    found = min(
        run(
            ansatz=efficient_su2(2, reps=2),
            operator=terms,
            optimizer={"name": optimizer, "maxiter": 200},
            shots=None,
            initial_point=rng.uniform(-np.pi, np.pi, 12),
        )["optimal_value"]
        for _ in range(4)
    )

    assert found == pytest.approx(lowest(terms), abs=1e-3), seed


@pytest.mark.parametrize("shots", [None, 4096])
@pytest.mark.parametrize("coupled", [False, True])
def test_evaluations_are_those_of_the_state(run, decoding_messenger, shots, coupled):
    """Each interim message has the energy that NumPy finds at its parameters, within its error."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, 4, 12)
    ansatz = efficient_su2(4, reps=1, entanglement="circular")
    backend = None
    if coupled:
        line = CouplingMap.from_line(6)
        backend = AerSimulator(coupling_map=line, basis_gates=["rz", "sx", "x", "cx"])
    run(
        backend,
        ansatz=ansatz,
        operator=terms,
        optimizer={"name": "SPSA", "maxiter": 2, "learning_rate": 0.1, "perturbation": 0.1},
        shots=shots,
    )

    matrix = to_matrix(terms)
    assert [message[0] for message in decoding_messenger.interim] == [1, 2, 3, 4, 5]
    for _, point, energy, deviation in decoding_messenger.interim:
        state = Statevector(ansatz.assign_parameters(point)).data
        exact = (state.conj() @ matrix @ state).real
        assert isinstance(point, np.ndarray)
        assert (deviation > 0) == (shots is not None)
        assert abs(energy - exact) < 6 * deviation + 1e-9, seed


def test_mitigation_brings_energies_back(run, decoding_messenger):
    """Energies under readout errors are far off, and near the exact ones with mitigation."""
    rng, seed = draw_rng()
    ansatz = efficient_su2(3, reps=1)
    backend = misread((0.05, 0.2), (0.15, 0.02), (0.1, 0.1))
    # All zeros is an eigenstate of ZZZ and ZII: nothing but the misreading can lower them.
    problem = {
        "ansatz": ansatz,
        "operator": [["ZZZ", 1], ["ZII", 1], ["IXI", float(rng.normal())]],
        "optimizer": {"name": "COBYLA", "maxiter": 18},
        "initial_point": [0.0] * 12,
        "shots": 8192,
    }
    run(backend, **problem)
    raw = decoding_messenger.interim[0]
    run(backend, **problem, measurement_error_mitigation=True)
    mitigated = decoding_messenger.interim[0]

    assert raw[2] < 1.7
    assert abs(mitigated[2] - 2) < 6 * mitigated[3] + 0.05, seed
    assert mitigated[3] > raw[3]


def test_noise_without_shots_is_exact(run, decoding_messenger):
    """Without shots a noisy backend's energies are the density matrix's, which a formula tells."""
    rng, seed = draw_rng()
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(0.2, 1), ["ry"])
    ansatz = QuantumCircuit(2)
    for qubit, angle in enumerate(ParameterVector("angle", 2)):
        ansatz.ry(angle, qubit)
    run(
        AerSimulator(noise_model=noise, basis_gates=["ry", "rz", "cx"]),
        ansatz=ansatz,
        operator=[["ZZ", 1.5], ["IZ", -0.5]],
        optimizer=COBYLA | {"maxiter": 5},
        initial_point=rng.uniform(-3, 3, 2),
        shots=None,
    )

    for _, (first, second), energy, deviation in decoding_messenger.interim:
        z = 0.8 * np.cos([first, second])
        assert energy == pytest.approx(1.5 * z[0] * z[1] - 0.5 * z[0]), seed
        assert deviation == 0


# The result


@pytest.mark.parametrize("name", ["SPSA", "QN-SPSA", "COBYLA"])
def test_every_field(run, name):
    """The result has every field, consistent with the others; only SPSA has a history."""
    ansatz = real_amplitudes(2, reps=1)
    optimizer = {"name": name, "maxiter": 12}
    result = run(ansatz=ansatz, operator=H2, optimizer=optimizer, seed_simulator=3)

    assert set(result) == FIELDS
    assert result["optimal_parameters"] is None
    assert result["optimal_point"].shape == (4,)
    assert result["optimizer_time"] > 0
    assert result["aux_operator_eigenvalues"] is None
    assert sum(amplitude**2 for amplitude in result["eigenstate"].values()) == pytest.approx(1)
    history = result["optimizer_history"]
    if name == "COBYLA":
        assert history is None
        assert result["optimizer_evals"] == result["cost_function_evals"] == 12
        return
    assert set(history) == {"loss", "params", "time"}
    assert 0 < len(history["loss"]) == len(history["params"]) == len(history["time"]) <= 12
    assert history["params"][-1] == result["optimal_point"].tolist()
    assert history["time"] == sorted(history["time"])


def test_eigenstate_and_aux_operators(run):
    """The eigenstate has the roots of the probabilities, aux operators their values, by NumPy."""
    rng, seed = draw_rng()
    ansatz = efficient_su2(3, reps=1)
    aux = [draw_terms(rng, 3, 5), [["III", 2.5]]]
    result = run(
        ansatz=ansatz,
        operator=draw_terms(rng, 3, 5),
        optimizer=COBYLA | {"maxiter": 20},
        aux_operators=aux,
        shots=None,
    )

    state = Statevector(ansatz.assign_parameters(result["optimal_point"])).data
    found = [result["eigenstate"].get(f"{index:03b}", 0) for index in range(8)]
    assert found == pytest.approx(np.abs(state), abs=1e-5), seed
    exact = [(state.conj() @ to_matrix(terms) @ state).real for terms in aux]
    assert result["aux_operator_eigenvalues"] == pytest.approx(exact), seed


def test_aux_operators_by_name(run):
    """Aux operators by name come back by name; none in a list gives none."""
    problem = {"ansatz": real_amplitudes(2), "operator": H2, "optimizer": COBYLA | {"maxiter": 10}}
    named = run(**problem, aux_operators={"parity": [["ZZ", 1]]})["aux_operator_eigenvalues"]

    assert list(named) == ["parity"]
    assert -1 <= named["parity"] <= 1
    assert run(**problem, aux_operators=[])["aux_operator_eigenvalues"] == []


# Reruns, and what a run is made of


@pytest.mark.parametrize("name", ["SPSA", "QN-SPSA", "Nelder-Mead"])
def test_same_seed_same_run(run, decoding_messenger, name):
    """A seed fixes the start, the optimiser and every count; another one changes them."""
    problem = {
        "ansatz": real_amplitudes(2, reps=1),
        "operator": H2,
        "optimizer": {"name": name, "maxiter": 3},
        "initial_point": "random",
    }

    def messages(**seeds):
        run(**problem, **seeds)
        return [
            [number, point.tolist(), *rest] for number, point, *rest in decoding_messenger.interim
        ]

    first = messages(seed_simulator=5)
    assert messages(seed_simulator=5) == first
    assert messages(seed_simulator=6) != first
    assert messages() != messages()


def test_transpiles_once(load_program, decoding_messenger, monkeypatch):
    """The ansatz is transpiled once, however many evaluations and bases there are."""
    program = load_program("vqe")
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs)
        return generate_preset_pass_manager(*args, **kwargs)

    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", counted)
    program.main(
        AerSimulator(), decoding_messenger, real_amplitudes(2), H2, COBYLA, seed_simulator=9
    )

    assert [call["seed_transpiler"] for call in calls] == [9]


def test_layout_is_obeyed(run):
    """The ansatz runs on the physical qubits that initial_layout names."""
    # Qubits 3 and 5 are the ones that are misread, always; so ZI and IZ change their sign.
    backend = misread(*[(0, 0)] * 3, (1, 1), (0, 0), (1, 1))
    result = run(
        backend,
        ansatz=real_amplitudes(2, reps=1),
        operator=[["IZ", 1], ["ZI", 2]],
        initial_point=[0.0] * 4,
        optimizer={"name": "SPSA", "maxiter": 1, "learning_rate": 1e-9, "perturbation": 1e-9},
        initial_layout=[3, 5],
    )

    assert result["optimal_value"] == -3


@pytest.mark.parametrize("layout", [[0, 5], [7, 2], [1, 4]])
@pytest.mark.parametrize("noisy", [False, True])
def test_exact_energy_in_a_layout_with_gaps(run, decoding_messenger, layout, noisy):
    """Exact energies are right where swaps go over qubits that are not the ansatz's."""
    angle = Parameter("angle")
    ansatz = QuantumCircuit(2)
    ansatz.ry(angle, 0)
    ansatz.cx(0, 1)
    ansatz.h(1)
    device = FakeMontrealV2()
    backend = AerSimulator.from_backend(device)
    if not noisy:
        backend = AerSimulator(
            coupling_map=device.coupling_map, basis_gates=["rz", "sx", "x", "cx"]
        )
    run(
        backend,
        ansatz=ansatz,
        operator="XZ",
        initial_point=[1.0],
        initial_layout=layout,
        shots=None,
        optimizer=COBYLA | {"maxiter": 3},
        seed_simulator=1,
    )

    energy = decoding_messenger.interim[0][2]
    if noisy:
        assert 0.8 < energy < 1
    else:
        assert energy == pytest.approx(1)


def _resetting():
    angle = Parameter("angle")
    circuit = QuantumCircuit(2)
    circuit.ry(angle, 0)
    circuit.cx(0, 1)
    circuit.reset(0)
    return circuit


def test_reset_is_exact_without_shots(run, decoding_messenger):
    """An ansatz that a reset leaves in a mixture has that mixture's energy, and no deviation."""
    run(
        ansatz=_resetting(),
        operator=[["ZI", 1]],
        initial_point=[1.0],
        shots=None,
        optimizer=COBYLA | {"maxiter": 4},
    )

    for _, [point], energy, deviation in decoding_messenger.interim:
        assert energy == pytest.approx(np.cos(point))
        assert deviation == 0


def test_ansatz_with_idle_classical_bits(run):
    """Classical bits that nothing uses are no matter, without a measurement and with one."""
    plain = run(ansatz=real_amplitudes(2, reps=1), operator=H2, optimizer=COBYLA | {"maxiter": 6})
    for measured in ([], [1]):
        ansatz = QuantumCircuit(2, 2)
        ansatz.compose(real_amplitudes(2, reps=1), inplace=True)
        ansatz.measure(measured, measured)
        result = run(ansatz=ansatz, operator=H2, optimizer=COBYLA | {"maxiter": 6})
        assert result.keys() == plain.keys()


def test_names_alone(run):
    """An optimizer may be its name, and an operator its label; a seed is as large as Aer's."""
    result = run(
        ansatz=real_amplitudes(2, reps=1),
        operator="ZZ",
        optimizer="COBYLA",
        shots=None,
        seed_transpiler=2**63 - 1,
    )

    assert result["optimal_value"] == pytest.approx(-1, abs=1e-3)


def test_null_is_the_default(run):
    """A maxiter of null, which the schema allows, stands for the default."""
    optimizer = {"maxiter": None, "learning_rate": 0.1, "perturbation": 0.1}
    result = run(ansatz=real_amplitudes(2, reps=1), operator="ZZ", optimizer=optimizer, shots=9)

    assert result["cost_function_evals"] == 201


def test_old_name_of_the_initial_point(run, decoding_messenger):
    """initial_parameters is taken for initial_point; the first evaluation is there."""
    point = [0.1, 0.2, 0.3, 0.4]
    for name in ("initial_point", "initial_parameters"):
        run(
            ansatz=real_amplitudes(2, reps=1),
            operator=H2,
            optimizer=COBYLA | {"maxiter": 6},
            **{name: np.array(point)},
        )
        assert decoding_messenger.interim[0][1].tolist() == point


def test_ansatz_with_measurements(run):
    """Final measurements of the ansatz are left out; the program has its own."""
    ansatz = real_amplitudes(2, reps=1)
    ansatz.measure_all()

    result = run(ansatz=ansatz, operator=H2, optimizer=COBYLA | {"maxiter": 6})

    assert result["cost_function_evals"] == 6


# Refusals


def test_names_what_is_missing(refuse):
    """Mandatory arguments are refused by their names when they are missing."""
    refuse("ansatz: mandatory", ansatz=None)
    refuse("operator: mandatory", operator=None)
    refuse("ansatz, operator: mandatory", ansatz=None, operator=None)


def _measuring():
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.compose(real_amplitudes(2), inplace=True)
    return circuit


@pytest.mark.parametrize(
    ("begin", "params"),
    [
        ("ansatz: expected a circuit", {"ansatz": "efficient_su2"}),
        ("ansatz: has no parameters", {"ansatz": QuantumCircuit(2)}),
        ("ansatz: uses classical bits", {"ansatz": _measuring()}),
        (
            "ansatz: QN-SPSA has to undo it",
            {"ansatz": _resetting(), "optimizer": {"name": "QN-SPSA"}},
        ),
        ("operator: is not Hermitian", {"operator": [["XX", 1j]]}),
        ("operator: acts on 3 qubits, but the circuit has 2", {"operator": [["XXX", 1]]}),
        ("operator: expected", {"operator": 3}),
        ("operator: .*letters IXYZ, got 'XQ'", {"operator": [["XQ", 1]]}),
        ("operator: .*labels of one length", {"operator": [["XX", 1], ["X", 1]]}),
        ("operator: .*labels of one length", {"operator": []}),
        ("operator: 'a' is no coefficient", {"operator": [["XX", "a"]]}),
        ("operator: has a coefficient that is not", {"operator": [["XX", float("nan")]]}),
        ("initial_point: has 3 numbers, but .* 4 parameters", {"initial_point": [1, 2, 3]}),
        ("initial_parameters: has 5 numbers", {"initial_parameters": np.zeros(5)}),
        ("initial_point: expected real", {"initial_point": "somewhere"}),
        ("initial_point: .* the shape .2, 2.", {"initial_point": [[1, 2], [3, 4]]}),
        ("initial_point: expected real", {"initial_point": np.ones(4) * 1j}),
        ("initial_point: expected real", {"initial_point": np.array(["1"] * 4)}),
        ("initial_point: expected real", {"initial_point": [[1], [2, 3]]}),
        ("initial_point: has a number that is not", {"initial_point": [0, 0, 0, np.inf]}),
        ("initial_parameters: .*give one", {"initial_point": [0] * 4, "initial_parameters": [0]}),
        (r"aux_operators\[1\]: acts on 1", {"aux_operators": [[["ZZ", 1]], [["Z", 1]]]}),
        ("aux_operators: expected a list", {"aux_operators": "ZZ"}),
        ("optimizer: .*'SGD'; there are SPSA, .*COBYLA", {"optimizer": {"name": "SGD"}}),
        ("optimizer: 'speed' is no option", {"optimizer": {"name": "SPSA", "speed": 1}}),
        ("optimizer: 'blocking' is no option", {"optimizer": {"name": "CG", "blocking": True}}),
        ("optimizer.trust_region: ", {"optimizer": {"name": "QN-SPSA", "trust_region": True}}),
        ("optimizer.second_order: ", {"optimizer": {"name": "qnspsa", "second_order": True}}),
        ("optimizer.maxiter: ", {"optimizer": {"maxiter": 0}}),
        ("optimizer: .*go together", {"optimizer": {"learning_rate": 0.1}}),
        (
            "optimizer.initial_hessian: has 1 rows for 4",
            {"optimizer": {"initial_hessian": [[1]]}, "initial_layout": [0, 999]},
        ),
        ("seed_transpiler: ", {"seed_transpiler": 2**63}),
        ("shots: expected", {"shots": 0}),
        ("measurement_error_mitigation: ", {"measurement_error_mitigation": "yes"}),
        ("initial_layout: expected 2 different", {"initial_layout": [1, 1]}),
        (r"initial_layout\[1\]: ", {"initial_layout": [0, 99]}),
        ("seed_simulator: ", {"seed_simulator": "one"}),
        ("seed_transpiler: ", {"seed_transpiler": -1}),
    ],
)
def test_names_the_wrong_field(refuse, begin, params):
    """A mistake is refused by its field's name, before anything runs."""
    refuse(begin, **params)


def test_refuses_what_does_not_fit_into_memory(refuse):
    """An ansatz that there is no memory for is refused with the numbers."""
    wide = real_amplitudes(24, reps=1)
    backend = AerSimulator(max_memory_mb=64)

    refuse(".* 24 qubits, and the limit is 64 MiB", backend, ansatz=wide, operator="Z" * 24)
