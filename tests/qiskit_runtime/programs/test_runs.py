"""The library's way to Aer: what failed raises, also what failed in silence."""

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister
from qiskit.result.models import ExperimentResultData
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.simulate.runs import SimulationFailed, run_circuits


class Empty(AerSimulator):
    """Aer as it is with less than a MiB a thread: success, and no shot in any circuit."""

    def run(self, circuits, parameter_binds=None, **options):
        job = super().run(circuits, parameter_binds, **options)
        result = job.result()
        for experiment in result.results:
            experiment.data = ExperimentResultData()
        return job


def branching():
    """A circuit whose only measurement is in a branch."""
    circuit = QuantumCircuit(1, name="branching")
    register = ClassicalRegister(1, "read")
    circuit.add_register(register)
    with circuit.for_loop(range(1)):
        circuit.measure(0, 0)
    return circuit


def saving():
    """A circuit that saves its state, and measures nothing."""
    circuit = QuantumCircuit(1, name="saving")
    circuit.save_statevector()
    return circuit


@pytest.mark.parametrize("circuit", [branching(), saving()])
def test_success_without_a_shot_is_a_failure(circuit):
    """A circuit that measures or saves has something to show, or has failed."""
    with pytest.raises(SimulationFailed, match=rf"circuit 1 \('{circuit.name}'\): Aer made no"):
        run_circuits(Empty(), [QuantumCircuit(1), circuit])
    assert run_circuits(AerSimulator(), [circuit]).data(0) != {}


def test_circuit_that_shows_nothing_succeeds():
    """A circuit that neither measures nor saves has no data, and no failure."""
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)

    assert run_circuits(AerSimulator(), [circuit]).data(0) == {}


def test_run_that_loads_no_circuit_is_a_failure():
    """Without any result of Aer, the error has Aer's status."""
    circuit = QuantumCircuit(2, 2)
    with circuit.if_test((0, 1)):
        circuit.measure(1, 1)
    with pytest.raises(SimulationFailed, match="^the simulation failed: Failed to load circuits"):
        run_circuits(AerSimulator(), [circuit])


def test_option_that_aer_refuses_is_named():
    """An option that Aer refuses before it runs is refused with the field's name."""
    with pytest.raises(ValueError, match="^method: Invalid simulation method"):
        run_circuits(AerSimulator(), [saving()], field="method", method="foo")
