"""Options of the primitives against those that the official client has."""

import dataclasses
import typing

import pytest
from qiskit_ibm_runtime.options import EstimatorOptions, SamplerOptions

from qiskit_runtime.programs.inputs.primitive_options import read_options

BESIDE = ("resilience_level",)
"""Return the fields that the client sends together with its options."""

OF_2022 = (
    *("resilience.noise_factors", "resilience.extrapolator", "resilience.noise_amplifier"),
    *("transpilation.initial_layout", "transpilation.approximation_degree"),
    *("environment.callback", "environment.image", "twirling.gates"),
)


def list_options(kind, prefix=""):
    """The dotted names of the client's options."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        inner = [one for one in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(one)]
        if inner:
            yield from list_options(inner[0], f"{prefix}{field.name}.")
        elif not field.name.startswith("_") and field.name not in BESIDE:
            yield prefix + field.name


def nest(name, value):
    """An option by its dotted name, as it is sent."""
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize("name", [*list_options(SamplerOptions), *OF_2022])
def test_sampler_takes_every_option_of_its_client(name):
    """None of them is taken for a misspelt one."""
    assert read_options(nest(name, None), None).given == {f"options.{name}": None}


@pytest.mark.parametrize("name", [*list_options(EstimatorOptions), *OF_2022])
def test_estimator_takes_every_option_of_its_client(name):
    """None of them is taken for a misspelt one."""
    assert read_options(nest(name, None), None, is_estimator=True).given == {
        f"options.{name}": None
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("resilience.zne_mitigatio", "zne_mitigation"),
        ("resilience.zne.noise_factor", "noise_factors"),
        ("resilience.layer_noise_learning.layer_pair_depth", "layer_pair_depths"),
        ("dynamical_decoupling.sequenc_type", "sequence_type"),
        ("environment.log_levle", "log_level"),
    ],
)
def test_misspelt_option_of_a_device_is_refused(name, meant):
    """Options that a simulation can do without are left out; a meaningless name is an error."""
    with pytest.raises(ValueError, match=f"^options.{name}: .* did you mean '{meant}'"):
        read_options(nest(name, None), None, is_estimator=True)
