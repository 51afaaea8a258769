"""A simulation that Aer reports as failed is a failed program, whichever program it is of."""

import re

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import real_amplitudes
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.simulate.runs import SimulationFailed

AERS_SENTENCE = r'contains invalid instructions \{.*"unitary" method'


class Refusing(AerSimulator):
    """Aer itself, by a method that simulates no measurement: each run fails, and raises nothing."""

    def run(self, circuits, parameter_binds=None, **options):
        return super().run(circuits, parameter_binds, **options | {"method": "unitary"})


class Silent:
    """A messenger that keeps final messages."""

    def __init__(self):
        self.final = []

    def publish(self, message, encoder=None, final=False):
        self.final += [message] * final

    def report_progress(self, done, total, best=None):
        pass


def measured():
    circuit = QuantumCircuit(2, name="pair")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def turned():
    circuit = QuantumCircuit(1, name="turned")
    circuit.ry(Parameter("angle"), 0)
    return circuit


def ansatz():
    return real_amplitudes(2, reps=1)


POINTS = {"data": [[0.1, 0.2], [0.3, 0.4]], "labels": [1, -1]}

RUNS = [
    ("circuit_runner", {"circuits": [measured()]}, r"circuits\[0\] \('pair'\): Circuit pair"),
    (
        "circuit_runner",
        {"circuits": measured(), "measurement_error_mitigation": True},
        "calibration circuit 0",
    ),
    ("sampler", {"pubs": [measured()]}, r"^pubs\[0\]: the simulation failed"),
    ("estimator", {"pubs": [[ansatz().assign_parameters([0] * 4), "ZZ"]]}, r"^pubs\[0\]: the sim"),
    ("estimator", {"pubs": [[turned(), "Z", [[0.1], [0.2]], 0]]}, r"^pubs\[0\]: the simulation"),
    ("sample_expval", {"circuits": [measured()]}, r"circuits\[0\] \('pair'\)"),
    (
        "sample_expval",
        {"circuits": [measured()], "use_measurement_mitigation": True},
        "calibration circuit 0",
    ),
    ("vqe", {"ansatz": ansatz(), "operator": "ZZ"}, "circuit 0"),
    ("vqe", {"ansatz": ansatz(), "operator": "ZZ", "shots": None}, "circuit 0"),
    (
        "vqe",
        {"ansatz": ansatz(), "operator": "ZZ", "measurement_error_mitigation": True},
        "calibration circuit 0",
    ),
    ("qaoa", {"operator": "ZZ"}, "circuit 0"),
    ("qaoa", {"operator": "ZZ", "alpha": 0.5, "shots": None}, "circuit 0"),
    ("sample_vqe", {"hamiltonian": [[1.0, "ZZ"]]}, "circuit 0"),
    ("quantum_kernel_alignment", {"feature_map": {"feature_dimension": 2}, **POINTS}, "circuit 0"),
    ("hello_quantum", {"greeting": "hi"}, "circuit 0"),
    ("hello_world", {}, "iteration 0"),
    ("sample_program", {"iterations": 1}, "iteration 0"),
]


@pytest.mark.parametrize(("name", "params", "place"), RUNS)
def test_failed_run_is_a_failed_program(load_program, name, params, place):
    """Each program ends with Aer's own sentence and the circuit's place, and has no result."""
    messenger = Silent()
    with pytest.raises((SimulationFailed, ValueError), match=AERS_SENTENCE) as raised:
        load_program(name).main(Refusing(), messenger, **params)

    assert re.search(place, str(raised.value))
    assert messenger.final == []


def with_t(name="tee"):
    """A circuit that Aer's stabilizer method can't run."""
    circuit = QuantumCircuit(1, name=name)
    circuit.h(0)
    circuit.t(0)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("mitigated", [False, True])
def test_one_of_three_is_named(load_program, mitigated):
    """A circuit of a list that fails, fails the job, with its index and name."""
    circuits = [measured(), with_t(), measured()]
    with pytest.raises(SimulationFailed, match=r"circuits\[1\] \('tee'\): Circuit tee .*\{t\}"):
        load_program("circuit_runner").main(
            AerSimulator(),
            Silent(),
            circuits,
            method="stabilizer",
            skip_transpilation=True,
            measurement_error_mitigation=mitigated,
        )


def test_second_failure_is_told_too(load_program):
    """The first of several failures has its sentence, and the others are counted."""
    circuits = [with_t(), measured(), with_t("other"), with_t("third")]
    with pytest.raises(SimulationFailed, match=r"circuits\[0\] .*2 more failed, circuits\[2\]"):
        load_program("circuit_runner").main(
            AerSimulator(method="stabilizer"), Silent(), circuits, skip_transpilation=True
        )


def test_circuit_of_many_bases_is_named(load_program):
    """sample-expval tells the client's own circuit, not one that it made of it, past a chunk."""
    plain = QuantumCircuit(1)
    tee = QuantumCircuit(1, name="tee")
    tee.t(0)
    circuits = [plain] * 12 + [tee]
    with pytest.raises(SimulationFailed, match=r"circuits\[12\] \('tee.*invalid instructions"):
        load_program("sample_expval").main(
            AerSimulator(),
            Silent(),
            circuits,
            [{"Z": 1.0, "X": 1.0}] * 13,
            run_config={"method": "stabilizer"},
            skip_transpilation=True,
        )


@pytest.mark.parametrize("name", ["sampler", "estimator"])
def test_second_pub_is_named(load_program, name):
    """The pub whose circuit failed is named by its number."""
    tee = with_t() if name == "sampler" else with_t().remove_final_measurements(inplace=False)
    good = measured() if name == "sampler" else QuantumCircuit(1)
    pubs = [good, tee] if name == "sampler" else [[good, "Z"], [tee, "Z"]]
    with pytest.raises(ValueError, match=r"^pubs\[1\]: the simulation failed: .*\{t\}"):
        load_program(name).main(
            AerSimulator(method="stabilizer"), Silent(), pubs, skip_transpilation=True
        )


def test_bound_circuit_keeps_its_index(load_program):
    """With three values for the first circuit, the second is still circuits[1]."""
    bound = turned().measure_all(inplace=False)
    bound.name = "bound"
    with pytest.raises(SimulationFailed, match=r"circuits\[1\] \('tee'\)"):
        load_program("circuit_runner").main(
            AerSimulator(),
            Silent(),
            [bound, save_stabilizer(with_t())],
            parameter_binds=[{"angle": [0.1, 0.2, 0.3]}, {}],
            skip_transpilation=True,
        )


def save_stabilizer(circuit):
    """The circuit, and a save that no method can do after a T gate."""
    circuit.save_stabilizer()
    return circuit
