"""executor: quantum programs of every schema version, and the client's own primitives on them."""

import inspect
import json
import zlib
from base64 import b64encode
from datetime import UTC, datetime

import jsonschema_rs
import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime.executor_estimator import EstimatorV2
from qiskit_ibm_runtime.executor_noise_learner import NoiseLearnerV3
from qiskit_ibm_runtime.executor_sampler import SamplerV2
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from samplomatic import Twirl, build

from qiskit_runtime.programs.simulate.memory import TooLarge
from runner.quantum_backend import make_backend
from tests.programs.encoded_messenger import EncodedMessenger, as_decoded
from tests.programs.executor_client import VERSIONS, decode, encode, post_by

ASKED = {"init_qubits": False, "rep_delay": 1e-4, "scheduler_timing": True, "stretch_values": True}


def ideal():
    """The default backend of a job."""
    return make_backend({"name": "aer_simulator"})


def device():
    """A device of five qubits, with its noise."""
    return make_backend({"name": "device", "fake_device": "FakeManilaV2"})


def misreading():
    """A device that misreads a tenth of all zeros and of all ones, and does nothing else wrong."""
    readout = {"readout": {"prob1_given0": 0.1, "prob0_given1": 0.1}}
    return make_backend({"name": "noisy", "qubits": 3, "noise": readout})


@pytest.fixture
def run_text(load_program, load_metadata):
    """Run parameters as posted: by their schema, the job's decoder and the client's decoders."""

    def run(text, backend=None, messenger=None, **params):
        schema = load_metadata("executor")["spec"]["parameters"]
        jsonschema_rs.validator_for(schema).validate(json.loads(text))
        messenger = messenger or EncodedMessenger()
        main = load_program("executor").main
        main(backend or ideal(), messenger, **as_decoded(text), **params)
        [written] = messenger.texts
        assert len(messenger.final) == 1
        return decode("executor", written)

    return run


@pytest.fixture
def run(run_text):
    """Encode a quantum program as Executor does, and run it."""

    def run(program, backend=None, version="v2.0", **params):
        return run_text(encode(program, version), backend, **params)

    return run


def bell():
    """A Bell pair, measured."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def turned():
    """Return one qubit turned by a free angle, and another by a second one, measured apart."""
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("b"), 1)
    circuit.rx(Parameter("a"), 0)
    for name, qubit in (("left", 0), ("right", 1)):
        circuit.add_register(register := ClassicalRegister(1, name))
        circuit.measure(qubit, register[0])
    return circuit


def twirled(circuit=None):
    """Return the template and the samplex of a circuit, twirled with its measurement."""
    source = circuit or bell().remove_final_measurements(inplace=False)
    boxed = QuantumCircuit(source.num_qubits, source.num_qubits)
    with boxed.box([Twirl()]):
        boxed.compose(source, inplace=True)
    with boxed.box([Twirl()]):
        boxed.measure(boxed.qubits, boxed.clbits)
    return build(boxed)


def make(*items, shots=100, **fields):
    """A quantum program of circuits, each alone or with its arguments."""
    program = QuantumProgram(shots=shots, **fields)
    for circuit, arguments in items:
        program.append_circuit_item(circuit, circuit_arguments=arguments)
    return program


# What comes back


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_bits_of_every_register_and_row(run, version):
    """Rows keep their shape, registers their bits, whichever form the client's release has."""
    angles = np.array([[[0, 0], [np.pi, 0], [0, np.pi]], [[np.pi, np.pi], [0, 0], [1, 2]]])
    began = datetime.now(UTC)
    result = run(make((bell(), None), (turned(), angles), shots=500), version=version)

    pair, sweep = result
    assert pair["meas"].shape == (500, 2)
    assert pair["meas"].dtype == bool
    assert (pair["meas"][:, 0] == pair["meas"][:, 1]).all()
    assert 150 < pair["meas"][:, 0].sum() < 350
    assert sweep["left"].shape == sweep["right"].shape == (2, 3, 500, 1)
    assert sweep["left"].mean(axis=(-1, -2))[0].tolist() == [0, 1, 0]
    assert sweep["right"].mean(axis=(-1, -2))[0].tolist() == [0, 0, 1]
    assert sweep["left"].mean(axis=(-1, -2))[1, 2] == pytest.approx(np.sin(0.5) ** 2, abs=0.1)
    assert sweep["right"].mean(axis=(-1, -2))[1, 2] == pytest.approx(np.sin(1) ** 2, abs=0.1)
    spans = result.metadata.chunk_timing
    assert [(part.idx_item, part.size) for span in spans for part in span.parts] == [(0, 1), (1, 6)]
    times = [began, *(time for span in spans for time in (span.start, span.stop))]
    assert times == sorted(times) and times[-1] <= datetime.now(UTC)


@pytest.mark.parametrize("version", VERSIONS)
def test_samplex_draws_the_circuits(run, version):
    """A twirled measurement is right once its flips are undone; flips and gates are drawn."""
    template, samplex = twirled()
    program = QuantumProgram(shots=20)
    program.append_samplex_item(template, samplex, shape=(40,))
    [item] = run(program, version=version)

    assert item["c"].shape == (40, 20, 2)
    flips = item["measurement_flips.c"]
    assert flips.shape == (40, 1, 2)
    assert 5 < flips[..., 0].sum() < 35
    undone = item["c"] ^ flips
    assert (undone[..., 0] == undone[..., 1]).all()
    assert 300 < undone[..., 0].sum() < 500


def test_samplex_takes_values_of_parameters(run):
    """Each row of values is drawn many times, on the axes that the shape adds."""
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("a"), 0)
    template, samplex = twirled(circuit)
    program = QuantumProgram(shots=50)
    values = {"parameter_values": np.array([[0.0], [1.0], [np.pi]])}
    program.append_samplex_item(template, samplex, values, shape=(30, 3))
    [item] = run(program)

    undone = item["c"] ^ item["measurement_flips.c"]
    ones = undone.mean(axis=(0, 2, 3))
    assert ones == pytest.approx([0, np.sin(0.5) ** 2, 1], abs=0.06)


@pytest.mark.parametrize("version", ["v0.2", "v1.0", "v1.1", "v2.0"])
@pytest.mark.parametrize(
    "data",
    [
        None,
        {"a": [1, 2.5, "x", None, True, {"b": []}]},
        {"deep": np.arange(6.0).reshape(2, 3)},
        {"__type__": "complex", "__value__": [1.0, 2.5]},
        {"data": "no tensor", "shape": "at all"},
    ],
)
def test_passthrough_data_come_back(run, version, data):
    """Whatever a client sends along is in its result, arrays too."""
    result = run(make((bell(), None), passthrough_data=data), version=version)
    if isinstance(data, dict) and "deep" in data:
        assert (result.passthrough_data["deep"] == data["deep"]).all()
    else:
        assert result.passthrough_data == data


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v2.0"])
def test_semantic_role_comes_back(run_text, version):
    """A role that the client does not know is no decoder's, and is not lost."""
    program = make((bell(), None))
    program._semantic_role = "role_of_tomorrow"
    assert run_text(encode(program, version))._semantic_role == "role_of_tomorrow"


def test_program_without_items_gives_nothing(run):
    """An empty list is a list."""
    assert len(run(make(), version="v0.1")) == 0


def test_register_without_bits_and_circuit_without_registers(run):
    """Nothing measured is no data: neither an error nor a made-up bit."""
    bare, empty = QuantumCircuit(1), bell()
    empty.add_register(ClassicalRegister(0, "none"))
    first, second = run(make((bare, None), (empty, None), shots=7))
    assert dict(first) == {}
    assert second["none"].shape == (7, 0)
    assert second["meas"].shape == (7, 2)


def test_boxes_are_opened(run):
    """A box, annotated or not, and one in a branch, groups gates: what is in it runs."""
    circuit = QuantumCircuit(2, 2)
    with circuit.box([Twirl()]):
        circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)), circuit.box():
        circuit.x(1)
    with circuit.box():
        circuit.measure(1, 1)
    [item] = run(make((circuit, None), shots=5))
    assert item["c"].tolist() == [[True, True]] * 5


# Chunks


def test_chunk_size_is_honoured(run):
    """Each chunk is a run with a time and a seed of its own; together they are all elements."""
    program = QuantumProgram(shots=64)
    for _ in range(2):
        circuit = QuantumCircuit(1)
        circuit.ry(Parameter("a"), 0)
        circuit.measure_all()
        angles = np.full((2, 5, 1), np.pi / 2)
        program.append_circuit_item(circuit, circuit_arguments=angles, chunk_size=4)
    result = run(program, seed_simulator=1)

    spans = result.metadata.chunk_timing
    assert [(part.idx_item, part.size) for span in spans for part in span.parts] == [
        *((0, 4), (0, 4), (0, 2)),
        *((1, 4), (1, 4), (1, 2)),
    ]
    rows = {tuple(row.ravel()) for item in result for row in item["meas"].reshape(10, 64)}
    assert len(rows) == 20


def test_chunk_says_which_elements_it_ran(run_text):
    """The raw span has the range of the flattened elements, in the item's own order."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((3, 2, 2)), chunk_size=4)
    messenger = EncodedMessenger()
    run_text(encode(program), messenger=messenger)
    spans = json.loads(messenger.texts[0])["metadata"]["chunk_timing"]
    parts = [part for span in spans for part in span["parts"]]
    assert [part["element_range"] for part in parts] == [[0, 4, 1], [4, 6, 1]]
    assert [part["permutation"] for part in parts] == [[0, 1], [0, 1]]


def test_job_of_many_shots_is_cut_into_runs(run):
    """Left to us, a run has at most about a million shots, so that its memory is bounded."""
    program = make((turned(), np.zeros((5, 2))), shots=2**19)
    assert [span.parts[0].size for span in run(program).metadata.chunk_timing] == [2, 2, 1]


# Options and seeds


def test_options_of_a_device_are_named(run_text, capsys):
    """Options that Aer can't honour are in the result and in the log; those it does are not."""
    program = make((bell(), None))
    messenger = EncodedMessenger()
    run_text(encode(program, **ASKED), messenger=messenger)
    named = [f"options.{name}" for name in ASKED]
    assert json.loads(messenger.texts[0])["metadata"]["ignored_options"] == named
    assert ", ".join(named) in capsys.readouterr().out

    messenger = EncodedMessenger()
    run_text(encode(program), messenger=messenger)
    assert "ignored_options" not in json.loads(messenger.texts[0])["metadata"]
    assert capsys.readouterr().out == ""


def test_experimental_options_are_named(run_text):
    """They are not dropped in silence either."""
    params = json.loads(encode(make((bell(), None))))
    params["options"]["experimental"] = {"magic": {"on": True}}
    messenger = EncodedMessenger()
    run_text(json.dumps(params), messenger=messenger)
    written = json.loads(messenger.texts[0])["metadata"]
    assert written["ignored_options"] == ["options.experimental.magic"]


@pytest.mark.parametrize("make_device", [ideal, device])
def test_same_seed_repeats_the_job(run, make_device):
    """Draws of the samplex and shots repeat with the job's seed, and differ with another."""
    template, samplex = twirled(
        transpile(bell().remove_final_measurements(inplace=False), device())
    )
    program = QuantumProgram(shots=50)
    program.append_samplex_item(template, samplex, shape=(10,))

    def bits(seed):
        [item] = run(program, make_device(), seed_simulator=seed)
        return {name: array.tolist() for name, array in item.items()}

    first = bits(5)
    assert bits(5) == first
    other = bits(6)
    assert all(other[name] != first[name] for name in first)


# The client's own primitives


@pytest.mark.parametrize("is_twirled", [False, True])
@pytest.mark.parametrize("make_device", [ideal, device])
def test_client_side_sampler(run_text, make_device, is_twirled):
    """SamplerV2 of the client, with and without twirling, on a simulator and on a device."""
    backend = make_device()
    sampler = SamplerV2(mode=backend)
    sampler.options.twirling.enable_gates = sampler.options.twirling.enable_measure = is_twirled
    isa = transpile(bell(), backend)
    isa.metadata = {"mine": 1}
    sweep = transpile(turned(), backend)
    values = np.array([[0, 0], [np.pi, 0]])
    result = run_text(post_by(lambda: sampler.run([(isa,), (sweep, values)], shots=512)), backend)

    pair, turns = result
    counts = pair.data.meas.get_counts()
    assert sum(counts.values()) == 512
    assert counts["00"] + counts["11"] > (511 if make_device is ideal else 400)
    assert turns.data.shape == turns.data.left.shape == (2,)
    assert turns.data.left.get_counts(0).get("0", 0) > 400
    assert turns.data.left.get_counts(1).get("1", 0) > 400
    assert pair.metadata["circuit_metadata"] == {"mine": 1}


def test_client_side_sampler_of_a_wide_clifford(run_text):
    """Sixty twirled qubits stay Clifford: no angle is off by the samplex's rounding."""
    ghz = QuantumCircuit(60)
    ghz.h(0)
    for qubit in range(59):
        ghz.cx(qubit, qubit + 1)
    ghz.measure_all()
    backend = make_backend({"name": "aer_simulator"}, memory_bytes=2**31)
    isa = transpile(ghz, basis_gates=["rz", "sx", "x", "cx"])
    sampler = SamplerV2(mode=backend)
    sampler.options.twirling.enable_gates = True
    [pub] = run_text(post_by(lambda: sampler.run([isa], shots=64)), backend)
    assert set(pub.data.meas.get_counts()) == {"0" * 60, "1" * 60}


def test_idle_qubits_that_are_measured_take_no_memory(run):
    """The client's estimator turns and measures all qubits of a device, and entangles a few."""
    wide = QuantumCircuit(40)
    angle = Parameter("a")
    for qubit in range(40):
        wide.rx(angle, qubit)
    wide.barrier()
    wide.cx(3, 17)
    wide.measure_all()
    backend = make_backend({"name": "aer_simulator"}, memory_bytes=2**30)
    [item] = run(make((wide, np.array([[np.pi], [0], [1.0]])), shots=200), backend)

    ones = item["meas"].mean(axis=1)
    # The second qubit of the pair is flipped where the first is 1; bit 0 is the first qubit.
    assert ones[0].tolist() == [0.0 if qubit == 17 else 1.0 for qubit in range(40)]
    assert ones[1].tolist() == [0.0] * 40
    assert ones[2, 0] == pytest.approx(np.sin(0.5) ** 2, abs=0.15)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_client_side_estimator(run_text, level):
    """EstimatorV2 of the client on a noisy device: mitigation does what it says."""
    backend = device()
    isa = transpile(bell().remove_final_measurements(inplace=False), backend)
    observables = [
        SparsePauliOp(label).apply_layout(isa.layout) for label in ("ZZ", "XX", "YY", "ZI")
    ]
    estimator = EstimatorV2(mode=backend)
    estimator.options.resilience_level = level
    text = post_by(lambda: estimator.run([(isa, [observables])], precision=0.02))
    result = run_text(text, backend, seed_simulator=11)

    [pub] = result
    assert pub.data.evs.shape == (1, 4)
    errors = np.abs(pub.data.evs - [[1, 1, -1, 0]])
    assert errors.max() < 0.25
    if level:
        assert errors.max() < 0.1
    assert (pub.data.stds >= 0).all()
    assert result.metadata["shots"] >= 2500


def test_measurement_mitigation_of_the_client_removes_readout_errors(run_text):
    """With a tenth of all bits misread, the plain value is 0.64, and the mitigated one 1."""
    backend = misreading()
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.x(1)
    values = {}
    for is_mitigated in (False, True):
        estimator = EstimatorV2(mode=backend)
        estimator.options.resilience.measure_mitigation = is_mitigated
        text = post_by(lambda chosen=estimator: chosen.run([(circuit, "ZZ")], precision=0.02))
        [pub] = run_text(text, backend, seed_simulator=2)
        values[is_mitigated] = float(pub.data.evs)
    assert values[False] == pytest.approx(0.64, abs=0.1)
    assert values[True] == pytest.approx(1, abs=0.1)


def test_noise_learner_of_the_client_learns_the_device_s_noise(run_text):
    """NoiseLearnerV3 finds the depolarisation that the backend's description has."""
    pytest.importorskip("qiskit_noise_learning", reason="the client needs it to prepare its items")
    noise = {"depolarizing": {"one_qubit": 0.0, "two_qubit": 0.03}}
    gates = {"coupling_map": [[0, 1], [1, 0]], "basis_gates": ["rz", "sx", "x", "cz"]}
    backend = make_backend({"name": "learned", "qubits": 2, "noise": noise, **gates})
    sampler = SamplerV2(mode=backend)
    sampler.options.twirling.enable_gates = True
    layers = sampler.find_unique_layers([transpile(bell(), backend)])
    options = {"shots_per_randomization": 128, "num_randomizations": 32}
    learner = NoiseLearnerV3(mode=backend, options=options | {"layer_pair_depths": [0, 2, 4, 8]})
    [learned] = run_text(post_by(lambda: learner.run(layers)), backend, seed_simulator=3)

    rates = learned.to_pauli_lindblad_map().rates
    # Each of the fifteen Paulis has a sixteenth of 0.03.
    assert len(rates) == 15
    assert rates == pytest.approx(0.03 / 16, rel=0.3)


# Refusals


def damage(version="v2.0", **changes):
    """The parameters of a Bell pair, with other values at these dotted places."""
    params = json.loads(encode(make((bell(), None)), version))
    for path, value in changes.items():
        *inner, last = path.split("__")
        place = params
        for key in inner:
            place = place[int(key) if key.isdigit() else key]
        place[int(last) if last.isdigit() else last] = value
    return params


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": "v3.0"}, "^schema_version: expected one of v0.1, .*'v3.0'$"),
        ({"schema_version": []}, "^schema_version: "),
        ({"quantum_program": [1]}, "^quantum_program: expected an object, got list$"),
        ({"options": None}, "^options: expected an object, got NoneType$"),
        ({"options__rep_delay": "long"}, r"^options\.rep_delay: "),
        ({"quantum_program__shots": 0}, r"^quantum_program\.shots: .* 1 to 100000000, got 0$"),
        ({"quantum_program__shots": 2.5}, r"^quantum_program\.shots: "),
        (
            {"quantum_program__meas_level": "kerneled"},
            r"^quantum_program\.meas_level: .*classified",
        ),
        ({"quantum_program__items": []}, "^quantum_program: .*1 circuits and 0 items"),
        ({"quantum_program__items": None}, r"^quantum_program\.items: "),
        ({"quantum_program__items__0": {}}, r"^quantum_program\.items\[0\]: "),
        ({"quantum_program__circuits__qpy_version": 11}, r"^quantum_program\.circuits"),
        ({"quantum_program__circuits__b64_data": "AAAA"}, r"^quantum_program: cannot be decoded: "),
        (
            {"quantum_program__items__0__circuit_arguments__data": "%%%"},
            r"^quantum_program: cannot be decoded: ",
        ),
        (
            {"quantum_program__items__0__circuit_arguments__shape": [5]},
            r"^quantum_program\.items\[0\]\.circuit\.circuit_arguments: .*inconsistent with shape",
        ),
        ({"quantum_program__items__0__chunk_size": 0}, r"^quantum_program\.items\[0\]"),
        ({"quantum_program__items__0__item_type": "other"}, r"^quantum_program\.items\[0\]"),
    ],
)
def test_garbled_parameters_are_refused_by_their_field(load_program, changes, match):
    """Whatever comes: a ValueError that begins with the field, before anything runs."""
    messenger = EncodedMessenger()
    with pytest.raises(ValueError, match=match):
        load_program("executor").main(ideal(), messenger, **damage(**changes))
    assert messenger.texts == []


def test_cut_circuits_are_refused(load_program):
    """QPY that ends early is an error about the circuits' bytes, and not a crash."""
    params = damage()
    data = b64encode(zlib.compress(b"QISKIT" + bytes([18, 2, 6, 2]) + bytes(8)[:-1] + b"\1d"))
    params["quantum_program"]["circuits"] |= {"b64_data": data.decode(), "qpy_version": 18}
    with pytest.raises(ValueError, match="^quantum_program"):
        load_program("executor").main(ideal(), EncodedMessenger(), **params)


@pytest.mark.parametrize(
    ("shape", "shots", "match"),
    [
        ((0,), 10, r"^quantum_program\.items\[1\]: there is nothing to run"),
        ((10**6,), 10**3, "^quantum_program: 1,000,001,000 shots in all, and at most 100,000,000"),
    ],
)
def test_shape_that_makes_no_sense_is_refused(load_program, shape, shots, match):
    """A few bytes can ask for any number of runs: they are counted first."""
    template, samplex = twirled()
    program = make((bell(), None), shots=shots)
    program.append_samplex_item(template, samplex, shape=shape)
    messenger = EncodedMessenger()
    with pytest.raises(ValueError, match=match):
        load_program("executor").main(ideal(), messenger, **json.loads(encode(program)))
    assert messenger.progress == []


@pytest.mark.parametrize("is_parametric", [False, True])
def test_circuit_without_memory_is_refused(load_program, is_parametric):
    """Forty qubits that are no Clifford are refused with the numbers, before Aer is asked."""
    dense = QuantumCircuit(40, name="dense")
    dense.ry(Parameter("a") if is_parametric else 0.1, 0)
    for qubit in range(39):
        dense.cx(qubit, qubit + 1)
    dense.measure_all()
    backend = make_backend({"name": "aer_simulator"}, memory_bytes=2**30)
    params = json.loads(encode(make((dense, np.array([[0.1]]) if is_parametric else None))))
    with pytest.raises(TooLarge, match="'dense' needs 16 TiB"):
        load_program("executor").main(backend, EncodedMessenger(), **params)


@pytest.mark.parametrize("angles", [[0.0, 0.3], [0.3, 0.0], [np.pi / 2, np.pi, -0.3]])
def test_sweep_of_which_a_row_has_no_memory_is_refused(load_program, angles):
    """The row that is no Clifford decides, wherever it stands in the sweep."""
    dense = QuantumCircuit(36, name="dense")
    dense.ry(Parameter("a"), 0)
    for qubit in range(35):
        dense.cx(qubit, qubit + 1)
    dense.measure_all()
    backend = make_backend({"name": "aer_simulator"}, memory_bytes=2**30)
    params = json.loads(encode(make((dense, np.array(angles)[:, None]))))
    with pytest.raises(TooLarge, match="'dense' needs 1 TiB"):
        load_program("executor").main(backend, EncodedMessenger(), **params)


def test_circuit_wider_than_the_device_is_refused(load_program):
    """The item and both widths are named."""
    wide = QuantumCircuit(6)
    wide.x(range(6))
    wide.measure_all()
    with pytest.raises(ValueError, match=r"^quantum_program\.items\[0\]: .*6.*5"):
        load_program("executor").main(
            device(), EncodedMessenger(), **json.loads(encode(make((wide, None))))
        )


# Metadata


def test_metadata_match_main(load_program, load_metadata):
    """The schema is valid, names the client's versions, and describes main's parameters."""
    metadata = load_metadata("executor")
    described = metadata["spec"]["parameters"]
    parameters = list(inspect.signature(load_program("executor").main).parameters)[2:]

    jsonschema_rs.meta.validate(described)
    jsonschema_rs.meta.validate(metadata["spec"]["return_values"])
    assert list(described["properties"]) == parameters
    assert described["properties"]["schema_version"]["enum"] == list(VERSIONS)
    assert set(described["properties"]["options"]["properties"]) == {*ASKED, "experimental"}
