"""hello-world: sample-program's loop, once by default."""

import inspect

import jsonschema_rs
import pytest
from qiskit.quantum_info import Statevector, hellinger_fidelity
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider import FakeManilaV2

from qiskit_runtime.programs.simulate.random_circuits import draw_circuit
from tests.programs.encoded_messenger import EncodedMessenger


@pytest.fixture
def run(load_program):
    """Run the program; its messenger."""

    def run_program(backend=None, **inputs):
        messenger = EncodedMessenger()
        load_program("hello_world").main(backend or AerSimulator(), messenger, **inputs)
        return messenger

    return run_program


def test_default_is_one_iteration(run):
    """Without inputs there is one message of 1024 five-bit counts, and the final text."""
    messenger = run()
    [message] = messenger.interim

    assert message["iteration"] == 0
    assert sum(message["counts"].values()) == 1024
    assert all(len(key) == 5 and set(key) <= {"0", "1"} for key in message["counts"])
    assert messenger.final == ["All done!"]


@pytest.mark.parametrize("iterations", [0, 4])
def test_iterations_are_published_in_order(run, iterations):
    """N iterations give N messages and N + 1 reports of progress."""
    messenger = run(iterations=iterations)

    assert [message["iteration"] for message in messenger.interim] == list(range(iterations))
    assert [(step.done, step.total) for step in messenger.progress] == [
        (done, iterations) for done in range(iterations + 1)
    ]


@pytest.mark.parametrize("device", [False, True])
def test_same_seed_repeats_the_job(run, device):
    """With a seed a job publishes the same, on a device-like backend too; another seed does not."""
    backend = AerSimulator.from_backend(FakeManilaV2()) if device else AerSimulator()
    texts = [run(backend, iterations=3, seed_simulator=seed).texts for seed in (8, 8, 9)]

    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 4


def test_circuits_are_samples_of_their_states(run):
    """Each message's counts follow the state of a circuit with one of the seeds 0 to 1000."""
    [message] = run(seed_simulator=3).interim
    states = (draw_circuit(seed).remove_final_measurements(inplace=False) for seed in range(1001))
    best = max(
        hellinger_fidelity(message["counts"], Statevector(state).probabilities_dict())
        for state in states
    )

    assert best > 0.97


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({"iterations": -1}, "^iterations: expected an integer"),
        ({"iterations": True}, "^iterations: expected an integer"),
        ({"iterations": "1"}, "^iterations: expected an integer"),
        ({"seed_simulator": -1}, "^seed_simulator: expected an integer"),
        ({"seed_simulator": "one"}, "^seed_simulator: expected an integer"),
    ],
)
def test_wrong_field_is_named(run, inputs, match):
    """A wrong input is refused by its name."""
    with pytest.raises(ValueError, match=match):
        run(**inputs)


def test_metadata_match_main(load_program, load_metadata):
    """The schema is valid, asks for nothing, and describes main's parameters and defaults."""
    metadata = load_metadata("hello_world")
    described = metadata["spec"]["parameters"]
    parameters = dict(
        list(inspect.signature(load_program("hello_world").main).parameters.items())[2:]
    )

    for part in ("parameters", "return_values", "interim_results"):
        jsonschema_rs.meta.validate(metadata["spec"][part])
    jsonschema_rs.validator_for(described).validate({})
    assert {name: schema["default"] for name, schema in described["properties"].items()} == {
        name: parameter.default for name, parameter in parameters.items()
    }
    assert metadata["name"] == "hello-world"
    assert metadata["max_execution_time"] == 300
