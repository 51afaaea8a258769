"""A misspelt parameter or option of a library program is refused before it is queued."""

import json
from pathlib import Path

import pytest
from qiskit_aer import AerSimulator

from qiskit_runtime.contract.schemas.params_schema import find_errors
from qiskit_runtime.programs.inputs.aer_options import DEVICE_OPTIONS, option_names
from qiskit_runtime.programs.inputs.circuits import TRANSPILER_OPTIONS

PROGRAMS = Path(__file__).parents[2] / "qiskit_runtime" / "programs" / "library"
SCHEMAS = {
    path.stem: metadata["spec"]["parameters"]
    for path in sorted(PROGRAMS.glob("*/*.json"))
    if "spec" in (metadata := json.loads(path.read_text(encoding="utf-8")))
}


def check(program, params):
    """Return the errors of these parameters, together with the mandatory ones."""
    schema = SCHEMAS[program]
    example = {
        "pubs": [[1, 2]],
        "schema_version": "v0.1",
        "quantum_program": {"shots": 1, "items": []},
    }
    mandatory = {name: example.get(name, {}) for name in schema.get("required", ())}
    *_, errors = find_errors(schema, mandatory | params)
    return "\n".join(map(str, errors))


@pytest.mark.parametrize("program", SCHEMAS)
def test_misspelt_parameter_is_told(program):
    """Each program refuses a parameter that it has not, by the name of the one that was meant."""
    for name in SCHEMAS[program]["properties"]:
        if len(name) > 1:  # a name of one letter is near to any other
            assert f"did you mean {name!r}?" in check(program, {name + "z": 1})


@pytest.mark.parametrize(
    ("program", "params", "meant"),
    [
        ("sampler", {"options": {"default_shotz": 1}}, "default_shots"),
        ("sampler", {"options": {"simulator": {"noise_modl": None}}}, "noise_model"),
        ("estimator", {"options": {"default_precison": 1}}, "default_precision"),
        ("estimator", {"options": {"execution": {"rep_delai": 1}}}, "rep_delay"),
        ("estimator", {"options": {"execution": {"meas_type": "clasified"}}}, "classified"),
        ("sample_expval", {"run_config": {"shotz": 7}}, "shots"),
        ("sample_expval", {"transpiler_config": {"optimisation_level": 1}}, "optimization_level"),
        ("vqe", {"optimizer": {"name": "SPSA", "maxitr": 1}}, "maxiter"),
        ("qaoa", {"optimizer": {"maxiters": 1}}, "maxiter"),
        ("quantum_kernel_alignment", {"feature_map": {"entangler": []}}, "entangler_map"),
    ],
)
def test_misspelt_option_is_told(program, params, meant):
    """Options within an object are held to their names too."""
    assert f"did you mean {meant!r}?" in check(program, params)


def test_schema_of_runs_names_what_is_installed():
    """sample-expval's schema has the names of the Aer and the transpiler that are installed."""
    described = SCHEMAS["sample_expval"]["properties"]
    running = described["run_config"]["propertyNames"]["enum"]

    assert running == sorted(option_names(AerSimulator()) | DEVICE_OPTIONS)
    assert described["transpiler_config"]["propertyNames"]["enum"] == sorted(TRANSPILER_OPTIONS)
