"""sampler: pubs in every form, the client's decoder on the result, devices, seeds, refusals."""

import inspect
import json
from datetime import UTC, datetime

import jsonschema_rs
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, qasm2, qasm3, transpile
from qiskit.circuit import Clbit, Parameter, ParameterVector
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector, hellinger_fidelity
from qiskit.transpiler import StagedPassManager
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qiskit_runtime.programs.simulate import transpiling
from qiskit_runtime.programs.simulate.memory import TooLarge
from tests.drawn_seeds import draw_seed
from tests.programs.encoded_messenger import (
    EncodedMessenger,
    Primitive,
    post_officially,
)


@pytest.fixture
def sampler(load_program, load_metadata):
    """The program."""
    return Primitive("sampler", load_program, load_metadata)


@pytest.fixture
def run_text(sampler):
    """Run the program with parameters as posted."""
    return sampler.run_text


@pytest.fixture
def run(sampler):
    """Post parameters, and run the program with them."""
    return sampler.run


@pytest.fixture
def refuse(sampler):
    """Check that the program refuses its inputs, and publishes nothing."""
    return sampler.refuse


def bell():
    """A Bell pair, measured."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def turned():
    """Return one qubit turned by a free angle, measured."""
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    circuit.measure_all()
    return circuit


def is_near(counts, exact, shots):
    """Return whether counts are a likely sample: fidelity loses k / 4 shots."""
    return hellinger_fidelity(counts, exact) > 1 - 5 * len(exact) / (4 * shots) - 0.005


# Forms


@pytest.mark.parametrize(
    "form",
    [
        lambda c: [c],
        lambda c: [[c]],
        lambda c: [[c, None]],
        lambda c: [[c, []]],
        lambda c: [[c, np.zeros(0), None]],
        lambda c: [[c, {}, 4096]],
        lambda c: c,
        lambda c: [qasm2.dumps(c)],
        lambda c: [[qasm2.dumps(c), None, 4096]],
        lambda c: [[qasm3.dumps(c)]],
        qasm3.dumps,
    ],
)
def test_every_form_of_a_pub_runs(run, form):
    """A circuit alone, a list of any length and OpenQASM give 4096 shots of the Bell pair."""
    [pub] = run(form(bell()))

    counts = pub.data.meas.get_counts()
    assert set(counts) == {"00", "11"}
    assert sum(counts.values()) == pub.metadata["shots"] == 4096
    assert abs(counts["00"] - 2048) <= 5 * 32
    assert pub.data.shape == ()


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([0.3], ()),
        (0.3, ()),
        ({"angle": 0.3}, ()),
        (np.array([[0.3], [1.2]]), (2,)),
        ({"angle": [0.3, 1.2]}, (2,)),
        ([0.3, 1.2], (2,)),  # of one parameter: as Qiskit takes it
        ([[[0.3]], [[1.2]]], (2, 1)),
    ],
)
def test_values_in_every_form(run, values, shape):
    """Values as a number, a list, an array or by name give an entry for each set of them."""
    [pub] = run([[turned(), values, 20000]], seed_simulator=2)

    assert pub.data.meas.shape == shape
    for index, angle in zip(np.ndindex(shape), (0.3, 1.2)):
        ones = pub.data.meas.get_counts(index).get("1", 0) / 20000
        assert ones == pytest.approx(np.sin(angle / 2) ** 2, abs=0.02)


def test_what_the_official_client_posts_runs(run_text):
    """The very parameters of SamplerV2, with options, give the shots and shapes asked for."""
    text = post_officially(
        SamplerV2,
        [(bell(),), (turned(), [[0.1], [0.2]], 50)],
        default_shots=300,
        dynamical_decoupling={"enable": True, "sequence_type": "XX"},
        twirling={"enable_gates": True, "enable_measure": False},
        execution={"init_qubits": True, "rep_delay": 1e-4, "meas_type": "classified"},
        simulator={"seed_simulator": 1},
    )
    assert json.loads(text)["version"] == 2
    result = run_text(text)

    assert [pub.metadata["shots"] for pub in result] == [300, 50]
    assert [pub.data.meas.shape for pub in result] == [(), (2,)]
    assert result[0].data.meas.get_bitstrings() == run_text(text)[0].data.meas.get_bitstrings()
    assert set(result.metadata["ignored_options"]) == {
        "options.dynamical_decoupling.enable",
        "options.dynamical_decoupling.sequence_type",
        "options.twirling.enable_gates",
        "options.execution.rep_delay",
    }


def test_metadata_and_names_survive(run):
    """Registers keep their names, and the circuit's metadata come back with the pub's."""
    circuit = QuantumCircuit(2, metadata={"mine": [1, 2]})
    circuit.x(1)
    for name, qubit in (("left", 0), ("right", 1)):
        circuit.add_register(register := ClassicalRegister(1, name))
        circuit.measure(qubit, register[0])
    [pub] = run([circuit], default_shots=7)

    assert pub.data.left.get_counts() == {"0": 7}
    assert pub.data.right.get_counts() == {"1": 7}
    assert pub.metadata == {"shots": 7, "circuit_metadata": {"mine": [1, 2]}}


def test_result_says_when_each_pub_ran(run):
    """The client finds the execution spans where its users look, with the shots of each."""
    before = datetime.now(UTC)
    result = run([[bell(), None, 10], [turned(), [[0.1], [0.2]], 5]])
    spans = result.metadata["execution"]["execution_spans"]

    assert [span.pub_idxs for span in spans] == [[0], [1]]
    assert [span.size for span in spans] == [10, 10]
    assert spans[1].mask(1).shape == (2, 5)
    assert spans[1].mask(1).all()
    assert before <= spans[0].start <= spans[0].stop <= spans[1].start <= spans.stop
    assert spans.stop <= datetime.now(UTC)


def test_boxes_are_opened(run):
    """A box, also in a box, groups gates for a compiler: what is in it runs."""
    circuit = QuantumCircuit(2)
    with circuit.box():
        circuit.x(0)
        with circuit.box():
            circuit.cx(0, 1)
    circuit.measure_all()
    [pub] = run([circuit], default_shots=9)
    assert pub.data.meas.get_counts() == {"11": 9}


def test_unmeasured_circuit_has_no_data(run, capsys):
    """A circuit without registers gives an empty result, not an error, and the log says so."""
    circuit = QuantumCircuit(1)
    circuit.h(0)
    result = run([circuit, bell()])

    assert len(result[0].data) == 0
    assert sum(result[1].data.meas.get_counts().values()) == 4096
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("WARNING: pubs[0]: ")
    assert "there is none" in line


def test_bit_outside_every_register_is_told(run, capsys):
    """Measured bits of no register are named in the log; the registers' own keep their values."""
    circuit = QuantumCircuit(3)
    circuit.add_bits([Clbit(), Clbit()])
    circuit.add_register(ClassicalRegister(2, "kept"), ClassicalRegister(0, "empty"))
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [1, 2, 3])
    [pub] = run([circuit], default_shots=7)

    assert pub.data.kept.get_counts() == {"10": 7}
    assert pub.data.empty.num_bits == 0
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("WARNING: pubs[0]: ")
    assert line.endswith("bits 1 are in none")


def test_registers_may_share_bits(run):
    """A bit of two registers is in the data of both."""
    circuit = QuantumCircuit(2)
    circuit.add_register(first := ClassicalRegister(2, "first"))
    circuit.add_register(ClassicalRegister(bits=[first[1]], name="second"))
    circuit.x(1)
    circuit.measure([0, 1], first)
    [pub] = run([[circuit, None, 1]])

    assert pub.data.first.get_counts() == {"10": 1}
    assert pub.data.second.get_counts() == {"1": 1}
    assert pub.data.second.shape == ()


@pytest.mark.parametrize(
    "wish",
    [
        {"skip_transpilation": True},
        {"options": {"skip_transpilation": True}},
        {"options": {"transpilation": {"skip_transpilation": True, "initial_layout": [1]}}},
    ],
)
def test_skip_transpilation(run, monkeypatch, wish):
    """Wherever clients of 2022 say it, circuits run as they are: this one fits no device."""
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    line = {"simulator": {"coupling_map": [[0, 1], [1, 2]]}}
    apart = QuantumCircuit(3)
    apart.x(0)
    apart.cx(0, 2)
    apart.measure_all()
    options = wish.get("options", {}) | line
    [pub] = run([apart], **wish | {"options": options})

    assert pub.data.meas.get_counts() == {"101": 4096}


def test_shots_of_2022_are_honoured(run):
    """options.execution.shots is the number of shots, unless there is today's default_shots."""
    shots = {"execution": {"shots": 11}}
    [old] = run([bell()], options=shots)
    [new] = run([bell()], options=shots | {"default_shots": 12})

    assert (old.metadata["shots"], new.metadata["shots"]) == (11, 12)


@pytest.mark.parametrize("device", [False, True])
def test_circuit_may_act_on_its_measurements(run, device):
    """A dynamic circuit runs: a measured qubit that is flipped back is always 0."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
        circuit.x(1)
    circuit.measure(0, 1)
    backend = AerSimulator.from_backend(FakeManilaV2(), noise_model=None) if device else None
    counts = run([circuit], backend)[0].data.c.get_counts()

    assert set(counts) == {"00", "01"}


# Circuits drawn at test time


def test_drawn_circuits_follow_their_states(run):
    """Random circuits, several in a job, give samples of what NumPy finds for each."""
    seeds = [draw_seed(31) for _ in range(6)]
    drawn = [random_circuit(width, 4, seed=seed) for width, seed in zip((1, 2, 3, 4, 5, 5), seeds)]
    result = run([[circuit.measure_all(inplace=False), None, 8192] for circuit in drawn])

    for circuit, pub in zip(drawn, result):
        exact = Statevector(circuit).probabilities_dict()
        assert is_near(pub.data.meas.get_counts(), exact, 8192), seeds


@pytest.mark.parametrize("device", [False, True])
def test_drawn_values_follow_their_states(run, device):
    """A drawn grid of angles gives, at each place, samples of that angle's own state."""
    rng = np.random.default_rng(seed := draw_seed())
    circuit = QuantumCircuit(3)
    angles = ParameterVector("z", 2), ParameterVector("a", 2)
    for qubit in range(2):
        circuit.ry(angles[0][qubit], qubit)
        circuit.rx(2 * angles[1][qubit] + 0.1, qubit + 1)
    circuit.ccx(0, 1, 2)
    grid = rng.uniform(-3, 3, (2, 3, 4))
    backend = AerSimulator.from_backend(FakeManilaV2(), noise_model=None) if device else None
    [pub] = run([[circuit.measure_all(inplace=False), grid, 8192]], backend)

    for index in np.ndindex(2, 3):
        bound = circuit.assign_parameters(dict(zip(circuit.parameters, grid[index])))
        exact = Statevector(bound).probabilities_dict()
        assert is_near(pub.data.meas.get_counts(index), exact, 8192), (seed, index)


def test_values_without_parameters_are_sampled_each(run):
    """A shape without parameters, and parameters that transpiling drops, keep their entries."""
    lost = QuantumCircuit(1)
    lost.h(0)
    lost.rz(Parameter("unseen"), 0)  # a phase before a measurement: the transpiler drops it
    lost.measure_all()
    device = AerSimulator.from_backend(FakeManilaV2())
    result = run([[bell(), np.zeros((3, 0)), 400], [lost, np.zeros((2, 2, 1)), 400]], device)

    assert [pub.data.meas.shape for pub in result] == [(3,), (2, 2)]
    for pub in result:
        entries = [pub.data.meas[index].get_bitstrings() for index in np.ndindex(pub.data.shape)]
        assert len({tuple(bits) for bits in entries}) == len(entries)
        for bits in entries:
            assert abs(sum(text[-1] == "1" for text in bits) - 200) <= 5 * 10 + 20


# Devices


def test_device_is_noisy_and_is_transpiled_for_once(run, monkeypatch):
    """On a device-like backend one circuit in several pubs is transpiled once, and has noise."""
    passes = []
    transpile_one = StagedPassManager.run

    def counted(manager, circuit):
        passes.append(circuit.name)
        return transpile_one(manager, circuit)

    monkeypatch.setattr(StagedPassManager, "run", counted)
    device = AerSimulator.from_backend(FakeManilaV2())
    ghz = QuantumCircuit(3)
    ghz.h(0)
    ghz.cx(0, 1)
    ghz.cx(0, 2)
    ghz.measure_all()
    result = run([ghz, [ghz, None, 10], [turned(), [0.1]], [turned(), [0.2]]], device)

    assert len(passes) == 3  # the two of turned() are different circuits: their parameters are
    counts = result[0].data.meas.get_counts()
    assert 0.6 < (counts["000"] + counts["111"]) / 4096 < 0.995


def test_isa_circuit_runs_as_it_is(run, monkeypatch):
    """A circuit that was transpiled for the device is not transpiled again."""
    device = AerSimulator.from_backend(FakeManilaV2())
    circuit = transpile(bell(), device, initial_layout=[4, 3], seed_transpiler=1)
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    counts = run([circuit], device)[0].data.meas.get_counts()

    assert counts["00"] + counts["11"] > 3400


@pytest.mark.filterwarnings("ignore:from_dict:DeprecationWarning")  # by the client's decoder
def test_noise_model_of_the_options_is_honoured(run):
    """A noise model among the options, and its gates and connections, are what is simulated."""
    noise = NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.5, 0.5], [0.5, 0.5]]))
    idle = QuantumCircuit(1)
    idle.measure_all()
    simulator = {"noise_model": noise, "seed_simulator": 4}
    counts = run([idle], options={"simulator": simulator})[0].data.meas.get_counts()
    assert abs(counts["1"] - 2048) <= 5 * 32

    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(1.0, 1), ["sx"])
    simulator = {
        "noise_model": noise.to_dict(serializable=True),
        "basis_gates": ["rz", "sx", "cx"],
        "coupling_map": [[0, 1], [1, 2]],
    }
    flipped = QuantumCircuit(1)
    flipped.x(0)  # two sx in that basis
    flipped.measure_all()
    counts = run([flipped], options={"simulator": simulator})[0].data.meas.get_counts()
    assert abs(counts["1"] - 2048) <= 5 * 32


@pytest.mark.parametrize("line", [[[0, 1], [1, 2]], [[1, 0], [2, 1]]])
def test_connections_alone_are_honoured(run, line):
    """A coupling map without basis gates is one that circuits are transpiled to."""
    circuit = QuantumCircuit(3)
    circuit.x([0, 1])
    circuit.ccx(0, 1, 2)
    circuit.measure_all()
    options = {"simulator": {"coupling_map": line}}

    assert run([circuit], options=options)[0].data.meas.get_counts() == {"111": 4096}


# Seeds and progress


@pytest.mark.parametrize(
    "seeds",
    [{"seed_simulator": 11}, {"options": {"simulator": {"seed_simulator": 11}}}],
)
@pytest.mark.parametrize("device", [False, True])
def test_same_seed_repeats_the_job(run, seeds, device):
    """Two jobs with one seed give the same bits; two pubs of one job do not."""
    backend = AerSimulator.from_backend(FakeManilaV2()) if device else AerSimulator()
    pubs = [bell(), bell(), [turned(), [[0.5], [0.5]]]]
    first, second = (
        [pub.data.meas.array.tobytes() for pub in run(pubs, backend, **seeds)] for _ in range(2)
    )

    assert first == second
    assert len(set(first)) == 3


def test_seed_is_aers_own(run):
    """The first pub of a job repeats what the same seed gives with Aer alone."""
    counts = run([bell()], seed_simulator=11)[0].data.meas.get_counts()
    alone = AerSimulator().run(bell(), shots=4096, seed_simulator=11).result().get_counts()

    assert counts == alone


def test_seed_of_the_job_comes_first(run):
    """A seed of the job comes before one among the options."""
    within = {"simulator": {"seed_simulator": 5}}
    counts = [
        run([bell()], seed_simulator=seed, options=options)[0].data.meas.get_counts()
        for seed, options in ((3, within), (3, None), (None, within))
    ]

    assert counts[0] == counts[1] != counts[2]


def test_progress_counts_pubs(run):
    """Progress goes from none to all of the pubs."""
    messenger = EncodedMessenger()
    run([bell(), bell()], messenger=messenger)

    assert [(step.done, step.total) for step in messenger.progress] == [(0, 2), (1, 2), (2, 2)]


def test_what_is_left_out_is_said(run, capsys):
    """Options that Aer does not have are in the metadata and in the log; others are not."""
    options = {
        "twirling": {"enable_gates": True, "num_randomizations": "auto"},
        "dynamical_decoupling": {"enable": False, "sequence_type": "XY4"},
        "experimental": {"execution_path": "new"},
    }
    result = run([bell()], options=options)

    expected = ["enable_gates", "num_randomizations"]
    names = [f"options.twirling.{name}" for name in expected]
    assert result.metadata["ignored_options"] == [*names, "options.experimental.execution_path"]
    assert "options.twirling.enable_gates" in capsys.readouterr().out
    assert "ignored_options" not in run([bell()], options={}).metadata


# Refusals


@pytest.mark.parametrize(
    ("pubs", "match"),
    [
        (None, "^pubs: expected a list"),
        ([], "^pubs: expected a list"),
        ({"pub": 1}, "^pubs: expected a list"),
        ([bell(), 3], r"^pubs\[1\]: expected 1 to 3 of \[circuit"),
        ([bell(), bell(), [1]], r"^pubs\[2\]: expected a circuit"),
        ([[bell(), None, 1, 2]], r"^pubs\[0\]: expected 1 to 3"),
        ([[bell(), [0.1]]], r"^pubs\[0\]: "),
        ([[turned()]], r"^pubs\[0\]: .*parameter"),
        ([[turned(), ["x"]]], r"^pubs\[0\]: "),
        ([[turned(), {"other": 1.0}]], r"^pubs\[0\]: "),
        ([[turned(), [float("inf")]]], r"^pubs\[0\]: .*finite"),
        ([[bell(), None, 0]], r"^pubs\[0\]: shots: expected"),
        ([[bell(), None, True]], r"^pubs\[0\]: shots: expected"),
        ([[bell(), None, 1.5]], r"^pubs\[0\]: shots: expected"),
        (["OPENQASM 2.0; h q[0];"], r"^pubs\[0\]: the OpenQASM text"),
        (["OPENQASM 3; h q[0];"], r"^pubs\[0\]: the OpenQASM text"),
        (["hello"], r"^pubs\[0\]: the OpenQASM text"),
        ([""], r"^pubs\[0\]: the OpenQASM text"),
        (["OPENQASM 3.0; qubit[2 q;"], r"^pubs\[0\]: the OpenQASM text"),
        (['OPENQASM 2.0; include "/etc/passwd";'], r"^pubs\[0\]: .* includes '/etc/passwd'"),
        (['OPENQASM 2.0; include //\n"/etc/passwd";'], r"^pubs\[0\]: .* includes '/etc/passwd'"),
        (['OPENQASM 2.0; include "//etc/passwd";'], r"^pubs\[0\]: .* includes"),
    ],
)
def test_wrong_pub_is_named(refuse, pubs, match):
    """A mistake in a pub is refused with its number, before anything runs."""
    refuse(match, pubs)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"options": []}, "^options: expected an object"),
        ({"options": {"default_shots": 0}}, "^options.default_shots: expected"),
        ({"default_shots": None}, "^default_shots: expected"),
        ({"seed_simulator": -1}, "^seed_simulator: expected"),
        ({"options": {"simulator": {"seed_simulator": "a"}}}, "^options.simulator.seed_simulator"),
        ({"options": {"simulator": {"noise_model": 3}}}, "^options.simulator.noise_model"),
        ({"options": {"simulator": {"noise_model": {"a": 1}}}}, "^options.simulator.noise_model"),
        ({"options": {"simulator": {"basis_gates": "cx"}}}, "^options.simulator.basis_gates"),
        ({"options": {"simulator": {"basis_gates": []}}}, "^options.simulator.basis_gates: "),
        ({"options": {"simulator": {"coupling_map": [[0]]}}}, "^options.simulator.coupling_map"),
        ({"options": {"simulator": {"coupling_map": [[0, "a"]]}}}, "^options.simulator.coupling"),
        ({"options": {"execution": {"meas_type": "kerneled"}}}, "^options.execution.meas_type"),
        (
            {"options": {"simulator": {"coupling_map": [[0, 1]], "basis_gates": ["ccx"]}}},
            "^options.simulator.basis_gates, options.simulator.coupling_map: ",
        ),
        ({"default_shots": 10**8 + 1}, "^default_shots: expected"),
        ({"skip_transpilation": "yes"}, "^skip_transpilation: expected true"),
        ({"options": {"skip_transpilation": 1}}, "^options.skip_transpilation: expected true"),
        ({"options": {"shotz": 7}}, "^options.shotz: there is no such option"),
        (
            {"options": {"transpilation": {"skip_transpilatin": True}}},
            "^options.transpilation.skip_transpilatin: .* did you mean 'skip_transpilation'",
        ),
        ({"options": {"twirling": {"enable_gatez": False}}}, "mean 'enable_gates'"),
        ({"options": {"dynamical_decoupling": {"enabel": True}}}, "mean 'enable'"),
        ({"options": {"default_shot": None}}, "default_shot: .*mean 'default_shots'"),
        ({"options": {"default_precision": 0.1}}, "^options.default_precision: there is no such"),
        ({"options": {"noise_model": 1}}, "mean 'options.simulator.noise_model'"),
        ({"options": {"simulator": {"seed": 1}}}, "^options.simulator.seed: .*'seed_simulator'"),
        (
            {"options": {"simulator": {"noise_modl": None}}},
            "^options.simulator.noise_modl: .*mean 'noise_model'",
        ),
        ({"options": {"execution": {"init_qubit": True}}}, "mean 'init_qubits'"),
        ({"options": {"simulator": 5}}, "^options.simulator: expected an object, got 5"),
        ({"options": {"execution": {"shots": "a"}}}, "^options.execution.shots: expected"),
        (
            {"options": {"simulator": {"basis_gates": ["rz", "sx", "cxx"]}}},
            "^options.simulator.basis_gates: there is no gate 'cxx'; did you mean 'cx'",
        ),
        ({"version": 1}, "^version: expected"),
        ({"support_qiskit": "yes"}, "^support_qiskit: expected"),
    ],
)
def test_wrong_option_is_named(refuse, params, match):
    """A wrong option is refused by its dotted name, before anything runs."""
    refuse(match, [bell()], **params)


def test_device_too_small_is_named(refuse):
    """A circuit with more qubits than the device has is refused with the pub's number."""
    wide = QuantumCircuit(6)
    wide.h(range(6))
    wide.measure_all()

    refuse(r"^pubs\[1\]: ", [bell(), wide], AerSimulator.from_backend(FakeManilaV2()))


def test_too_large_is_refused_before_transpiling(refuse, monkeypatch):
    """Forty dense qubits are refused with the memory that they would take, and not transpiled."""
    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", None)
    dense = QuantumCircuit(40)
    dense.append(dense_gate(), range(40))
    dense.measure_all()

    refuse("memory", [dense], AerSimulator(max_memory_mb=2048), error=TooLarge)


def dense_gate():
    """Forty qubits in superposition and entangled, as one gate that no backend has."""
    circuit = QuantumCircuit(40, name="dense")
    circuit.ry(0.1, range(40))
    for qubit in range(39):
        circuit.cx(qubit, qubit + 1)
    return circuit.to_gate()


# Metadata


def test_metadata_match_main(load_program, load_metadata):
    """The schema is valid, and describes main's parameters, each with words and its default."""
    metadata = load_metadata("sampler")
    described = metadata["spec"]["parameters"]
    parameters = dict(list(inspect.signature(load_program("sampler").main).parameters.items())[2:])

    jsonschema_rs.meta.validate(described)
    jsonschema_rs.meta.validate(metadata["spec"]["return_values"])
    assert set(described["properties"]) == set(parameters)
    assert described["required"] == ["pubs"]
    for name, schema in described["properties"].items():
        assert schema["description"], name
        if name != "pubs":
            assert schema["default"] == parameters[name].default, name
