"""Problems drawn at test time, their answers by NumPy alone, and checks that programs share."""

import json

import jsonschema_rs
import numpy as np
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError

from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder
from tests.drawn_seeds import draw_seed

PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def draw_rng():
    """A generator, and the seed that a failed test tells."""
    seed = draw_seed()
    return np.random.default_rng(seed), seed


def draw_terms(rng, width, count, letters="IXYZ"):
    """Different [label, coefficient] pairs."""
    labels = {"".join(rng.choice(list(letters), width)) for _ in range(count)}
    return [[label, float(rng.normal())] for label in sorted(labels)]


def to_matrix(terms):
    """The operator as a matrix, by Kronecker products."""
    total = 0
    for label, coefficient in terms:
        product = np.eye(1)
        for letter in label:
            product = np.kron(product, PAULIS[letter])
        total = total + coefficient * product
    return total


def lowest(terms):
    """The smallest eigenvalue."""
    return np.linalg.eigvalsh(to_matrix(terms))[0]


def misread(*errors):
    """An Aer that misreads qubit i with (P(1|0), P(0|1)) = errors[i]."""
    noise = NoiseModel()
    for qubit, (p10, p01) in enumerate(errors):
        noise.add_readout_error(ReadoutError([[1 - p10, p10], [p01, 1 - p01]]), [qubit])
    return AerSimulator(noise_model=noise)


def post(metadata, params):
    """The parameters as main gets them, after the API has held them to the schema."""
    text = json.dumps(params, cls=RuntimeEncoder)
    schema = metadata["spec"]["parameters"]
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.validator_for(schema).validate(json.loads(text))
    return json.loads(text, cls=RuntimeDecoder)


def check_result(metadata, result):
    """The result, and its encoded form, are what the metadata promise."""
    schema = metadata["spec"]["return_values"]
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.validator_for(schema).validate(json.loads(json.dumps(result, cls=RuntimeEncoder)))


def check_progress(progress, evaluations):
    """Check progress: a report for each evaluation, in order and complete, with a falling best."""
    done = [item.done for item in progress]
    assert done == sorted(done)
    assert set(done) == set(range(1, evaluations + 1))
    assert progress[-1].done == progress[-1].total
    best = [item.best for item in progress]
    assert best == sorted(best, reverse=True)
