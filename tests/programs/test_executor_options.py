"""Every option of Executor and of the client's primitives on it, and what becomes of each.

The client does most of them itself, before it sends a quantum program or when it reads the result;
the few that it sends are fulfilled, or named in the result and in the job's log.
"""

import json

import pytest
from ibm_quantum_schemas.common.qpy import CompressedQpyDataModel
from pydantic import BaseModel
from qiskit import transpile
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime.executor_estimator import EstimatorV2
from qiskit_ibm_runtime.executor_sampler import SamplerV2
from qiskit_ibm_runtime.options_models import EstimatorOptions, ExecutorOptions, SamplerOptions

from runner.quantum_backend import make_backend
from tests.programs.encoded_messenger import EncodedMessenger, as_decoded
from tests.programs.executor_client import encode_with, post_by
from tests.programs.test_executor import bell, make

VALUES = {
    "default_shots": 64,
    "default_precision": 0.25,
    "resilience_level": 2,
    "experimental": {"magic": 1},
    "execution.init_qubits": False,
    "execution.rep_delay": 1e-4,
    "execution.scheduler_timing": True,
    "execution.stretch_values": True,
    "execution.meas_type": "kerneled",
    "dynamical_decoupling.enable": True,
    "dynamical_decoupling.sequence_type": "XY4",
    "dynamical_decoupling.extra_slack_distribution": "edges",
    "dynamical_decoupling.scheduling_method": "asap",
    "dynamical_decoupling.skip_reset_qubits": True,
    "twirling.enable_gates": True,
    "twirling.enable_measure": True,
    "twirling.group": "balanced_pauli",
    "twirling.num_randomizations": 8,
    "twirling.shots_per_randomization": 9,
    "twirling.strategy": "all",
    "resilience.measure_mitigation": True,
    "resilience.measure_noise_learning.num_randomizations": 3,
    "resilience.pec_mitigation": True,
    "resilience.pec.max_overhead": 10.0,
    "resilience.pec.noise_gain": 1.0,
    "resilience.zne_mitigation": True,
    "resilience.zne.amplifier": "gate_folding_front",
    "resilience.zne.noise_factors": [1, 3, 5, 7],
    "resilience.zne.extrapolator": ["linear"],
    "resilience.zne.extrapolated_noise_factors": [0, 1],
    "resilience.layer_noise_model": [],
    "simulator.angle_decimals": 3,
    "simulator.layer_noise_model": [],
    "simulator.seed_simulator": 5,
    "simulator.warn_absent": False,
}
"""A value of each option that is not its default."""

BESIDE = {
    *("max_execution_time", "environment.max_execution_time", "environment.log_level"),
    *("environment.job_tags", "environment.private", "environment.image"),
}
"""Options that the client sends beside the parameters: ``tests.api.ibm`` has what becomes of them.

The image is dropped, as the page on the official client says: there is one.
"""

SENT = {
    "execution.init_qubits": "options.init_qubits",
    "execution.rep_delay": "options.rep_delay",
    "execution.scheduler_timing": "options.scheduler_timing",
    "execution.stretch_values": "options.stretch_values",
    "experimental": "options.experimental.magic",
}
"""Options in the parameters that Aer can't fulfil, by the name that the job's log has."""

REFUSED = {"execution.meas_type": "meas_level"}
"""Options that there is no result for, by the field that the job's failure names."""

LOCAL = "simulator."
"""The options of the client's own simulation, which it sends to no server."""

NEEDS_MORE = {"resilience.pec_mitigation": "noise"}
"""Options that the client refuses without others, by a word of its own error."""

MODELS = {"executor": ExecutorOptions, "sampler": SamplerOptions, "estimator": EstimatorOptions}


def list_options(model, prefix=""):
    """Yield the dotted names of a model's options."""
    for name, found in model.model_fields.items():
        kind = found.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from list_options(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


CASES = [
    (primitive, name)
    for primitive, model in MODELS.items()
    for name in list_options(model)
    if name not in BESIDE
]


def set_option(options, name, value):
    """Set an option by its dotted name."""
    *groups, last = name.split(".")
    for group in groups:
        options = getattr(options, group)
    setattr(options, last, value)


@pytest.fixture(scope="module")
def device():
    """A device whose gates have durations."""
    return make_backend({"name": "device", "fake_device": "FakeManilaV2"}, seed=1)


@pytest.fixture(scope="module")
def post(device):
    """Return what a primitive sends with options; without twirling and mitigation but for those."""
    measured = transpile(bell(), device, seed_transpiler=1)
    plain = transpile(bell().remove_final_measurements(inplace=False), device, seed_transpiler=1)
    observable = SparsePauliOp("ZZ").apply_layout(plain.layout)

    def post(primitive, **values):
        options = MODELS[primitive]()
        if primitive == "estimator":
            options.resilience_level = 0
        for name, value in values.items():
            set_option(options, name, value)
        match primitive:
            case "executor":
                return encode_with(make((measured, None)), options)
            case "sampler":
                return post_by(lambda: SamplerV2(device, options=options).run([measured]))
        estimator = EstimatorV2(device, options=options)
        return post_by(lambda: estimator.run([(plain, observable)]))

    return post


@pytest.fixture
def run(load_program, device):
    """Return the options that a result names."""

    def run(text):
        messenger = EncodedMessenger()
        load_program("executor").main(device, messenger, **as_decoded(text))
        return json.loads(messenger.texts[0])["metadata"].get("ignored_options", [])

    return run


def read(text):
    """Return parameters without the circuits, whose bytes are others each time."""
    params = json.loads(text)
    params["quantum_program"]["circuits"] = None
    return params


def count_gates(text):
    """Return the gates of the circuit in parameters."""
    data = json.loads(text)["quantum_program"]["circuits"]
    [circuit] = CompressedQpyDataModel.model_validate(data).to_python()
    return circuit.count_ops()


def test_every_option_of_the_client_is_tried():
    """A release with an option more fails here, until it is known what becomes of it."""
    assert {name for _, name in CASES} == set(VALUES)
    for model in MODELS.values():
        assert set(list_options(model)) >= BESIDE


@pytest.mark.parametrize(("primitive", "name"), CASES)
def test_option_is_done_by_the_client_or_named(post, run, capsys, primitive, name):
    """It is the client's own work, or the server is asked: what it lacks is in the job's log."""
    plain = read(post(primitive))
    if name in NEEDS_MORE:
        with pytest.raises(Exception, match=f"(?i){NEEDS_MORE[name]}"):
            post(primitive, **{name: VALUES[name]})
        return
    text = post(primitive, **{name: VALUES[name]})
    asked = read(text)
    if name in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[name]):
            run(text)
        return
    named = [SENT[name]] if name in SENT else []
    assert run(text) == named
    assert [name for name in named if name not in capsys.readouterr().out] == []
    assert (asked["options"] != plain["options"]) == (name in SENT)
    if name.startswith(LOCAL) and primitive == "executor":
        assert asked == plain
    elif name not in SENT:
        assert asked["quantum_program"] != plain["quantum_program"]


def test_client_changes_the_circuits_itself(post):
    """Twirling and decoupling are in the circuits that arrive, and ask nothing of the server."""
    names = ("twirling.enable_gates", "dynamical_decoupling.enable")
    plain = count_gates(post("sampler"))
    twirled, decoupled = (count_gates(post("sampler", **{name: True})) for name in names)
    assert twirled["rz"] > plain["rz"]
    assert "delay" in decoupled and "delay" not in plain


@pytest.mark.parametrize(
    ("primitive", "name", "shots"),
    [("sampler", "default_shots", 64), ("estimator", "default_shots", 64),
     ("estimator", "default_precision", 16)],
)  # fmt: skip
def test_shots_are_those_asked_for(post, primitive, name, shots):
    """The client turns a default of shots, or a precision, into the program's shots."""
    asked = json.loads(post(primitive, **{name: VALUES[name]}))
    assert asked["quantum_program"]["shots"] == shots
