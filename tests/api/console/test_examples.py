"""The examples that the schemas of the library give, with which the console's forms begin."""

import json

import pytest

from qiskit_runtime.contract.catalog import Catalog

WITH_EXAMPLES = [
    *("circuit-runner", "estimator", "qaoa", "sample-expval", "sample-vqe", "sampler", "vqe"),
]


def read_examples(program):
    """Return the required parameters of a program as its examples give them."""
    schema = Catalog().get(program).metadata.spec.parameters
    return {name: schema["properties"][name]["examples"][0] for name in schema["required"]}


@pytest.mark.parametrize("program", WITH_EXAMPLES)
def test_program_runs_with_its_examples(server, program):
    """Whoever opens the form and presses Run has a result."""
    job_id = server.run(program, params=json.dumps(read_examples(program)))
    job = server.wait(job_id, seconds=120)
    assert job["status"] == "Completed", job["message"]
    assert server.text(job_id, "results")
