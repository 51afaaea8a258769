"""quantum-kernel-alignment: kernels and costs against NumPy, alignment of drawn data, seeds."""

import inspect
import json

import jsonschema_rs
import numpy as np
import pytest
from qiskit.transpiler import StagedPassManager
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2
from scipy.optimize import LinearConstraint, minimize

from qiskit_runtime.programs.simulate.memory import TooLarge
from tests.drawn_seeds import draw_seed
from tests.programs.coset_points import EDGES, draw_points
from tests.programs.encoded_messenger import EncodedMessenger, as_decoded, as_posted

PAIR = {"feature_dimension": 4, "entangler_map": [[0, 1]]}


@pytest.fixture
def run(load_program, load_metadata):
    """Post parameters to the program: by its schema, its decoder and the client's."""

    def run_program(feature_map, data, labels, backend=None, **params):
        text = as_posted({"feature_map": feature_map, "data": data, "labels": labels, **params})
        schema = load_metadata("quantum_kernel_alignment")["spec"]["parameters"]
        jsonschema_rs.validator_for(schema).validate(json.loads(text))
        messenger = EncodedMessenger()
        program = load_program("quantum_kernel_alignment")
        program.main(backend or AerSimulator(), messenger, **as_decoded(text))
        return messenger

    return run_program


@pytest.fixture
def program(load_program):
    """The program's module, through which its others are reached."""
    return load_program("quantum_kernel_alignment")


@pytest.fixture
def drawn():
    """A few drawn points of four features, of both classes, and the seed that drew them."""
    rng = np.random.default_rng(seed := draw_seed())
    return rng.uniform(-2, 2, (5, 4)), np.array([1, -1, 1, 1, -1]), seed


def apply(gate, qubit, state, num_qubits):
    """A gate's 2x2 matrix on one qubit, by a Kronecker product of matrices."""
    matrix = np.eye(1)
    for place in reversed(range(num_qubits)):
        matrix = np.kron(matrix, gate if place == qubit else np.eye(2))
    return matrix @ state


def make_state(point, parameters, pairs):
    """The feature map by matrices: Ry(-p), CZ of each pair, Rz(-2 x1), Rx(-2 x0)."""
    size = len(point) // 2
    state = np.zeros(2**size, dtype=complex)
    state[0] = 1
    for qubit, angle in enumerate(np.broadcast_to(-np.asarray(parameters), size)):
        c, s = np.cos(angle / 2), np.sin(angle / 2)
        state = apply(np.array([[c, -s], [s, c]]), qubit, state, size)
    index = np.arange(2**size)
    for left, right in pairs:
        state = state * (1 - 2 * (index >> left & index >> right & 1))
    for qubit in range(size):
        z, x = -point[2 * qubit + 1], -point[2 * qubit]
        state = apply(np.diag([np.exp(-1j * z), np.exp(1j * z)]), qubit, state, size)
        rx = np.array([[np.cos(x), -1j * np.sin(x)], [-1j * np.sin(x), np.cos(x)]])
        state = apply(rx, qubit, state, size)
    return state


def make_kernel(points, parameters, pairs, others=None):
    """The kernel by matrices: the squared overlap of two states."""
    left, right = (
        np.array([make_state(point, parameters, pairs) for point in rows])
        for rows in (points, points if others is None else others)
    )
    return np.abs(left.conj() @ right.T) ** 2


def solve_dual(kernel, labels, box):
    """The maximum of the dual problem by SLSQP, which shares nothing with libsvm."""
    quadratic = kernel * np.outer(labels, labels)
    found = minimize(
        lambda a: a @ quadratic @ a / 2 - a.sum(),
        np.full(len(labels), 0.1),
        jac=lambda a: quadratic @ a - 1,
        bounds=[(0, box)] * len(labels),
        constraints=LinearConstraint(labels[None], 0, 0),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    return -found.fun


# Kernels


@pytest.mark.parametrize("parameters", [[0.3], [0.3, -1.1]])
@pytest.mark.parametrize("pairs", [[[0, 1]], [], None])
def test_exact_kernel_is_numpys(run, drawn, parameters, pairs):
    """Without shots, drawn points have the kernel that matrices give, for every entangler map."""
    points, labels, seed = drawn
    feature_map = {"feature_dimension": 4, "entangler_map": pairs}
    messenger = run(
        feature_map,
        points,
        labels,
        initial_kernel_parameters=parameters,
        maxiters=0,
        shots=None,
        test_data=points[:2] + 0.1,
        test_labels=[1, -1],
    )
    [final] = messenger.final

    expected = make_kernel(points, parameters, [[0, 1]] if pairs is None else pairs)
    assert np.allclose(final["aligned_kernel_matrix"], expected, atol=1e-12), seed
    assert np.allclose(final["aligned_kernel_parameters"], parameters)
    assert messenger.interim == []


@pytest.mark.parametrize("device", [False, True])
def test_sampled_kernel_is_numpys(run, drawn, device):
    """With 8192 shots the kernel is within five standard errors, on a device's gates as well."""
    points, labels, seed = drawn
    backend = AerSimulator.from_backend(FakeGuadalupeV2(), noise_model=None) if device else None
    layout = {"initial_layout": [3, 5]} if device else {}
    [final] = run(
        PAIR, points, labels, backend, initial_kernel_parameters=[0.7], maxiters=0, **layout
    ).final
    kernel = final["aligned_kernel_matrix"]

    expected = make_kernel(points, [0.7], [[0, 1]])
    margin = 5 * np.sqrt(expected * (1 - expected).clip(0) / 8192) + 1e-3
    assert (np.abs(kernel - expected) <= margin).all(), (seed, kernel, expected)
    assert (np.diag(kernel) == 1).all()
    assert (kernel == kernel.T).all()


def test_kernel_with_test_points_is_numpys(program, drawn):
    """Rows of other points, which the test accuracy is of, are as by matrices."""
    points, _, seed = drawn
    feature_map = program.read_feature_map(PAIR)
    expected = make_kernel(points[:2] + 0.3, [0.4], [[0, 1]], points)
    for shots, margin in ((None, 1e-12), (8192, 0.035)):
        kernel = program.FidelityKernel(AerSimulator(), feature_map, shots, seed=1)
        found = kernel.evaluate(np.array([0.4]), points[:2] + 0.3, points)
        assert np.allclose(found, expected, atol=margin), seed


def test_pairs_are_run_in_parts(program, drawn, monkeypatch):
    """Many pairs are run a part at a time, and the parts fit together."""
    points, _, seed = drawn
    monkeypatch.setitem(program.FidelityKernel.evaluate.__globals__, "MAX_CIRCUITS", 3)
    feature_map = program.read_feature_map(PAIR)
    kernel = program.FidelityKernel(AerSimulator(), feature_map, 8192, seed=1)
    found = kernel.evaluate(np.array([0.4]), points)

    assert kernel.runs == 4
    assert np.allclose(found, make_kernel(points, [0.4], [[0, 1]]), atol=0.035), seed


def test_one_circuit_is_transpiled_once(run, drawn, monkeypatch):
    """However many pairs and steps there are, one circuit is transpiled, and one run a kernel."""
    points, labels, _ = drawn
    transpiled, sent = [], []
    transpile_one, run_all = StagedPassManager.run, AerSimulator.run

    def counted(manager, circuit):
        transpiled.append(circuit.num_parameters)
        return transpile_one(manager, circuit)

    def recorded(backend, circuits, **options):
        [binds] = options["parameter_binds"]
        sent.append(len(next(iter(binds.values()))))
        return run_all(backend, circuits, **options)

    monkeypatch.setattr(StagedPassManager, "run", counted)
    monkeypatch.setattr(AerSimulator, "run", recorded)
    run(PAIR, points, labels, maxiters=3, shots=100)

    assert transpiled == [10]
    assert sent == [10] * 7  # 5 * 4 / 2 pairs; two kernels a step, and the final one


# Costs


def test_cost_has_its_known_values(program):
    """Two points: 1 where they are orthogonal, 2 C where they are the same."""
    find_cost, labels = program.find_cost, np.array([1.0, -1.0])

    assert find_cost(np.eye(2), labels, 10) == pytest.approx(1)
    assert find_cost(np.ones((2, 2)), labels, 0.7) == pytest.approx(1.4)


@pytest.mark.parametrize("box", [0.3, 1, 10])
def test_cost_is_the_dual_maximum(program, box):
    """On drawn kernels the cost is what another solver finds, to 1e-5."""
    rng = np.random.default_rng(seed := draw_seed())
    points = rng.uniform(-1, 1, (12, 4))
    labels = rng.permutation(np.resize([1.0, -1.0], 12))
    kernel = make_kernel(points, [0.5], [(0, 1)])

    cost = program.find_cost(kernel, labels, box)
    assert cost == pytest.approx(solve_dual(kernel, labels, box), abs=1e-5), seed


# Alignment


def test_alignment_follows_its_contract(run, drawn):
    """Three steps are those of SPSA with the gains and perturbations of 2021, by NumPy alone."""
    points, labels, seed = drawn
    messenger = run(
        PAIR, points, labels, initial_kernel_parameters=[0.4, 0.9], maxiters=3, C=2, shots=None
    )

    parameters = np.array([0.4, 0.9])
    for step, message in enumerate(messenger.interim):
        gain, spread = 0.05 / (step + 1) ** 0.602, 0.1 / (step + 1) ** 0.101
        signs = 2 * np.random.RandomState(step).randint(0, 2, 2) - 1  # of 2021
        costs = [
            solve_dual(make_kernel(points, parameters + sign * spread * signs, [(0, 1)]), labels, 2)
            for sign in (1, -1)
        ]
        parameters = parameters - gain * (costs[0] - costs[1]) / (2 * spread) * signs
        assert set(message) == {"cost", "kernel_parameters"}
        assert message["cost"] == pytest.approx(np.mean(costs), abs=1e-5), seed
        assert np.allclose(message["kernel_parameters"], parameters, atol=1e-4), seed
    assert len(messenger.interim) == 3
    [final] = messenger.final
    assert (final["aligned_kernel_parameters"] == messenger.interim[-1]["kernel_parameters"]).all()


def test_last_tenth_is_averaged(program):
    """Below ten steps the last one is returned, at 20 and at 29 the mean of the last two."""
    average_last = program.average_last
    found = [np.array([float(step), -float(step)]) for step in range(30)]

    assert average_last(found[:9]).tolist() == [8, -8]
    assert average_last(found[:19]).tolist() == [18, -18]
    assert average_last(found[:20]).tolist() == [18.5, -18.5]
    assert average_last(found[:29]).tolist() == [27.5, -27.5]


@pytest.mark.parametrize("graph", [7, 10])
def test_cosets_have_one_state_at_the_optimum(run, graph):
    """At pi/2 the kernel of points of one coset is 1, whatever the graph; of two it is not."""
    rng = np.random.default_rng(seed := draw_seed())
    points, labels = draw_points(graph, EDGES[graph], 8, rng, noise=0)
    feature_map = {"feature_dimension": 2 * graph, "entangler_map": EDGES[graph]}
    start = {"initial_kernel_parameters": [np.pi / 2]}
    [final] = run(feature_map, points, labels, maxiters=0, shots=None, **start).final
    kernel, same = final["aligned_kernel_matrix"], np.equal.outer(labels, labels)

    assert np.allclose(kernel[same], 1), seed
    assert kernel[~same].max() < 0.9, seed
    assert final["accuracy"] == 1


@pytest.mark.parametrize(("graph", "start"), [(7, 0.1), (10, 0.8)])
def test_alignment_learns_a_graph(run, graph, start):
    """Ten steps lower the cost, move to the optimum at pi/2, and classify points never seen."""
    # One data set of each shape: there are some that take more than ten steps.
    points, labels = draw_points(graph, EDGES[graph], 60, np.random.default_rng(4))
    feature_map = {"feature_dimension": 2 * graph, "entangler_map": EDGES[graph]}
    params = {
        "data": points[:20],
        "labels": labels[:20],
        "test_data": points[20:],
        "test_labels": labels[20:],
        "shots": None,
    }
    messenger = run(
        json.dumps(feature_map), maxiters=10, initial_kernel_parameters=[start], **params
    )
    costs = [message["cost"] for message in messenger.interim]
    [aligned] = messenger.final

    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.25 * costs[0]
    assert 1.1 < aligned["aligned_kernel_parameters"][0] < np.pi / 2
    assert aligned["accuracy"] == aligned["test_accuracy"] == 1
    # Without alignment it learns the training points by heart, and no others.
    [before] = run(feature_map, maxiters=0, initial_kernel_parameters=[0.1], **params).final
    assert before["accuracy"] == 1
    assert before["test_accuracy"] < 0.6


def test_alignment_with_shots_stays_near_the_exact_one(run):
    """With shots, steps and costs are those of the exact kernel but for sampling."""
    rng = np.random.default_rng(seed := draw_seed())
    points, labels = draw_points(3, [(0, 1), (1, 2)], 12, rng)
    feature_map = {"feature_dimension": 6, "entangler_map": [[0, 1], [1, 2]]}
    sampled, exact = (
        run(
            feature_map,
            points.tolist(),
            labels.tolist(),
            initial_kernel_parameters=[0.3],
            maxiters=3,
            shots=shots,
        ).interim
        for shots in (8192, None)
    )

    for one, other in zip(sampled, exact):
        assert one["cost"] == pytest.approx(other["cost"], rel=0.1), seed
        assert one["kernel_parameters"] == pytest.approx(other["kernel_parameters"], abs=0.1), seed


def test_noise_of_the_backend_is_in_the_kernel(run, drawn):
    """With bits read as noise, two qubits are alike in a quarter of the shots, but for 1."""
    points, labels, _ = drawn
    noise = NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.5, 0.5], [0.5, 0.5]]))
    [final] = run(PAIR, points, labels, AerSimulator(noise_model=noise), maxiters=0).final
    kernel = final["aligned_kernel_matrix"]

    assert (np.diag(kernel) == 1).all()
    assert kernel[~np.eye(5, dtype=bool)] == pytest.approx(0.25, abs=0.03)


def test_arrays_and_a_number_are_taken(run, drawn):
    """Encoded arrays of qubits, and one number as the start, pass the schema and main alike."""
    points, labels, _ = drawn
    feature_map = {"feature_dimension": 4, "entangler_map": np.array([[0, 1]])}
    inputs = {"initial_kernel_parameters": 0.3, "initial_layout": np.array([1, 0]), "C": 1e-12}
    [final] = run(feature_map, points, labels, maxiters=0, shots=10, **inputs).final

    assert final["aligned_kernel_parameters"] == pytest.approx([0.3])


# Seeds and progress


@pytest.mark.parametrize("device", [False, True])
def test_same_seed_repeats_the_job(run, drawn, device):
    """Two jobs with one seed publish the same text, drawn start included; others do not."""
    points, labels, _ = drawn
    backend = AerSimulator.from_backend(FakeGuadalupeV2()) if device else AerSimulator()
    texts = [
        run(PAIR, points, labels, backend, maxiters=2, shots=200, seed_simulator=seed).texts
        for seed in (5, 5, 6)
    ]

    assert texts[0] == texts[1] != texts[2]


def test_start_is_drawn(run, drawn):
    """Without initial parameters there is one a qubit, from -1 to 1."""
    points, labels, _ = drawn
    starts = [
        run(PAIR, points, labels, maxiters=0, shots=None).final[0]["aligned_kernel_parameters"]
        for _ in range(2)
    ]

    assert starts[0].shape == (2,)
    assert (np.abs(starts) <= 1).all()
    assert (starts[0] != starts[1]).all()


def test_progress_counts_steps(run, drawn):
    """Progress goes over the steps to the final kernel; the best is the lowest cost so far."""
    points, labels, _ = drawn
    messenger = run(PAIR, points, labels, maxiters=2, shots=None)
    costs = [message["cost"] for message in messenger.interim]

    assert [(step.done, step.total) for step in messenger.progress] == [
        (0, 3),
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert messenger.progress[0].best is None
    assert [step.best for step in messenger.progress[1:3]] == [costs[0], min(costs)]


# Refusals

ROWS, CLASSES = [[0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]], [1, -1]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"feature_map": "{"}, "^feature_map: the text is no JSON"),
        ({"feature_map": [4]}, "^feature_map: expected an object"),
        ({"feature_map": {"dimension": 4}}, "^feature_map: unknown fields dimension"),
        ({"feature_map": {}}, "^feature_map.feature_dimension: expected"),
        ({"feature_map": {"feature_dimension": 3}}, "^feature_map.feature_dimension: .*even"),
        ({"feature_map": {**PAIR, "entangler_map": [[0, 2]]}}, r"^feature_map.entangler_map\[0\]"),
        ({"feature_map": {**PAIR, "entangler_map": [[1, 1]]}}, r"^feature_map.entangler_map\[0\]"),
        ({"feature_map": {**PAIR, "entangler_map": 3}}, "^feature_map.entangler_map: expected"),
        ({"data": [[1, 2]]}, "^data: expected rows of 4"),
        ({"data": [[1, 2, 3, "x"]] * 2}, "^data: expected numbers"),
        ({"data": [[1, 2, 3], [1]]}, "^data: expected numbers"),
        ({"data": [[1, 2, 3, float("nan")]] * 2}, "^data: expected finite"),
        ({"data": None}, "^data: expected"),
        ({"data": np.ones((2, 4)) * 1j}, "^data: expected numbers"),
        ({"data": [["1"] * 4] * 2}, "^data: expected numbers"),
        ({"shots": 10**8 + 1}, "^shots: expected"),
        ({"labels": [1]}, "^labels: expected 2"),
        ({"labels": [1, 0]}, "^labels: expected 1 and -1"),
        ({"labels": [1, 1]}, "^labels: expected both"),
        ({"initial_kernel_parameters": [0.1] * 3}, "^initial_kernel_parameters: expected 1 or 2"),
        ({"initial_kernel_parameters": "random"}, "^initial_kernel_parameters: expected numbers"),
        ({"maxiters": -1}, "^maxiters: expected"),
        ({"maxiters": 1.5}, "^maxiters: expected"),
        ({"C": 0}, "^C: expected"),
        ({"initial_layout": [0]}, "^initial_layout: expected a list of 2"),
        ({"initial_layout": [1, 1]}, "^initial_layout: expected different"),
        ({"initial_layout": [0, 99]}, "^initial_layout: expected"),
        ({"shots": 0}, "^shots: expected"),
        ({"seed_simulator": "one"}, "^seed_simulator: expected"),
        ({"seed_transpiler": -1}, "^seed_transpiler: expected"),
        ({"test_data": ROWS}, "^test_labels: .*go together"),
        ({"test_labels": CLASSES}, "^test_data: .*go together"),
        ({"test_data": ROWS, "test_labels": [1]}, "^test_labels: expected 2"),
        ({"test_data": [[1]], "test_labels": [1]}, "^test_data: expected rows of 4"),
    ],
)
def test_wrong_field_is_named(load_program, wrong, match):
    """A wrong input is refused by its name, before anything runs."""
    messenger = EncodedMessenger()
    inputs = {"feature_map": PAIR, "data": ROWS, "labels": CLASSES} | wrong
    with pytest.raises(ValueError, match=match):
        load_program("quantum_kernel_alignment").main(AerSimulator(), messenger, **inputs)
    assert messenger.texts == []
    assert messenger.progress == []


@pytest.mark.parametrize("shots", [None, 8192])
def test_too_large_is_refused_before_transpiling(program, monkeypatch, shots):
    """A feature map of forty qubits is refused with the memory that it would take."""
    scope = program.FidelityKernel.evaluate.__globals__
    monkeypatch.setitem(scope, "make_passes", None)
    with pytest.raises(TooLarge, match="memory"):
        program.main(
            AerSimulator(max_memory_mb=2048),
            EncodedMessenger(),
            {"feature_dimension": 80},
            np.zeros((2, 80)),
            CLASSES,
            shots=shots,
        )


def test_device_too_small_is_named(load_program):
    """A feature map with more qubits than the device has is refused by its field's name."""
    device = AerSimulator.from_backend(FakeGuadalupeV2())
    messenger = EncodedMessenger()
    with pytest.raises(ValueError, match="^feature_map.feature_dimension: it takes 17 qubits"):
        load_program("quantum_kernel_alignment").main(
            device, messenger, {"feature_dimension": 34}, np.zeros((2, 34)), CLASSES
        )


# Metadata


def test_metadata_match_main(program, load_metadata):
    """The schemas are valid, and describe main's parameters, each with words and its default."""
    metadata = load_metadata("quantum_kernel_alignment")
    described = metadata["spec"]["parameters"]
    parameters = dict(list(inspect.signature(program.main).parameters.items())[2:])

    for part in ("parameters", "return_values", "interim_results"):
        jsonschema_rs.meta.validate(metadata["spec"][part])
    assert set(described["properties"]) == set(parameters)
    mandatory = [name for name, item in parameters.items() if item.default is item.empty]
    assert described["required"] == mandatory == ["feature_map", "data", "labels"]
    for name, schema in described["properties"].items():
        assert schema["description"], name
        if name not in mandatory:
            assert schema["default"] == parameters[name].default, name
    assert metadata["max_execution_time"] == 28800
