"""estimator: values against NumPy, with shots and exactly, the client's decoder, devices, seeds."""

import inspect
import itertools
import json

import jsonschema_rs
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, qasm2, transpile
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import real_amplitudes
from qiskit.circuit.random import random_circuit
from qiskit.primitives.containers import BindingsArray, ObservablesArray
from qiskit.quantum_info import DensityMatrix, Kraus, SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_ibm_runtime import EstimatorV2
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2, FakeManilaV2

from qiskit_runtime.programs.simulate import transpiling
from qiskit_runtime.programs.simulate.memory import TooLarge
from tests.drawn_seeds import draw_seed
from tests.programs.encoded_messenger import (
    EncodedMessenger,
    Primitive,
    post_officially,
)

H2 = {"II": -1.052373, "IZ": 0.397937, "ZI": -0.397937, "ZZ": -0.011280, "XX": 0.180931}
"""The hydrogen molecule on two qubits; its lowest value is -1.857275."""

MATRICES = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
    "0": np.diag([1, 0]),
    "1": np.diag([0, 1]),
    "+": np.full((2, 2), 0.5),
    "-": np.array([[0.5, -0.5], [-0.5, 0.5]]),
    "r": np.array([[0.5, -0.5j], [0.5j, 0.5]]),
    "l": np.array([[0.5, 0.5j], [-0.5j, 0.5]]),
}


@pytest.fixture
def estimator(load_program, load_metadata):
    """The program."""
    return Primitive("estimator", load_program, load_metadata)


@pytest.fixture
def run_text(estimator):
    """Run the program with parameters as posted."""
    return estimator.run_text


@pytest.fixture
def run(estimator):
    """Post parameters, and run the program with them."""
    return estimator.run


@pytest.fixture
def refuse(estimator):
    """Check that the program refuses its inputs, and publishes nothing."""
    return estimator.refuse


def expect(state, observable):
    """The value by matrices alone: <psi|O|psi>, the last letter being qubit 0."""
    vector = np.asarray(Statevector(state))
    terms = {observable: 1.0} if isinstance(observable, str) else observable
    total = 0
    for label, coefficient in terms.items():
        matrix = np.eye(1)
        for letter in label:
            matrix = np.kron(matrix, MATRICES[letter])
        total += coefficient * (vector.conj() @ matrix @ vector).real
    return total


def ghz(size):
    """Qubits that are all 0 or all 1."""
    circuit = QuantumCircuit(size)
    circuit.h(0)
    for qubit in range(1, size):
        circuit.cx(0, qubit)
    return circuit


def turned():
    """Return one qubit turned by a free angle: Z is its cosine."""
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    return circuit


# Known answers


@pytest.mark.parametrize("precision", [0, None, 0.02])
def test_ghz_state_has_its_known_values(run, precision):
    """The four-qubit GHZ state: ZZZZ and IIII are 1, IZZZ is 0, XXXX is 1, 0000 is one half."""
    labels = ["ZZZZ", "IIII", "IZZZ", "XXXX", "0000"]
    [pub] = run([[ghz(4), labels]], default_precision=precision)

    assert pub.data.evs == pytest.approx([1, 1, 0, 1, 0.5], abs=5 * (precision or 1e-13))
    assert pub.metadata["target_precision"] == (precision or 0)
    assert pub.metadata["shots"] == (2500 if precision else 0)
    if not precision:
        assert not pub.data.stds.any()


def test_hydrogen_has_its_known_ground_value(run):
    """The state of lowest energy gives hydrogen's -1.857275, exactly and within five errors."""
    values, vectors = np.linalg.eigh(sum(c * SparsePauliOp(p).to_matrix() for p, c in H2.items()))
    assert values[0] == pytest.approx(-1.857275, abs=2e-6)
    circuit = QuantumCircuit(2)
    circuit.prepare_state(vectors[:, 0], [0, 1])
    exact, sampled = run([[circuit, H2, None, 0], [circuit, H2, None, 0.01]])

    assert exact.data.evs == pytest.approx(-1.857275, abs=2e-6)
    assert sampled.data.evs == pytest.approx(-1.857275, abs=5 * sampled.data.stds + 1e-6)
    assert sampled.metadata["shots"] == 10000


# Forms


@pytest.mark.parametrize(
    "observable",
    [
        "ZX",
        {"ZX": 1.0},
        SparsePauliOp("ZX"),
        ObservablesArray("ZX"),
        ObservablesArray({"ZX": 1.0}),
    ],
)
@pytest.mark.parametrize(
    "values",
    [
        [0.4, 1.1],
        {"a": 0.4, "b": 1.1},
        np.array([0.4, 1.1]),
        BindingsArray({("b", "a"): [1.1, 0.4]}),
    ],
)
def test_every_form_of_a_pub_runs(run, observable, values):
    """Observables and values in each of their forms give one exact value."""
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("b"), 0)
    circuit.rx(Parameter("a"), 1)
    [pub] = run([[circuit, observable, values, 0]])

    assert pub.data.evs.shape == ()
    assert pub.data.evs == pytest.approx(np.cos(0.4) * np.sin(1.1))


def test_openqasm_and_short_pubs_run(run):
    """OpenQASM text in place of a circuit, and pubs of two parts."""
    result = run([[qasm2.dumps(ghz(2)), "ZZ"], [ghz(2), ["XX", "YY"]]], default_precision=0)

    assert result[0].data.evs == pytest.approx(1)
    assert result[1].data.evs == pytest.approx([1, -1])


def test_what_the_official_client_posts_runs(run_text):
    """The very parameters of EstimatorV2, with options, give the shapes and shots asked for."""
    text = post_officially(
        EstimatorV2,
        [
            (ghz(2), SparsePauliOp.from_list([("ZZ", 1), ("XX", 0.5)])),
            (turned(), [["Z"], ["X"]], [[0.1], [0.2], [0.3]], 0.1),
        ],
        default_shots=400,
        seed_estimator=3,
        resilience_level=2,
        resilience={"zne_mitigation": True, "zne": {"noise_factors": [1, 3]}},
        dynamical_decoupling={"enable": True},
        twirling={"enable_gates": True},
        simulator={"seed_simulator": 1},
        execution={"init_qubits": True},
    )
    assert json.loads(text)["resilience_level"] == 2
    result = run_text(text)

    assert result[0].data.evs == pytest.approx(1.5)
    assert result[1].data.evs.shape == (2, 3)
    assert [pub.metadata["shots"] for pub in result] == [400, 100]
    assert [pub.metadata["target_precision"] for pub in result] == [0.05, 0.1]
    assert {"resilience_level", "options.resilience.zne_mitigation"} <= set(
        result.metadata["ignored_options"]
    )
    assert (run_text(text)[1].data.evs == result[1].data.evs).all()


@pytest.mark.parametrize(
    ("params", "shots"),
    [
        ({}, 4096),
        ({"default_precision": 0.1}, 100),
        ({"default_precision": None}, 0),
        ({"options": {"default_precision": 0.25}, "default_precision": 0.1}, 16),
        ({"options": {"default_precision": None}}, 0),
        ({"options": {"default_precision": 0.25, "default_shots": 77}}, 77),
        ({"options": {"default_precision": 0.25, "default_shots": 0}}, 16),
        ({"options": {"default_shots": None}}, 4096),
    ],
)
def test_precision_comes_from_the_nearest_place(run, params, shots):
    """A precision is the pub's, else by the options' shots or precision, else the job's own."""
    result = run([[ghz(2), "XI"], [ghz(2), "XI", None, 0.5]], **params)

    assert [pub.metadata["shots"] for pub in result] == [shots, 4]


# Circuits, observables and values drawn at test time


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("device", [False, True])
def test_drawn_values_are_numpys(run, exact, device):
    """Drawn circuits and observables, projectors among them, come out as by matrices."""
    rng = np.random.default_rng(seed := draw_seed())
    noiseless = AerSimulator.from_backend(FakeGuadalupeV2(), noise_model=None)
    pubs = []
    for width in (1, 2, 3, 4):
        circuit = random_circuit(width, 4, seed=draw_seed(31))
        observables = [
            {
                "".join(rng.choice(list(MATRICES), width)): float(rng.normal())
                for _ in range(rng.integers(1, 5))
            }
            for _ in range(4)
        ]
        pubs.append([circuit, observables, None, 0 if exact else 0.01])
    result = run(pubs, noiseless if device else None)

    for (circuit, observables, *_), pub in zip(pubs, result):
        expected = [expect(circuit, observable) for observable in observables]
        margins = 1e-9 if exact else 5 * pub.data.stds + 0.005
        assert (np.abs(pub.data.evs - expected) <= margins).all(), (seed, expected, pub.data)


@pytest.mark.parametrize("precision", [0, 0.02])
def test_drawn_grids_are_broadcast_as_numpy_does(run, precision):
    """Values of shape (3, 1) and observables of shape (2,) give all six pairs."""
    rng = np.random.default_rng(seed := draw_seed())
    circuit = real_amplitudes(3, reps=1)
    values = rng.uniform(-3, 3, (3, 1, circuit.num_parameters))
    observables = [{"XYZ": 0.5, "ZZI": -1.0, "III": 2.0}, {"IXX": 1.0, "1-I": 0.7}]
    [pub] = run([[circuit, observables, values, precision]])

    assert pub.data.evs.shape == (3, 2)
    for row, column in np.ndindex(3, 2):
        expected = expect(circuit.assign_parameters(values[row, 0]), observables[column])
        margin = 5 * pub.data.stds[row, column] + 0.005 if precision else 1e-9
        assert abs(pub.data.evs[row, column] - expected) <= margin, seed


def test_elementwise_pairs_measure_no_more_than_they_need(run, monkeypatch):
    """N values with N observables are N circuits, not N times N."""
    angles, labels = np.linspace(0, 3, 6)[:, None], ["X", "Y", "Z", "0", "+", "r"]
    sent = []
    run_all = AerSimulator.run

    def recorded(backend, circuits, **options):
        binds = options["parameter_binds"]
        sent.append(sum(len(next(iter(bind.values()))) for bind in binds))
        return run_all(backend, circuits, **options)

    monkeypatch.setattr(AerSimulator, "run", recorded)
    [pub] = run([[turned(), labels, angles, 0.02]])

    expected = [
        expect(turned().assign_parameters(angle), label) for angle, label in zip(angles, labels)
    ]
    assert sent == [6]
    assert pub.data.evs == pytest.approx(expected, abs=0.1)


def test_standard_errors_are_those_of_the_values(run):
    """Over many repetitions the values scatter by the reported standard errors."""
    observable = {"ZI": 1.0, "IZ": 1.0, "XX": 0.5}  # the first two are measured together
    circuit = real_amplitudes(2, reps=1)
    values = np.tile([0.4, 1.0, -0.7, 2.0], (300, 1))
    [pub] = run([[circuit, observable, values, 0.1]], seed_simulator=7)

    expected = expect(circuit.assign_parameters(values[0]), observable)
    scores = (pub.data.evs - expected) / pub.data.stds
    assert abs(scores.mean()) < 0.3
    assert 0.85 < scores.std() < 1.15


def test_values_without_parameters_are_sampled_each(run):
    """A shape without parameters has a value of its own for each entry."""
    [pub] = run([[ghz(2), "XI", np.zeros((4, 0)), 0.05]], seed_simulator=1)

    assert pub.data.evs.shape == (4,)
    assert len(set(pub.data.evs.tolist())) > 1
    assert np.abs(pub.data.evs).max() < 0.25


# Devices


def test_device_values_are_near_and_noisy(run):
    """On a device-like backend observables follow their qubits, and the values have its noise."""
    device = AerSimulator.from_backend(FakeManilaV2())
    circuit = ghz(3)
    circuit.x(2)  # no mix-up of the qubits leaves the values as they are
    labels = ["ZZI", "IZZ", "ZIZ", "XXX"]
    exact = np.array([expect(circuit, label) for label in labels])
    for precision in (0, 0.015625):
        [pub] = run([[circuit, labels, None, precision]], device, seed_simulator=3)
        assert (np.abs(pub.data.evs - exact) < 0.35).all()
        assert (pub.data.evs * exact < 0.999).all()


def test_isa_circuit_runs_as_it_is(run, monkeypatch):
    """A circuit and observables that were laid out for the device are not laid out again."""
    device = AerSimulator.from_backend(FakeManilaV2(), noise_model=None)
    circuit = QuantumCircuit(2)
    circuit.x(1)
    laid = transpile(circuit, device, initial_layout=[4, 2], seed_transpiler=1)
    observables = [SparsePauliOp(label).apply_layout(laid.layout) for label in ("IZ", "ZI")]
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    exact, sampled = run([[laid, observables, None, 0], [laid, observables, None, 0.1]], device)

    assert exact.data.evs == pytest.approx([1, -1])
    assert sampled.data.evs == pytest.approx([1, -1])


def test_exact_noise_is_the_channels(run):
    """Exact values with noise are those of the density matrix that NumPy finds."""
    noise = NoiseModel()
    error = depolarizing_error(0.2, 1)
    noise.add_all_qubit_quantum_error(error, ["ry"])
    noise.add_all_qubit_readout_error(ReadoutError([[0.8, 0.2], [0.2, 0.8]]))
    angle = draw_seed(16) % 3000 / 1000
    circuit = turned().assign_parameters([angle])
    state = DensityMatrix(circuit).evolve(Kraus(error.to_quantumchannel()))
    expected = state.expectation_value(SparsePauliOp("Z")).real
    pubs = [[circuit, "Z", None, 0], [circuit, "Z", None, 0.01]]
    exact, sampled = run(pubs, AerSimulator(noise_model=noise))

    assert expected == pytest.approx(0.8 * np.cos(angle))
    assert exact.data.evs == pytest.approx(expected), angle
    # A measurement has the readout's noise too.
    assert sampled.data.evs == pytest.approx(0.6 * expected, abs=0.06), angle


@pytest.mark.filterwarnings("ignore:from_dict:DeprecationWarning")  # by the client's decoder
@pytest.mark.parametrize("precision", [0, 0.02])
def test_noise_model_of_the_options_is_honoured(run, precision):
    """A noise model among the options is what is simulated."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(1.0, 1), ["x"])
    circuit = QuantumCircuit(1)
    circuit.x(0)
    options = {"simulator": {"noise_model": noise}}
    [pub] = run([[circuit, "Z", None, precision]], options=options)

    assert pub.data.evs == pytest.approx(0, abs=0.1 if precision else 1e-9)


def test_reset_is_exact(run):
    """A reset of an entangled qubit leaves a mixture, whose exact values come out."""
    circuit = ghz(2)
    circuit.reset(0)
    [pub] = run([[circuit, ["IZ", "ZI", "XX"], None, 0]])

    assert pub.data.evs == pytest.approx([1, 0, 0])


def test_reset_in_a_loop_is_exact(run):
    """A reset within control flow leaves a mixture as well."""
    circuit = ghz(2)
    with circuit.for_loop(range(1)):
        circuit.reset(0)
    [pub] = run([[circuit, ["IZ", "ZI", "ZZ"], None, 0]])

    assert pub.data.evs == pytest.approx([1, 0, 0])


def test_other_mixtures_are_exact(run):
    """A channel, and a preparation of an entangled qubit, leave mixtures as well."""
    channel = ghz(1)
    channel.append(Kraus([np.sqrt(0.7) * np.eye(2), np.sqrt(0.3) * np.diag([1, -1])]), [0])
    prepared = ghz(2)
    prepared.initialize([0, 1], [0])
    result = run([[channel, "X", None, 0], [prepared, ["IZ", "ZI"], None, 0]])

    assert result[0].data.evs == pytest.approx(0.4)
    assert result[1].data.evs == pytest.approx([-1, 0])


@pytest.mark.parametrize("name", ["estimator_bits", "c", "meas", "measured"])
def test_registers_may_have_any_name(run, name):
    """Whatever the circuit's own registers are called, its observables are measured."""
    circuit = QuantumCircuit(2)
    circuit.add_register(bits := ClassicalRegister(1, name), ClassicalRegister(0, "none"))
    circuit.x(0)
    circuit.measure(0, bits[0])
    circuit.x(0)
    [pub] = run([[circuit, ["IZ", "ZI"], None, 0.1]])

    assert pub.data.evs == pytest.approx([1, 1])


def test_skip_transpilation(run, monkeypatch):
    """A circuit that fits no device runs as it is where the client says so."""
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    apart = QuantumCircuit(3)
    apart.x(0)
    apart.cx(0, 2)
    options = {"simulator": {"coupling_map": [[0, 1], [1, 2]]}, "skip_transpilation": True}
    for precision in (0, 0.1):
        [pub] = run([[apart, "ZIZ", None, precision]], options=options)
        assert pub.data.evs == pytest.approx(1)


@pytest.mark.parametrize("device", [False, True])
def test_circuit_may_measure_on_its_way(run, device):
    """With shots a circuit may measure, into bits of its own, and act on what it found."""
    circuit = QuantumCircuit(2, 3)
    circuit.h(0)
    circuit.measure(0, 1)
    with circuit.if_test((1, 1)):
        circuit.x(1)
    backend = AerSimulator.from_backend(FakeManilaV2(), noise_model=None) if device else None
    [pub] = run([[circuit, ["ZZ", "IZ", "ZI", "XI"], None, 0.02]], backend)

    assert pub.data.evs == pytest.approx([1, 0, 0, 0], abs=0.1)


def test_all_labels_survive_idle_qubits(run):
    """Exact values are right on a device of which most qubits are idle, whichever ones."""
    device = AerSimulator.from_backend(FakeGuadalupeV2(), noise_model=None)
    circuit = random_circuit(3, 3, max_operands=2, seed=(seed := draw_seed(31)))
    labels = ["".join(letters) for letters in itertools.product("IXYZ", repeat=3)]
    [pub] = run([[circuit, labels, None, 0]], device, seed_simulator=seed)

    assert pub.data.evs == pytest.approx([expect(circuit, label) for label in labels]), seed


# Seeds and progress


@pytest.mark.parametrize(
    "seeds",
    [
        {"seed_simulator": 11},
        {"options": {"simulator": {"seed_simulator": 11}}},
        {"options": {"seed_estimator": 11}},
    ],
)
@pytest.mark.parametrize("device", [False, True])
def test_same_seed_repeats_the_job(run, seeds, device):
    """Two jobs with one seed give the same values; two pubs of one job do not."""
    backend = AerSimulator.from_backend(FakeManilaV2()) if device else AerSimulator()
    pubs = [[ghz(2), ["XI", "YX"]], [ghz(2), ["XI", "YX"]], [turned(), "X", [[0.5], [0.5]]]]
    first, second = (
        [pub.data.evs.tolist() for pub in run(pubs, backend, **seeds)] for _ in range(2)
    )

    assert first == second
    assert first[0] != first[1]
    assert first[2][0] != first[2][1]


def test_progress_counts_pubs(run):
    """Progress goes from none to all of the pubs."""
    messenger = EncodedMessenger()
    run([[ghz(2), "ZZ"], [ghz(2), "XX"]], messenger=messenger)

    assert [(step.done, step.total) for step in messenger.progress] == [(0, 2), (1, 2), (2, 2)]


# Refusals


def measured():
    """A circuit with a measurement in it."""
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("pubs", "match"),
    [
        (None, "^pubs: expected a list"),
        ([], "^pubs: expected a list"),
        ([ghz(2)], r"^pubs\[0\]: expected 2 to 4 of \[circuit, observables"),
        ([[ghz(2), "ZZ"], [ghz(2)]], r"^pubs\[1\]: expected 2 to 4"),
        ([[1, "ZZ"]], r"^pubs\[0\]: expected a circuit"),
        ([[ghz(2), "ZZZ"]], r"^pubs\[0\]: .*qubits"),
        ([[ghz(2), ["ZZ", "Z"]]], r"^pubs\[0\]: .*qubits"),
        ([[ghz(2), "QQ"]], r"^pubs\[0\]: "),
        ([[ghz(2), None]], r"^pubs\[0\]: "),
        ([[ghz(2), {"ZZ": 1j}]], r"^pubs\[0\]: .*Hermitian"),
        ([[turned(), "Z"]], r"^pubs\[0\]: .*parameters"),
        ([[turned(), "Z", [float("nan")]]], r"^pubs\[0\]: .*finite"),
        ([[turned(), ["Z"] * 2, [[0.1]] * 3]], r"^pubs\[0\]: .*broadcast"),
        ([[ghz(2), "ZZ", None, -0.1]], r"^pubs\[0\]: precision: expected"),
        ([[ghz(2), "ZZ", None, "fine"]], r"^pubs\[0\]: precision: expected"),
        ([[ghz(2), "ZZ", None, 1e-6]], r"^pubs\[0\]: precision 1e-06 takes more than"),
        ([[ghz(13), "0" * 13]], r"^pubs\[0\]: .*projectors"),
        ([[measured(), "Z", None, 0]], r"^pubs\[0\]: the circuit measures"),
    ],
)
def test_wrong_pub_is_named(refuse, pubs, match):
    """A mistake in a pub is refused with its number, and nothing is published."""
    refuse(match, pubs)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"options": 3}, "^options: expected an object"),
        ({"skip_transpilation": "yes"}, "^skip_transpilation: expected true"),
        ({"options": {"default_precison": 1}}, "mean 'default_precision'"),
        (
            {"options": {"simulator": {"basis_gates": ["cxx"]}}},
            "^options.simulator.basis_gates: there is no gate 'cxx'; did you mean 'cx'",
        ),
        ({"options": {"default_precision": -1}}, "^options.default_precision: expected"),
        ({"options": {"default_shots": 1.5}}, "^options.default_shots: expected"),
        ({"options": {"default_shots": 10**8 + 1}}, "^options.default_shots: expected"),
        ({"default_precision": "fine"}, "^default_precision: expected"),
        ({"options": {"seed_estimator": "a"}}, "^options.seed_estimator: expected"),
        ({"resilience_level": 3}, "^resilience_level: expected"),
        ({"version": 1}, "^version: expected"),
    ],
)
def test_wrong_option_is_named(refuse, params, match):
    """A wrong option is refused by its dotted name."""
    refuse(match, [[ghz(2), "ZZ"]], **params)


def test_exact_noise_needs_a_density_matrix(refuse):
    """A method without one is refused, with the pub's number and what to do."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["h"])
    backend = AerSimulator(method="matrix_product_state", noise_model=noise)

    refuse(r"^pubs\[0\]: .*matrix_product_state.*precision", [[ghz(2), "ZZ", None, 0]], backend)


@pytest.mark.parametrize("precision", [0, 0.1])
def test_too_large_is_refused_before_transpiling(refuse, monkeypatch, precision):
    """Forty dense qubits are refused with the memory that they would take, and not transpiled."""
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    dense = QuantumCircuit(40)
    dense.ry(0.1, range(40))
    composite = QuantumCircuit(40)
    composite.append(dense.to_gate(), range(40))
    pubs = [[composite, "Z" * 40, None, precision]]

    refuse("memory", pubs, AerSimulator(max_memory_mb=2048), error=TooLarge)


def test_noise_counts_for_the_memory(refuse):
    """Exact values with noise take a density matrix, and that is what is refused."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(0.1, 1), ["h"])
    backend = AerSimulator(max_memory_mb=2048, noise_model=noise)

    refuse("density matrix", [[ghz(20), "Z" * 20, None, 0]], backend, error=TooLarge)


def test_a_pub_of_other_values_keeps_its_parameters(run):
    """Parameters are bound by name, in whatever order the circuit has them."""
    angles = ParameterVector("w", 11)  # w[10] sorts after w[9] here, and before it as text
    circuit = QuantumCircuit(11)
    for qubit, angle in enumerate(reversed(list(angles))):
        circuit.ry(angle, qubit)
    values = np.linspace(0.1, 1.5, 11)
    labels = ["I" * (10 - qubit) + "Z" + "I" * qubit for qubit in range(11)]
    [pub] = run([[circuit, labels, values, 0]])

    assert pub.data.evs == pytest.approx(np.cos(values[::-1]))


# Metadata


def test_metadata_match_main(load_program, load_metadata):
    """The schema is valid, and describes main's parameters, each with words and its default."""
    metadata = load_metadata("estimator")
    described = metadata["spec"]["parameters"]
    main = load_program("estimator").main
    parameters = dict(list(inspect.signature(main).parameters.items())[2:])

    jsonschema_rs.meta.validate(described)
    jsonschema_rs.meta.validate(metadata["spec"]["return_values"])
    assert set(described["properties"]) == set(parameters)
    assert described["required"] == ["pubs"]
    for name, schema in described["properties"].items():
        assert schema["description"], name
        if name != "pubs":
            assert schema["default"] == parameters[name].default, name
