"""Results of failed simulations in a final message: found wherever they are."""

import pytest
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from qiskit_runtime.messenger import find_failed_results


@pytest.fixture(scope="module")
def failed():
    """A result of two circuits, of which Aer's stabilizer method refused the second."""
    good = QuantumCircuit(1, name="good")
    good.measure_all()
    tee = QuantumCircuit(1, name="tee")
    tee.t(0)
    tee.measure_all()
    return AerSimulator(method="stabilizer").run([good, tee]).result()


@pytest.mark.parametrize(
    ("wrap", "place"),
    [
        (lambda result: result, ""),
        (lambda result: [1, result], ", at [1],"),
        (lambda result: {"a": {"b": (result,)}}, ", at ['a']['b'][0],"),
        (lambda result: {"dict": result.to_dict()}, ", at ['dict'],"),
    ],
)
def test_failed_result_is_found(failed, wrap, place):
    """The sentence has the place, Aer's status, and the first experiment that failed."""
    [sentence] = find_failed_results(wrap(failed))

    assert sentence.startswith(f"the final result{place} is of a simulation that failed: PARTIAL")
    assert "; experiment 1: ERROR: Circuit tee contains invalid instructions" in sentence


def test_other_values_are_none(failed):
    """Results that succeeded, and what only looks like one, have no sentence."""
    good = QuantumCircuit(1)
    good.measure_all()
    result = AerSimulator().run(good).result()
    circle = []
    circle.append(circle)

    for message in (result, [result.to_dict()], {"success": False}, "success", None, circle):
        assert find_failed_results(message) == []
    assert len(find_failed_results([failed, result, failed.to_dict()])) == 2
