"""sample-program: interim results in order, from circuits that can be drawn again."""

import inspect
import random
import time

import jsonschema_rs
import pytest
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector, hellinger_fidelity
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.simulate import transpiling
from tests.programs.encoded_messenger import EncodedMessenger


@pytest.mark.parametrize("iterations", [0, 1, 3, 5])
def test_publishes_each_iteration_in_order(load_program, messenger, iterations):
    """N iterations give N interim messages, numbered from 0, and the final text."""
    load_program("sample_program").main(AerSimulator(), messenger, iterations=iterations)

    assert [message["iteration"] for message in messenger.interim] == list(range(iterations))
    assert messenger.final == ["All done!"]


def test_default_is_five_iterations(load_program, messenger):
    """Without inputs the program runs five iterations."""
    load_program("sample_program").main(AerSimulator(), messenger)

    assert len(messenger.interim) == 5


def test_counts_are_of_five_qubits(load_program, messenger):
    """Each message's counts add up to 1024 shots of five bits."""
    load_program("sample_program").main(AerSimulator(), messenger, iterations=20)

    for message in messenger.interim:
        assert set(message) == {"iteration", "counts"}
        assert sum(message["counts"].values()) == 1024
        assert all(len(key) == 5 and set(key) <= {"0", "1"} for key in message["counts"])


def test_counts_follow_the_drawn_circuits(load_program, messenger):
    """The counts are samples of the very circuits that the random seeds give."""
    start = random.randrange(2**32)
    random.seed(start)
    load_program("sample_program").main(AerSimulator(), messenger, iterations=8)

    random.seed(start)
    for message in messenger.interim:
        circuit = random_circuit(5, 4, seed=random.randint(0, 1000))
        exact = Statevector(circuit).probabilities_dict()
        possible = {key for key, probability in exact.items() if probability > 1e-9}
        assert set(message["counts"]) <= possible, f"random.seed({start})"
        # 1024 shots over at most 32 outcomes lose 31 / (4 * 1024) = 0.008 on average.
        assert hellinger_fidelity(message["counts"], exact) > 0.97, f"random.seed({start})"


@pytest.mark.parametrize("iterations", [-1, True, 2.0, "3", None, [1]])
def test_names_the_wrong_field(load_program, messenger, iterations):
    """Anything but an integer of 0 or more is refused by the field's name; nothing is published."""
    with pytest.raises(ValueError, match="iterations: expected an integer"):
        load_program("sample_program").main(AerSimulator(), messenger, iterations=iterations)
    assert messenger.interim == messenger.final == []


@pytest.mark.parametrize("seed", [-1, 1.5, "one", True])
def test_names_a_wrong_seed(load_program, messenger, seed):
    """Anything but a seed is refused by the field's name; nothing is published."""
    with pytest.raises(ValueError, match="seed_simulator: expected an integer"):
        load_program("sample_program").main(AerSimulator(), messenger, seed_simulator=seed)
    assert messenger.interim == messenger.final == []


def test_same_seed_repeats_the_job(load_program):
    """With a seed a job publishes the same, whatever Python's own generator has drawn."""
    texts = []
    for seed in (5, 5, 6):
        random.random()
        messenger = EncodedMessenger()
        load_program("sample_program").main(AerSimulator(), messenger, 4, seed_simulator=seed)
        texts.append(messenger.texts)

    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) == 5  # each iteration has a circuit and a seed of its own


def test_seed_leaves_pythons_generator_alone(load_program, messenger):
    """A job with a seed draws nothing from the generator that others may use."""
    random.seed(1)
    expected = random.Random(1).random()
    load_program("sample_program").main(AerSimulator(), messenger, 2, seed_simulator=5)

    assert random.random() == expected


def test_progress_counts_iterations(load_program):
    """Progress goes from none to all of the iterations."""
    messenger = EncodedMessenger()
    load_program("sample_program").main(AerSimulator(), messenger, iterations=2)

    assert [(step.done, step.total) for step in messenger.progress] == [(0, 2), (1, 2), (2, 2)]


def test_builds_its_passes_once(load_program, messenger, monkeypatch):
    """The pass manager is built once a job, however many iterations it runs."""
    program = load_program("sample_program")
    built = []
    build = transpiling.generate_preset_pass_manager

    def counted(*args, **kwargs):
        built.append(args)
        return build(*args, **kwargs)

    monkeypatch.setattr(transpiling, "generate_preset_pass_manager", counted)
    program.main(AerSimulator(), messenger, iterations=10)

    assert len(built) == 1


def test_iterations_are_cheap(load_program, messenger):
    """An iteration costs less than 30 ms of CPU, so that 2,000 end within a minute."""
    program = load_program("sample_program")
    program.main(AerSimulator(), messenger, iterations=1)  # pays for the imports
    start = time.process_time()
    program.main(AerSimulator(), messenger, iterations=100)

    assert time.process_time() - start < 3.0


def test_metadata_match_main(load_program, load_metadata):
    """The metadata describe main's parameters, their defaults, and the limits of 2021."""
    metadata = load_metadata("sample_program")
    parameters = inspect.signature(load_program("sample_program").main).parameters
    described = metadata["spec"]["parameters"]

    assert list(parameters)[2:] == list(described["properties"]) == ["iterations", "seed_simulator"]
    assert described["properties"]["iterations"]["type"] == "integer"
    for name, schema in described["properties"].items():
        assert schema["default"] == parameters[name].default
    assert "required" not in described  # main has a default for each
    jsonschema_rs.meta.validate(described)
    assert metadata["max_execution_time"] == 300
    assert metadata["version"] == "1.0"
    assert metadata["spec"]["backend_requirements"] == {"min_num_qubits": 5}
    assert {"return_values", "interim_results"} <= set(metadata["spec"])
