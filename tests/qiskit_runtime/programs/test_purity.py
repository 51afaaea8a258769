"""Mixtures: what leaves one is found at the top, in instructions, in branches and loops."""

import pytest
from qiskit import QuantumCircuit

from qiskit_runtime.programs.simulate.purity import leaves_mixture


def _resets(touched, inside=None):
    circuit = QuantumCircuit(2, 1)
    if touched:
        circuit.h(0)
    inner = QuantumCircuit(1)
    inner.reset(0)
    if inside == "instruction":
        circuit.append(inner.to_instruction(), [0])
    elif inside == "loop":
        with circuit.for_loop(range(2)):
            circuit.reset(0)
    elif inside == "branch":
        with circuit.if_test((circuit.clbits[0], 1)), circuit.for_loop(range(2)):
            circuit.measure(0, 0)
    else:
        circuit.reset(0)
    circuit.h(0)
    return circuit


@pytest.mark.parametrize("inside", [None, "instruction", "loop", "branch"])
def test_finds_what_collapses(inside):
    """A reset or measurement of a used qubit leaves a mixture, however deep it is."""
    assert leaves_mixture(_resets(True, inside))


def test_pure_circuits():
    """Gates, a loop of them, and a reset of a qubit that is 0 still leave a pure state."""
    circuit = QuantumCircuit(2)
    with circuit.for_loop(range(2)):
        circuit.h(0)
    assert not leaves_mixture(circuit)
    assert not leaves_mixture(_resets(False))
    assert not leaves_mixture(_resets(False, "instruction"))
    assert leaves_mixture(_resets(False, "loop"))
