"""The tables of Aer's gates, against the Aer and the Qiskit that are installed."""

import pytest
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.circuit.parameterexpression import ParameterExpression
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.utils.utils import is_fractional_gate

from qiskit_runtime.contract.devices.simulators import (
    CONTROL_FLOW,
    GATES,
    METHOD_GATES,
    WIDTHS,
    is_fractional,
)
from qiskit_runtime.contract.resources.backend import BackendSpec
from qiskit_runtime.programs.simulate import targets

METHODS = BackendSpec.model_fields["method"].annotation.__args__
STANDARD = get_standard_gate_name_mapping()


@pytest.mark.parametrize("method", METHODS)
def test_gates_of_a_method_are_those_of_aer_that_qiskit_knows(method):
    """The official client can name no other gates."""
    assert METHOD_GATES[method] == targets.list_gates(method) & set(STANDARD)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_the_control_flow(method):
    """Aer has all that a configuration advertises."""
    assert set(CONTROL_FLOW) <= set(AerSimulator(method=method).configuration().custom_instructions)


@pytest.mark.parametrize("name", GATES)
def test_gate_has_its_qubits_and_parameters(name):
    """As many as Qiskit's gate of the name has, and its fractional ones are the client's."""
    gate, known = STANDARD[name], GATES[name]
    assert known.qubits == gate.num_qubits
    assert len(known.parameters) == len(gate.params)
    assert all(isinstance(value, ParameterExpression) for value in gate.params)
    assert is_fractional(name) == is_fractional_gate(gate)


def test_every_method_has_a_width():
    """No simulator is without a number of qubits for the client."""
    assert set(WIDTHS) == set(METHODS)
