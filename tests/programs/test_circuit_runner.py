"""circuit-runner: known answers, answers on drawn circuits, refusals, and plain JSON results."""

import inspect
import json
from datetime import UTC, datetime

import jsonschema_rs
import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector, hellinger_fidelity
from qiskit.result import MeasLevel, Result
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_ibm_runtime.fake_provider import FakeGuadalupeV2
from qiskit_ibm_runtime.results.runner import RunnerResult

from qiskit_runtime.contract.schemas.params_schema import find_errors
from qiskit_runtime.programs.inputs.aer_options import DEVICE_OPTIONS, option_names
from qiskit_runtime.programs.inputs.circuits import TRANSPILER_OPTIONS
from qiskit_runtime.programs.simulate import transpiling
from qiskit_runtime.programs.simulate.memory import TooLarge
from tests.drawn_seeds import draw_seed
from tests.programs.encoded_messenger import EncodedMessenger, as_decoded, as_posted
from tests.programs.executor_client import decode

KNOWN = {
    "111111": 1 / 2,
    "110111": 1 / 8,
    **dict.fromkeys(["000111", "100111", "110011"], 1 / 16),
    **dict.fromkeys(["000011", "100011", "110000", "110001"], 1 / 32),
    **dict.fromkeys(["000000", "000001", "100000", "100001"], 1 / 64),
}
"""The distribution of ``six_qubits``."""


@pytest.fixture
def run(load_program, messenger):
    """Run the program; give the result restored from the JSON that it published."""

    def run_program(circuits, backend=None, **inputs):
        load_program("circuit_runner").main(
            backend or AerSimulator(), messenger, circuits, **inputs
        )
        [final] = messenger.final
        assert messenger.interim == []
        return Result.from_dict(final)

    return run_program


@pytest.fixture
def refuse(load_program, messenger):
    """Check that the program refuses its inputs with a text that matches, and runs nothing."""

    def check(match, circuits, backend=None, **inputs):
        program = load_program("circuit_runner")
        with pytest.raises(ValueError, match=match):
            program.main(backend or AerSimulator(), messenger, circuits, **inputs)
        assert messenger.final == []

    return check


def bell():
    """A Bell pair, measured."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def six_qubits():
    """The tutorial's circuit: a seed pair of excitations that spreads by controlled H."""
    circuit = QuantumCircuit(6)
    circuit.x(range(6))
    circuit.h(range(6))
    for control, target in [(3, 2), (2, 1), (1, 0), (3, 4), (4, 5)]:
        circuit.ch(control, target)
    circuit.measure_all()
    return circuit


def readout_noise(*errors):
    """An Aer that misreads qubit i with (P(1|0), P(0|1)) = errors[i]."""
    noise = NoiseModel()
    for qubit, (p10, p01) in enumerate(errors):
        noise.add_readout_error(ReadoutError([[1 - p10, p10], [p01, 1 - p01]]), [qubit])
    return AerSimulator(noise_model=noise)


def distribution(by_hex, width):
    """A distribution keyed by bits, from one keyed by hexadecimal text."""
    return {f"{int(key, 16):0{width}b}": value for key, value in by_hex.items()}


def total_variation(left, right):
    """Half the sum of the differences of two distributions that are keyed alike."""
    return sum(abs(left.get(key, 0) - right.get(key, 0)) for key in {*left, *right}) / 2


# Known answers


def test_bell(run):
    """A Bell pair gives 0x0 and 0x3 only, half and half, and the run's facts."""
    result = run(bell(), shots=2000)

    assert result.success
    assert result.backend_name == "aer_simulator"
    assert set(result.data(0)["counts"]) == {"0x0", "0x3"}
    assert sum(result.get_counts().values()) == 2000
    assert abs(result.get_counts()["00"] - 1000) <= 5 * 500**0.5


def test_known_distribution_is_exact():
    """The distribution that the next test holds the program to is the circuit's own."""
    state = Statevector(six_qubits().remove_final_measurements(inplace=False))

    assert state.probabilities_dict(decimals=9) == pytest.approx(KNOWN)


@pytest.mark.parametrize("layout", [None, [0, 1, 4, 7, 10, 12]])
def test_six_qubits(run, layout):
    """The tutorial's circuit has its 13 outcomes and parity 0.4375, wherever it is laid out."""
    counts = run(six_qubits(), shots=2048, initial_layout=layout, optimization_level=0).get_counts()

    assert set(counts) <= set(KNOWN)
    assert hellinger_fidelity(counts, KNOWN) > 0.99
    parity = sum((-1) ** key.count("1") * n for key, n in counts.items()) / 2048
    assert abs(parity - 0.4375) < 5 * ((1 - 0.4375**2) / 2048) ** 0.5


def test_layout_is_obeyed(run):
    """The circuit runs on the physical qubits that initial_layout names."""
    # Qubit 3 is the one that is misread, always.
    backend = readout_noise((0, 0), (0, 0), (0, 0), (1, 1))
    circuit = QuantumCircuit(1)
    circuit.measure_all()

    assert run(circuit, backend, initial_layout=[3]).get_counts() == {"1": 1024}


def test_unmeasured_circuit(run):
    """A circuit without measurements succeeds with empty data, with mitigation too."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    result = run([circuit, bell()], measurement_error_mitigation=True)

    assert result.success
    assert result.data(0) == {}
    assert "quasiprobabilities" in result.data(1)


# Circuits drawn at test time


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_drawn_circuits(run, level):
    """A list of random circuits gives, in its order, what NumPy finds for each."""
    seeds = [draw_seed(31) for _ in range(4)]
    drawn = [random_circuit(width, 4, seed=seed) for width, seed in zip((2, 3, 4, 5), seeds)]
    result = run(
        [circuit.measure_all(inplace=False) for circuit in drawn],
        shots=4096,
        optimization_level=level,
    )

    for index, circuit in enumerate(drawn):
        exact = Statevector(circuit).probabilities_dict()
        assert hellinger_fidelity(result.get_counts(index), exact) > 0.98, seeds


def test_repeats_with_seeds(run, messenger):
    """The same seeds give the same counts and the same mitigated distribution."""
    noisy = readout_noise((0.1, 0.1), (0.1, 0.1))
    seeds = {"seed_simulator": 3, "seed_transpiler": 4}
    first = run(bell(), noisy, measurement_error_mitigation=True, **seeds).data(0)
    messenger.final.clear()

    assert run(bell(), noisy, measurement_error_mitigation=True, **seeds).data(0) == first


def test_one_seed_repeats_the_job(load_program, monkeypatch):
    """seed_simulator alone fixes the transpiler's choices too, unless it has a seed of its own."""
    program = load_program("circuit_runner")
    seeds = []

    def recorded(circuits, target, **kwargs):
        seeds.append(kwargs.get("seed_transpiler"))
        return transpile(circuits, target=target, **kwargs)

    monkeypatch.setattr(transpiling, "transpile", recorded)
    device = AerSimulator.from_backend(FakeGuadalupeV2())
    counts = []
    for options in (
        {"seed_simulator": 3},
        {"seed_simulator": 3},
        {"seed_simulator": 3, "seed_transpiler": 4},
        {"seed_simulator": 3, "transpiler_options": {"seed_transpiler": 5}},
        {"seed_transpiler": 6},
    ):
        messenger = EncodedMessenger()
        program.main(device, messenger, six_qubits(), **options)
        counts.append(messenger.final[0]["results"][0]["data"]["counts"])

    assert seeds == [3, 3, 4, 5, 6]
    assert counts[0] == counts[1]


def test_progress_counts_circuits(load_program):
    """Progress goes from none to all of the circuits, which run in one call."""
    messenger = EncodedMessenger()
    load_program("circuit_runner").main(AerSimulator(), messenger, [bell(), bell()])

    assert [(step.done, step.total) for step in messenger.progress] == [(0, 2), (2, 2)]


def test_too_large_is_refused_before_transpiling(load_program, monkeypatch):
    """Forty dense qubits are refused with the memory that they would take, and not transpiled."""
    program = load_program("circuit_runner")
    monkeypatch.setattr(transpiling, "transpile", None)
    dense = QuantumCircuit(40)
    dense.ry(0.1, range(40))
    with pytest.raises(TooLarge, match="memory"):
        program.main(AerSimulator(max_memory_mb=2048), EncodedMessenger(), [bell(), dense])


def test_saved_state(run):
    """A saved state vector arrives as [re, im] pairs, equal to NumPy's."""
    seed = draw_seed(31)
    circuit = random_circuit(3, 3, seed=seed)
    saved = circuit.copy()
    saved.save_statevector()
    pairs = np.array(run(saved, optimization_level=0).data(0)["statevector"])

    assert Statevector(pairs[:, 0] + 1j * pairs[:, 1]).equiv(Statevector(circuit)), seed


# Options


def test_transpiles_once(load_program, messenger, monkeypatch):
    """The whole list is transpiled in one call."""
    program = load_program("circuit_runner")
    calls = []

    def counted(circuits, *args, **kwargs):
        calls.append(len(circuits))
        return transpile(circuits, *args, **kwargs)

    monkeypatch.setattr(transpiling, "transpile", counted)
    program.main(AerSimulator(), messenger, [bell()] * 5)

    assert calls == [5]


def test_options_reach_the_transpiler(load_program, messenger, monkeypatch):
    """Fields and transpiler_options become transpile's arguments; what is not given, is not."""
    program = load_program("circuit_runner")
    seen = {}

    def recorded(circuits, target, **kwargs):
        seen.update(kwargs)
        return transpile(circuits, target=target, **kwargs)

    monkeypatch.setattr(transpiling, "transpile", recorded)
    given = {"layout_method": "trivial", "routing_method": "basic", "seed_transpiler": 7}
    given |= {"translation_method": "translator", "optimization_level": 1}
    more = {"approximation_degree": 1.0}
    program.main(
        AerSimulator(), messenger, bell(), transpiler_options=more, init_qubits=False, **given
    )

    assert seen == given | more | {"qubits_initially_zero": False}


def test_options_reach_the_backend(run):
    """Shots, memory, seed and other options of Aer's go to backend.run."""
    result = run(
        bell(),
        shots=50,
        memory=True,
        seed_simulator=11,
        method="statevector",
        max_parallel_threads=1,
    )

    assert result.results[0].shots == 50
    assert result.results[0].seed_simulator == 11
    assert result.results[0].metadata["method"] == "statevector"
    assert set(result.get_memory()) <= {"00", "11"}
    assert len(result.get_memory()) == 50


def test_what_clients_send_for_devices_is_left_out(run, capsys):
    """Options of IBMBackend.run for a device run, and the log lists those that Aer ignored."""
    as_every_simulation = {"meas_level": 2, "meas_return": "avg", "use_measure_esp": False}
    beyond = {"rep_delay": 1e-4, "init_num_resets": 3, "header": {"a": 1}}
    counts = run(bell(), shots=10, init_qubits=True, **as_every_simulation, **beyond).get_counts()

    assert sum(counts.values()) == 10
    told = "left out, as Aer has no such thing: init_num_resets, header, rep_delay\n"
    assert capsys.readouterr().out == told


def test_skip_transpilation(load_program, messenger, monkeypatch, capsys):
    """With skip_transpilation nothing is transpiled, and the log lists fields that do nothing."""
    program = load_program("circuit_runner")
    monkeypatch.setattr(program, "transpile_circuits", None)
    program.main(
        AerSimulator(),
        messenger,
        bell(),
        skip_transpilation=True,
        optimization_level=3,
        transpiler_options={"layout_method": "sabre"},
    )

    assert set(messenger.final[0]["results"][0]["data"]["counts"]) == {"0x0", "0x3"}
    assert (
        "skip_transpilation is true: layout_method, optimization_level" in capsys.readouterr().out
    )


def turned(*names):
    """A qubit turned by a free angle for each name, in a register each, measured."""
    circuit = QuantumCircuit(len(names), name="turned")
    for qubit, name in enumerate(names):
        circuit.ry(Parameter(name), qubit)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("key", [str, Parameter])
@pytest.mark.parametrize("level", [0, 2])
def test_parameter_binds_match_by_name(run, key, level):
    """Values by name, or by a parameter of that name, make a result each, circuit by circuit."""
    binds = [
        {key("b"): [0, np.pi, np.pi], key("a"): [np.pi, 0, np.pi]},
        {},
        {key("c"): np.array([np.pi])},
    ]
    circuits = [turned("a", "b"), bell(), turned("c")]
    result = run(circuits, shots=9, parameter_binds=binds, optimization_level=level)

    counts = [result.get_counts(index) for index in range(5)]
    assert counts[:3] == [{"01": 9}, {"10": 9}, {"11": 9}]
    assert set(counts[3]) <= {"00", "11"}
    assert counts[4] == {"1": 9}


def test_parameter_binds_come_from_json(load_program, messenger):
    """A client's circuits by QPY are bound to values by name; one object serves one circuit."""
    circuit = QuantumCircuit(1)
    circuit.rx(2 * Parameter("angle"), 0)
    circuit.measure_all()
    posted = as_posted({"circuits": circuit, "parameter_binds": {"angle": [0, np.pi / 2]}})
    load_program("circuit_runner").main(AerSimulator(), messenger, **as_decoded(posted))

    counts = [item["data"]["counts"] for item in messenger.final[0]["results"]]
    assert counts == [{"0x0": 1024}, {"0x1": 1024}]


def test_parameter_that_transpiling_drops_keeps_its_results(run):
    """A phase before a measurement goes, and each of its values has a result still."""
    circuit = QuantumCircuit(1)
    circuit.rz(Parameter("unseen"), 0)
    circuit.measure_all()
    device = AerSimulator.from_backend(FakeGuadalupeV2(), noise_model=None)
    result = run(circuit, device, shots=5, parameter_binds=[{"unseen": [1, 2, 3]}])

    assert [result.get_counts(index) for index in range(3)] == [{"0": 5}] * 3


@pytest.mark.parametrize(
    ("binds", "match"),
    [
        ("angle", "^parameter_binds: expected a list of objects"),
        ([[1]], "^parameter_binds: expected a list of objects"),
        ([], "^parameter_binds: has 0 objects for 1 circuits"),
        ([{"angle": [1]}, {"angle": [2]}], "^parameter_binds: has 2 objects for 1 circuits"),
        ([{"angel": [1], "other": [1]}], r"\[0\]: .* no parameter 'angel'; did you mean 'angle'"),
        ([{"angle": [1]}], r"^parameter_binds\[0\]: has no values for other"),
        ([{"angle": [1, 2], "other": [1]}], r"\[0\]: .* got 2 for angle, 1 for other"),
        ([{"angle": [], "other": []}], r"^parameter_binds\[0\].angle: expected one value"),
        (
            [{"angle": [1, "a"], "other": [1, 2]}],
            r"^parameter_binds\[0\].angle\[1\]: expected a num",
        ),
        ([{"angle": [float("nan")], "other": [1]}], r"^parameter_binds\[0\].angle\[0\]: expected"),
    ],
)
def test_wrong_binds_are_named(refuse, binds, match):
    """Wrong names, lengths and values of parameter_binds are refused by their place."""
    refuse(match, turned("angle", "other"), parameter_binds=binds)


def test_binds_do_not_go_with_mitigation(refuse):
    """Mitigation asks for bound circuits, and says so."""
    refuse(
        "^measurement_error_mitigation: does not go with parameter_binds",
        turned("a"),
        parameter_binds=[{"a": [1]}],
        measurement_error_mitigation=True,
    )


def test_none_is_not_given(run):
    """Null for an optional field means its default."""
    nothing = dict.fromkeys(
        [
            "shots",
            "initial_layout",
            "optimization_level",
            "transpiler_options",
            "init_qubits",
            "rep_delay",
            "measurement_error_mitigation",
            "seed_simulator",
            "memory",
            "inst_map",
            "skip_transpilation",
            "parameter_binds",
            "method",
            "noise_model",
            "max_parallel_threads",
            "meas_level",
        ]
    )

    assert sum(run(bell(), **nothing).get_counts().values()) == 1024


# Refusals


@pytest.mark.parametrize("circuits", [None, [], "OPENQASM 3;", [1], {"circuit": 1}])
def test_refuses_what_is_no_circuit(refuse, circuits):
    """Anything but circuits is refused by the field's name."""
    refuse("circuits: expected a circuit", circuits)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initial_layout", 3),
        ("initial_layout", ["q0", "q1"]),
        ("initial_layout", [1, 99]),
        ("initial_layout", [2, 2]),
        ("layout_method", 1),
        ("routing_method", []),
        ("translation_method", True),
        ("seed_transpiler", "one"),
        ("optimization_level", 4),
        ("optimization_level", True),
        ("transpiler_options", ["seed_transpiler"]),
        ("init_qubits", "yes"),
        ("rep_delay", -1),
        ("rep_delay", float("nan")),
        ("measurement_error_mitigation", "true"),
        ("shots", 0),
        ("shots", 1.5),
        ("shots", "many"),
        ("shots", True),
        ("seed_simulator", "one"),
        ("memory", "no"),
        ("skip_transpilation", "yes"),
    ],
)
def test_names_the_wrong_field(refuse, field, value):
    """A known field of a wrong type is refused by its name, before anything runs."""
    refuse(f"^{field}: expected ", bell(), **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schedule_circuit", True),
        ("scheduling_method", "alap"),
        ("inst_map", {}),
        ("meas_map", [[0, 1]]),
    ],
)
def test_refuses_pulse_scheduling(refuse, field, value):
    """Pulse scheduling is refused by the field's name, with the reason."""
    refuse(f"{field}: .*no pulse module", bell(), **{field: value})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"optimisation_level": 1}, "'optimisation_level' is no .*mean 'optimization_level'"),
        ({"backend": None}, "'backend' is no option"),
        ({"seed_transpiler": 2}, "'seed_transpiler' is given as a field"),
        ({"optimization_level": 9}, "optimization_level: expected"),
    ],
)
def test_refuses_wrong_transpiler_options(refuse, options, match):
    """An unknown, doubled or wrong entry of transpiler_options is refused by its name."""
    refuse(match, bell(), seed_transpiler=1, transpiler_options=options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"transpiler_options": {"initial_layout": [2, 2]}}, "^initial_layout: expected"),
        ({"initial_layout": [1]}, "^initial_layout: "),
        ({"initial_layout": np.array([0.5, 1])}, "^initial_layout: expected"),
        ({"layout_method": "foo"}, "^layout_method: "),
        ({"method": "foo"}, "^method: "),
        ({"method": "foo", "measurement_error_mitigation": True}, "^method: "),
        ({"noise_model": "foo"}, "^noise_model: expected a noise model"),
        ({"shotz": 7}, "^shotz: the simulator has no such option; did you mean 'shots'"),
        ({"skip_transpiling": True}, "^skip_transpiling: .* did you mean 'skip_transpilation'"),
        ({"own": None}, "^own: the simulator has no such option"),
        ({"shots": 10**8 + 1}, "^shots: expected"),
    ],
)
def test_names_what_qiskit_refuses(refuse, options, match):
    """Values that the transpiler or the simulator refuses are refused with the field's name."""
    line = AerSimulator(coupling_map=[[0, 1], [1, 2]], basis_gates=["rz", "sx", "cx"])

    refuse(match, bell(), line, **options)


def test_free_parameters_are_named(refuse):
    """A circuit with a free parameter is refused by its number."""
    free = QuantumCircuit(1)
    free.rx(Parameter("angle"), 0)

    refuse(r"^circuits\[1\]: has free parameters", [bell(), free])


def test_layout_may_be_an_array(run):
    """An array of qubits is a layout."""
    backend = readout_noise((0, 0), (0, 0), (0, 0), (1, 1))
    circuit = QuantumCircuit(1)
    circuit.measure_all()

    assert run(circuit, backend, initial_layout=np.array([3])).get_counts() == {"1": 1024}


def test_method_of_the_run_may_be_wider(run):
    """Forty qubits run by a method that holds no dense state."""
    circuit = QuantumCircuit(40)
    circuit.ry(np.pi, range(40))
    circuit.measure_all()
    result = run(circuit, AerSimulator(max_memory_mb=2048), method="matrix_product_state", shots=5)

    assert result.get_counts() == {"1" * 40: 5}


def test_largest_seed_can_be_mitigated(run):
    """The calibration's seed follows from the job's, the largest one too."""
    data = run(bell(), seed_simulator=2**63 - 1, measurement_error_mitigation=True).data(0)

    assert "quasiprobabilities" in data


# Readout mitigation


def test_mitigation_recovers_a_bell_pair(run):
    """Under readout noise the mitigated distribution is far nearer to the Bell pair's."""
    result = run(
        bell(),
        readout_noise((0.05, 0.12), (0.03, 0.09)),
        shots=8192,
        measurement_error_mitigation=True,
    )
    data = result.data(0)
    exact = {"00": 0.5, "11": 0.5}
    raw = {key: n / 8192 for key, n in distribution(data["counts"], 2).items()}
    mitigated = distribution(data["quasiprobabilities"], 2)

    assert total_variation(raw, exact) > 0.1
    assert total_variation(mitigated, exact) < 0.04
    assert sum(mitigated.values()) == pytest.approx(1)
    assert min(mitigated.values()) >= 0
    assert sum(data["counts"].values()) == 8192


UNEQUAL = [(0.02, 0.25), (0.2, 0.03), (0.1, 0.12)]
"""Three readout errors that no mix-up of qubits, or of read and prepared, leaves as they are."""


def test_mitigation_knows_each_qubit(run):
    """A drawn product state on drawn qubits comes back, though each is misread differently."""
    rng = np.random.default_rng(seed := draw_seed())
    # Rotated, so that the order of the qubits is never that of the bits.
    layout = np.roll(np.sort(rng.permutation(6)[:3]), rng.integers(1, 3)).tolist()
    errors = [(0.3, 0.3)] * 6
    for qubit, error in zip(layout, UNEQUAL):
        errors[qubit] = error
    circuit = QuantumCircuit(3)
    # P(1) between 0.3 and 0.7: clipping at 0 would hide a wrong correction.
    for qubit, probability in enumerate(rng.uniform(0.3, 0.7, 3)):
        circuit.ry(2 * np.arcsin(probability**0.5), qubit)
    exact = Statevector(circuit).probabilities_dict()
    circuit.measure_all()
    data = run(
        circuit,
        readout_noise(*errors),
        shots=40000,
        initial_layout=layout,
        measurement_error_mitigation=True,
    ).data(0)

    mitigated = distribution(data["quasiprobabilities"], 3)
    assert total_variation(mitigated, exact) < 0.05, seed


def test_calibration_takes_enough_shots(load_program):
    """The assignment matrices are near the true ones, however few shots the job takes."""
    mitigation = load_program("circuit_runner").readout_mitigation
    # In groups: two circuits of other bits, one of them in another order.
    maps = [{0: 2, 1: 0}, {5: 1}]
    inverses = mitigation.calibrate(readout_noise(*UNEQUAL), maps, {"shots": 3})

    assert set(inverses) == {0, 1, 2}
    for qubit, (p10, p01) in enumerate(UNEQUAL):
        true = [[1 - p10, p01], [p10, 1 - p01]]
        assert np.allclose(np.linalg.inv(inverses[qubit]), true, atol=0.03)


def test_mitigation_of_drawn_circuits(run):
    """Random circuits, on scattered qubits into scattered bits, come back near the exact answer."""
    errors = np.random.default_rng(draw_seed()).uniform(0.02, 0.1, (8, 2))
    noisy = readout_noise(*errors)
    seed = draw_seed(31)
    drawn = random_circuit(3, 3, seed=seed)
    measured = QuantumCircuit(3, 6)
    measured.compose(drawn, inplace=True)
    measured.measure([0, 1, 2], [4, 0, 3])
    data = run(
        measured, noisy, shots=20000, initial_layout=[5, 2, 7], measurement_error_mitigation=True
    ).data(0)

    exact = {}
    for key, probability in Statevector(drawn).probabilities_dict().items():
        bits = f"0{key[-1]}{key[-3]}00{key[-2]}"
        exact[bits] = probability
    raw = {key: n / 20000 for key, n in distribution(data["counts"], 6).items()}
    mitigated = distribution(data["quasiprobabilities"], 6)
    assert total_variation(mitigated, exact) < 0.05, (seed, errors)
    assert total_variation(mitigated, exact) < total_variation(raw, exact) + 0.02, (seed, errors)


def test_mitigation_without_noise_changes_nothing(run):
    """On an ideal backend the mitigated distribution is the observed one."""
    data = run(six_qubits(), shots=1000, measurement_error_mitigation=True).data(0)

    for key, count in data["counts"].items():
        assert data["quasiprobabilities"][key] == pytest.approx(count / 1000)


def test_mitigation_takes_the_jobs_own_noise(run):
    """A noise model among the run options is calibrated too, and gate noise does no harm."""
    noise = NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.15, 0.85]]))
    noise.add_all_qubit_quantum_error(depolarizing_error(0.001, 1), ["h", "x"])
    data = run(
        bell(), noise_model=noise, shots=8192, seed_simulator=5, measurement_error_mitigation=True
    ).data(0)

    exact = {"00": 0.5, "11": 0.5}
    assert total_variation(distribution(data["quasiprobabilities"], 2), exact) < 0.05


def test_mitigation_is_left_out_by_default(run):
    """Without the flag there are no calibration runs and no quasi-probabilities."""
    assert "quasiprobabilities" not in run(bell()).data(0)


def test_official_client_reads_counts_and_quasiprobabilities(load_program):
    """``job.result()`` of today's client is a RunnerResult, with and without mitigation.

    Its ``get_quasiprobabilities`` fails on any result since Qiskit 2, whose headers are plain
    dictionaries: the numbers are in ``data``.
    """
    noisy = readout_noise((0.1, 0.15), (0.05, 0.1))
    for is_mitigated in (False, True):
        messenger = EncodedMessenger()
        load_program("circuit_runner").main(
            noisy,
            messenger,
            [bell(), bell()],
            shots=2000,
            seed_simulator=7,
            measurement_error_mitigation=is_mitigated,
        )
        result = decode("circuit-runner", messenger.texts[-1])
        assert type(result) is RunnerResult
        assert [sum(counts.values()) for counts in result.get_counts()] == [2000, 2000]
        if is_mitigated:
            for index in range(2):
                found = distribution(result.data(index)["quasiprobabilities"], 2)
                assert total_variation(found, {"00": 0.5, "11": 0.5}) < 0.1


def test_refuses_what_cannot_be_mitigated(refuse):
    """Too many bits, classical control flow and a readout of pure noise are refused, by name."""
    wide = QuantumCircuit(21)
    wide.measure_all()
    refuse("^measurement_error_mitigation: .* 21 bits", wide, measurement_error_mitigation=True)

    branching = QuantumCircuit(1, 1)
    branching.measure(0, 0)
    with branching.if_test((0, 1)):
        branching.x(0)
        branching.measure(0, 0)
    refuse("^measurement_error_mitigation: .*flow", branching, measurement_error_mitigation=True)

    coin = readout_noise((0.5, 0.5), (0.5, 0.5))
    refuse("^measurement_error_mitigation: qubit", bell(), coin, measurement_error_mitigation=True)


def test_nearest_distribution(load_program):
    """The projection is a distribution, and no other drawn one is nearer."""
    nearest_distribution = load_program("circuit_runner").readout_mitigation.nearest_distribution
    seed = draw_seed()
    rng = np.random.default_rng(seed)
    for size in (1, 2, 8, 64):
        quasi = rng.normal(1 / size, 0.3, size)
        quasi += (1 - quasi.sum()) / size
        nearest = nearest_distribution(quasi)
        assert nearest.min() >= 0, seed
        assert nearest.sum() == pytest.approx(1), seed
        others = rng.dirichlet(np.ones(size), 200)
        distances = np.linalg.norm(others - quasi, axis=1)
        assert np.linalg.norm(nearest - quasi) <= distances.min() + 1e-12, seed


# Plain JSON


def test_result_is_plain_json(load_program):
    """Numbers of NumPy, dates, circuits and enumerations in the metadata come out as plain JSON."""
    program = load_program("circuit_runner")
    circuit = bell()
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    circuit.metadata = {
        "array": np.eye(2),
        "number": np.float64(1.5),
        "integers": (np.int64(3), np.uint8(4)),
        "complex": 1 + 2j,
        "date": now,
        "nan": float("nan"),
        "circuit": QuantumCircuit(1),
        7: {MeasLevel.RAW},
    }

    class Keeper:
        def publish(self, message, encoder=None, final=False):
            self.text = json.dumps(message, allow_nan=False)

        def report_progress(self, done, total, best=None):
            pass

    keeper = Keeper()
    program.main(AerSimulator(), keeper, circuit)
    metadata = json.loads(keeper.text)["results"][0]["header"]["metadata"]

    assert isinstance(metadata.pop("circuit"), str)
    assert metadata == {
        "array": [[1, 0], [0, 1]],
        "number": 1.5,
        "integers": [3, 4],
        "complex": [1, 2],
        "date": now.isoformat(),
        "nan": None,
        "7": [0],
    }


# Metadata


def test_metadata_match_main(load_program, load_metadata):
    """The 20 described parameters are main's, those of pulse scheduling among them."""
    metadata = load_metadata("circuit_runner")
    described = metadata["spec"]["parameters"]
    parameters = dict(inspect.signature(load_program("circuit_runner").main).parameters)
    own = {
        name: parameter
        for name, parameter in list(parameters.items())[2:]
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }

    assert len(described["properties"]) == 20
    assert set(described["properties"]) == set(own)
    mandatory = [name for name, parameter in own.items() if parameter.default is parameter.empty]
    assert described["required"] == mandatory == ["circuits"]
    for name, schema in described["properties"].items():
        assert "null" in schema["type"] or name == "circuits", name
        assert schema["description"], name
        if "default" in schema:
            assert schema["default"] == own[name].default, name
    assert metadata["max_execution_time"] == 14400


def test_schema_takes_what_main_takes(load_metadata):
    """The schema is valid, and takes encoded circuits, nulls and the backend's own options."""
    described = load_metadata("circuit_runner")["spec"]["parameters"]
    jsonschema_rs.meta.validate(described)
    validator = jsonschema_rs.validator_for(described)
    for circuits in (bell(), [bell(), bell()]):
        posted = {"circuits": circuits, "shots": 10, "seed_simulator": None, "memory": True}
        posted |= {"method": "statevector", "init_qubits": None, "schedule_circuit": False}
        validator.validate(json.loads(as_posted(posted)))
    assert not validator.is_valid({"circuits": [], "shots": 0})
    assert not validator.is_valid({"shots": 10})


def test_schema_names_what_aer_and_the_transpiler_have(load_program, load_metadata):
    """The schema's names are main's, and those of the Aer and the Qiskit that are installed."""
    described = load_metadata("circuit_runner")["spec"]["parameters"]
    own = set(list(inspect.signature(load_program("circuit_runner").main).parameters)[2:-1])
    names = own | option_names(AerSimulator()) | DEVICE_OPTIONS
    nested = described["properties"]["transpiler_options"]["propertyNames"]["enum"]

    assert described["propertyNames"]["enum"] == sorted(names)
    assert nested == sorted(TRANSPILER_OPTIONS)


def test_misspelt_parameter_is_never_queued(load_metadata):
    """The schema refuses a misspelt parameter or option, and says which one was meant."""
    described = load_metadata("circuit_runner")["spec"]["parameters"]
    for params, meant in (
        ({"circuits": [], "shotz": 7}, "shots"),
        ({"circuits": [], "seed_simulatr": 7}, "seed_simulator"),
        ({"circuits": [], "transpiler_options": {"layout_methd": "x"}}, "layout_method"),
    ):
        *_, [error] = find_errors(described, params)
        assert str(error).endswith(f"did you mean {meant!r}?")
