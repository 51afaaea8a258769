"""A run's options against those of the installed Aer: honoured, left out or refused."""

import numpy as np
import pytest
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError

from qiskit_runtime.programs.inputs.aer_options import option_names, read_run_options

BACKEND = AerSimulator()


def noise():
    """A model that misreads every qubit."""
    model = NoiseModel()
    model.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]))
    return model


def test_every_option_of_aers_is_taken_with_its_default():
    """Options that Aer's own simulator has set can be given again, and reach it unchanged."""
    defaults = {name: value for name, value in BACKEND.options.items() if value is not None}

    assert len(defaults) > 30
    assert read_run_options(BACKEND, defaults) == defaults


@pytest.mark.parametrize("name", sorted(option_names(BACKEND)))
def test_no_option_takes_any_value(name):
    """Each option refuses a value of a wrong type with its name; none is cast, none a crash."""
    wrong = {"an": "object"}
    with pytest.raises(ValueError, match=f"^run_config.{name}: "):
        read_run_options(BACKEND, {name: wrong}, "run_config.")
    assert read_run_options(BACKEND, {name: None}) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shots", 5),
        ("shots", np.int64(5)),
        ("memory", True),
        ("fusion_enable", np.bool_(False)),
        ("zero_threshold", 1),
        ("cuStateVec_enable", False),
        ("method", "matrix_product_state"),
        ("mps_swap_direction", "mps_swap_right"),
        ("target_gpus", [0]),
    ],
)
def test_value_of_the_right_type_is_taken(name, value):
    """Values as Aer has them are taken, NumPy's among them, and integers for numbers."""
    assert read_run_options(BACKEND, {name: value}) == {name: value}


def test_noise_may_be_a_dictionary():
    """A noise model is taken as it is, and as its to_dict()."""
    model = noise()

    assert read_run_options(BACKEND, {"noise_model": model}) == {"noise_model": model}
    assert read_run_options(BACKEND, {"noise_model": model.to_dict()}) == {"noise_model": model}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"shotz": 7}, "^shotz: the simulator has no such option; did you mean 'shots'"),
        ({"Noise_Model": None}, "did you mean 'noise_model'"),
        ({"max_paralel_threads": 1}, "did you mean 'max_parallel_threads'"),
        ({"zzzz": 1}, "^zzzz: the simulator has no such option$"),
        ({"parameterizations": []}, "^parameterizations: the simulator has no such option"),
        ({"shots": "7"}, "^shots: expected an integer"),
        ({"shots": 7.0}, "^shots: expected an integer"),
        ({"max_parallel_threads": True}, "^max_parallel_threads: expected an integer"),
        ({"max_parallel_threads": -1}, "^max_parallel_threads: expected an integer of 0"),
        ({"num_threads_per_device": 2**63}, "^num_threads_per_device: expected an integer"),
        ({"fusion_enable": "no"}, "^fusion_enable: expected true or false"),
        ({"fusion_enable": 1}, "^fusion_enable: expected true or false"),
        ({"zero_threshold": float("inf")}, "^zero_threshold: expected a number"),
        ({"method": 3}, "^method: expected a string"),
        ({"method": "stabiliser"}, "^method: Aer has no 'stabiliser'; did you mean 'stabilizer'"),
        ({"precision": "half"}, "^precision: Aer has no 'half'; there are double, single"),
        ({"device": "GPU"}, "^device: Aer has no 'GPU'"),
        ({"mps_swap_direction": "left"}, "^mps_swap_direction: Aer has no 'left'"),
        ({"noise_model": {}}, "^noise_model: expected a noise model"),
        ({"noise_model": {"errors": [{"type": "no"}]}}, "^noise_model: cannot be read"),
        ({"executor": 1}, "^executor: expected Executor"),
        ({"meas_level": 1}, "^meas_level: a simulation gives 2, not 1"),
        ({"meas_return": "all"}, "^meas_return: a simulation gives 'avg' or 'single', not 'all'"),
    ],
)
def test_what_aer_has_not_is_refused(options, match):
    """Unknown names are refused with the nearest known one, wrong values with the expected ones."""
    with pytest.raises(ValueError, match=match):
        read_run_options(BACKEND, options)
