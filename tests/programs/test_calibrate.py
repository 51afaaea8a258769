"""calibrate: an honest empty calibration, as the official client asks for and reads it."""

import inspect
import json
from datetime import UTC, datetime

import jsonschema_rs
import pytest
from qiskit_ibm_runtime.calibrator.params_converters import CALIBRATOR_PARAMS_CONVERTERS
from qiskit_ibm_runtime.options_models.calibrator import CalibratorOptions

from runner.quantum_backend import make_backend
from tests.programs.encoded_messenger import EncodedMessenger, as_decoded
from tests.programs.executor_client import decode


@pytest.fixture
def run(load_program):
    """Run the program; returns its messenger."""

    def run(**params):
        messenger = EncodedMessenger()
        load_program("calibrate").main(make_backend({"name": "dev"}), messenger, **params)
        return messenger

    return run


@pytest.mark.parametrize("experimental", [{}, {"pulses": 1}])
@pytest.mark.parametrize("version", list(CALIBRATOR_PARAMS_CONVERTERS))
def test_what_the_client_posts_is_answered(run, load_metadata, capsys, version, experimental):
    """Its own decoder reads the times; an experimental option is named in the log."""
    options = CalibratorOptions(experimental=experimental)
    params = CALIBRATOR_PARAMS_CONVERTERS[version].encoder(options).model_dump(mode="json")
    schema = load_metadata("calibrate")["spec"]["parameters"]
    jsonschema_rs.validator_for(schema).validate(params)
    before = datetime.now(UTC)
    [text] = run(**as_decoded(json.dumps(params))).texts

    result = decode("calibrate", text)
    assert before <= result.start <= result.stop <= datetime.now(UTC)
    assert ("options.experimental.pulses" in capsys.readouterr().out) == bool(experimental)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"schema_version": "v9"}, "^schema_version: expected v0.1, got 'v9'"),
        (
            {"schema_version": "v0.1", "options": {"experimental": [1]}},
            "^options.experimental: expected an object, got list",
        ),
    ],
)
def test_other_parameters_are_refused(run, params, match):
    """The text begins with the field."""
    with pytest.raises(ValueError, match=match):
        run(**params)


def test_metadata_match_main(load_program, load_metadata):
    """The schema is valid, and describes main's parameters."""
    metadata = load_metadata("calibrate")
    described = metadata["spec"]["parameters"]
    jsonschema_rs.meta.validate(described)
    jsonschema_rs.meta.validate(metadata["spec"]["return_values"])
    parameters = list(inspect.signature(load_program("calibrate").main).parameters)
    assert list(described["properties"]) == parameters[2:]
