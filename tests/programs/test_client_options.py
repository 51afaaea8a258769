"""Every option of the official client: honoured, or named in the result, and never refused."""

import dataclasses
import json
import typing

import pytest
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_ibm_runtime import EstimatorV2, SamplerV2
from qiskit_ibm_runtime.options import EstimatorOptions, SamplerOptions
from qiskit_ibm_runtime.options.utils import merge_options_v2

from qiskit_runtime.programs.simulate import runs
from tests.programs.encoded_messenger import EncodedMessenger, Primitive, post_officially

# Deprecated, and how the official client's own decoder makes a noise model.
pytestmark = pytest.mark.filterwarnings("ignore:from_dict has been deprecated:DeprecationWarning")

MISREAD = NoiseModel()
MISREAD.add_all_qubit_readout_error(ReadoutError([[0, 1], [1, 0]]))

VALUES = {
    "default_shots": 77,
    "default_precision": 0.1,
    "seed_estimator": 5,
    "resilience_level": 2,
    "experimental": {"magic": 1},
    "dynamical_decoupling.enable": True,
    "dynamical_decoupling.sequence_type": "XY4",
    "dynamical_decoupling.extra_slack_distribution": "edges",
    "dynamical_decoupling.scheduling_method": "asap",
    "dynamical_decoupling.skip_reset_qubits": True,
    "execution.init_qubits": False,
    "execution.rep_delay": 1e-4,
    "execution.meas_type": "classified",
    "resilience.measure_mitigation": True,
    "resilience.measure_noise_learning.num_randomizations": 3,
    "resilience.measure_noise_learning.shots_per_randomization": 4,
    "resilience.zne_mitigation": True,
    "resilience.zne.amplifier": "gate_folding",
    "resilience.zne.noise_factors": [1, 3, 5],
    "resilience.zne.extrapolator": "linear",
    "resilience.zne.extrapolated_noise_factors": [0, 1],
    "resilience.pec_mitigation": True,
    "resilience.pec.max_overhead": 10.0,
    "resilience.pec.noise_gain": 1.0,
    "resilience.layer_noise_learning.max_layers_to_learn": 2,
    "resilience.layer_noise_learning.shots_per_randomization": 5,
    "resilience.layer_noise_learning.num_randomizations": 6,
    "resilience.layer_noise_learning.layer_pair_depths": [0, 1],
    "resilience.layer_noise_model": [],
    "simulator.noise_model": MISREAD,
    "simulator.seed_simulator": 5,
    "simulator.coupling_map": [[0, 1], [1, 2]],
    "simulator.basis_gates": ["rz", "sx", "cz"],
    "twirling.enable_gates": True,
    "twirling.enable_measure": True,
    "twirling.num_randomizations": 8,
    "twirling.shots_per_randomization": 9,
    "twirling.strategy": "all",
}
"""A value of each option that asks for something; for those that take any, a value as good."""

NEEDED = {
    "resilience.measure_noise_learning.num_randomizations": "resilience.measure_mitigation",
    "resilience.measure_noise_learning.shots_per_randomization": "resilience.measure_mitigation",
    "resilience.pec_mitigation": "simulator.coupling_map",
}
"""Options that the client refuses without another one."""

OF_THE_CLIENT = (
    *("max_execution_time", "environment.log_level", "environment.job_tags"),
    "environment.private",
)
"""Options that the client sends beside a program's parameters."""

AS_AER_DOES = ("execution.meas_type",)

HONOURED = {
    "default_shots": "shots",
    "default_precision": "shots",
    "seed_estimator": "seed",
    "simulator.seed_simulator": "seed",
    "simulator.noise_model": "noise",
    "simulator.coupling_map": "pairs",
    "simulator.basis_gates": "gates",
}
"""The effect of each option that a simulation has, as ``observe`` shows it."""

PRIMITIVES = {
    "sampler": (SamplerV2, SamplerOptions),
    "estimator": (EstimatorV2, EstimatorOptions),
}


def list_options(kind, prefix=""):
    """The dotted names of the client's options."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        inner = [one for one in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(one)]
        if inner and field.name != "layer_noise_model":
            yield from list_options(inner[0], f"{prefix}{field.name}.")
        elif not field.name.startswith("_"):
            yield prefix + field.name


def nest(name, value):
    """An option by its dotted name, as a client's user sets it."""
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


CASES = [
    (program, name)
    for program, (_, options) in PRIMITIVES.items()
    for name in list_options(options)
    if name not in OF_THE_CLIENT
]


def flips():
    """Three qubits, two of them flipped across a missing connection; for the sampler measured."""
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.cx(0, 2)
    return circuit


@pytest.fixture
def observe(load_program, load_metadata, monkeypatch):
    """Run a program with the client's options; returns its result, and what was seen of the run."""

    def observe(program, **options):
        seen = {}
        original = runs.run_circuits

        def run(backend, circuits, **arguments):
            seen["seed"] = arguments.get("seed_simulator")
            seen["shots"] = arguments.get("shots")
            seen["noise"] = "noise_model" in arguments
            pairs = [item for item in circuits[0].data if len(item.qubits) == len(item.clbits) + 2]
            seen["pairs"] = {tuple(map(circuits[0].qubits.index, item.qubits)) for item in pairs}
            seen["gates"] = set(circuits[0].count_ops()) - {"measure", "barrier"}
            return original(backend, circuits, **arguments)

        monkeypatch.setattr(runs, "run_circuits", run)
        circuit = flips()
        if program == "sampler":
            circuit.measure_all()
        pubs = [(circuit,)] if program == "sampler" else [(circuit, "ZZZ")]
        text = post_officially(PRIMITIVES[program][0], pubs, **options)
        primitive = Primitive(program, load_program, load_metadata)
        result = primitive.run_text(text, AerSimulator(), EncodedMessenger())
        monkeypatch.undo()
        return json.loads(text), result, seen

    return observe


def test_every_option_of_the_client_is_tried():
    """A release with an option more fails here, until it is known what becomes of it."""
    assert {name for _, name in CASES} == set(VALUES)


@pytest.mark.parametrize(("program", "name"), CASES)
def test_option_is_honoured_or_named(observe, program, name):
    """It changes the run, or the result's metadata says that it did not."""
    _, plain, before = observe(program)
    assert "ignored_options" not in plain.metadata
    options = nest(name, VALUES[name])
    if needed := NEEDED.get(name):
        options = merge_options_v2(options, nest(needed, VALUES[needed]))
    posted, result, after = observe(program, **options)
    assert posted["options"] or "resilience_level" in posted
    named = result.metadata.get("ignored_options", [])
    ignored = [option for option in named if option != f"options.{needed}"]
    if name in HONOURED:
        assert ignored == []
        assert after[HONOURED[name]] != before[HONOURED[name]]
    elif name in AS_AER_DOES:
        assert ignored == []
    elif name == "experimental":
        assert ignored == ["options.experimental.magic"]
    elif name == "resilience_level":
        assert ignored == ["resilience_level"]
    else:
        assert ignored == [f"options.{name}"]


@pytest.mark.parametrize("program", list(PRIMITIVES))
def test_options_have_the_effect_that_they_name(observe, program):
    """Shots, seed, noise and gates are those asked for, all of them at once."""
    options = {
        "default_shots": 77,
        "simulator": {
            "seed_simulator": 5,
            "noise_model": MISREAD,
            "basis_gates": ["rz", "sx", "cz"],
            "coupling_map": [[0, 1], [1, 2]],
        },
    }
    _, result, seen = observe(program, **options)
    [pub] = result
    assert (seen["shots"], seen["seed"], seen["noise"]) == (77, 5, True)
    assert seen["gates"] <= {"rz", "sx", "cz"}
    assert all(abs(first - second) == 1 for first, second in seen["pairs"])
    assert pub.metadata["shots"] == 77
    if program == "sampler":
        # Without the noise: 101, of the first and the last qubit.
        assert pub.data.meas.get_counts() == {"010": 77}
    else:
        # Z is -1, 1 and -1, and each is read the other way round.
        assert pub.data.evs == pytest.approx(-1)


def test_defaults_are_those_of_the_service(observe):
    """Without a wish, a sampler takes 4096 shots, and an estimator a precision of 1/64."""
    _, sampled, _ = observe("sampler")
    _, estimated, _ = observe("estimator")
    assert sampled[0].metadata["shots"] == estimated[0].metadata["shots"] == 4096
    assert estimated[0].metadata["target_precision"] == 0.015625


def test_shots_come_before_a_precision(observe):
    """As with the service: default_shots of the estimator wins over default_precision."""
    _, result, _ = observe("estimator", default_shots=400, default_precision=0.1)
    assert result[0].metadata["shots"] == 400
    assert result[0].metadata["target_precision"] == 0.05


@pytest.mark.parametrize("program", list(PRIMITIVES))
def test_experimental_options_of_groups_are_named(observe, program):
    """The client merges them into the groups of options, whose schema must take them."""
    experimental = {"execution": {"scheduler_timing": True, "stretch_values": True}}
    _, result, _ = observe(program, experimental=experimental)
    assert result.metadata["ignored_options"] == [
        "options.execution.scheduler_timing",
        "options.execution.stretch_values",
    ]


@pytest.mark.parametrize("kind", ["kerneled", "avg_kerneled"])
def test_level_of_measurement_that_aer_lacks_is_refused(observe, kind):
    """There is no trace of a readout to give: neither the bits nor made-up points would do."""
    with pytest.raises(Exception, match="kerneled"):
        observe("sampler", execution={"meas_type": kind})
