"""Aer's own instructions in circuits that are sent: made again, or refused by name."""

import json

import numpy
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction
from qiskit.circuit.library import Initialize
from qiskit.quantum_info import (
    DensityMatrix,
    Kraus,
    Operator,
    SparsePauliOp,
    Statevector,
    SuperOp,
    random_clifford,
)
from qiskit_aer import AerSimulator, library, noise
from qiskit_aer.library.control_flow_instructions import AerJump, AerMark
from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder
from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder

from qiskit_runtime.codec.aer_instructions import restore_aer_classes, strip_aer_classes
from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder
from runner.quantum_backend import make_backend

OPERATOR = SparsePauliOp(["XX", "ZZ", "YI"], [1, 2.5, -0.5])
STATE = Statevector.from_label("0+")
MPS = ([(numpy.array([[1.0]]), numpy.array([[0.0]]))] * 2, [[1.0]])
ERROR = noise.pauli_error([("XX", 0.1), ("II", 0.9)])

SAVES = [
    library.SaveAmplitudes(2, [0, 3]),
    library.SaveAmplitudesSquared(2, ["0x0", "0x3"], unnormalized=True),
    library.SaveClifford(2),
    library.SaveDensityMatrix(2, conditional=True),
    library.SaveExpectationValue(OPERATOR, pershot=True),
    library.SaveExpectationValueVariance(OPERATOR),
    library.SaveMatrixProductState(2),
    library.SaveProbabilities(2, unnormalized=True, conditional=True),
    library.SaveProbabilitiesDict(2),
    library.SaveStabilizer(2),
    library.SaveState(2),
    library.SaveStatevector(2, label="mine", pershot=True),
    library.SaveStatevectorDict(2),
    library.SaveSuperOp(2, pershot=True),
    library.SaveUnitary(2),
]
SETS = [
    library.SetDensityMatrix(DensityMatrix(STATE)),
    library.SetMatrixProductState(MPS),
    library.SetStabilizer(random_clifford(2, seed=1)),
    library.SetStatevector(STATE),
    library.SetSuperOp(SuperOp(numpy.eye(16))),
    library.SetUnitary(Operator.from_label("XH")),
]
CHANNELS = [
    ERROR.to_instruction(),
    noise.depolarizing_error(0.1, 2).to_instruction(),
    noise.thermal_relaxation_error(50, 60, 1).expand(noise.reset_error(0.1)).to_instruction(),
    noise.PauliError(["XX", "II"], [0.1, 0.9]).to_instruction(),
    noise.PauliLindbladError(["XX"], [0.1]).to_instruction(),
    noise.coherent_unitary_error(Operator.from_label("HX")).to_instruction(),
    noise.depolarizing_error(0, 2).to_instruction(),
]
OTHERS = [
    Kraus(ERROR).to_instruction(),
    SuperOp(noise.amplitude_damping_error(0.1)).to_instruction(),
    noise.ReadoutError([[0.9, 0.1], [0.2, 0.8]]).to_instruction(),
    Initialize(STATE),
]
"""Instructions for the simulator that are Qiskit's own, which QPY keeps."""


def name(instruction):
    return getattr(instruction, "name", None)


def flat(instruction):
    """An instruction on its qubits."""
    circuit = QuantumCircuit(2, 1)
    circuit.append(instruction, range(instruction.num_qubits), range(instruction.num_clbits))
    return circuit


def nested(instruction):
    """The same in a block within a block, with a clbit that both know."""
    circuit = QuantumCircuit(2, 1, metadata={"a": 1j})
    circuit.rx(0.5, 0)
    with circuit.for_loop(range(2)):
        circuit.h(0)
        with circuit.if_test((0, 0)):
            circuit.append(
                instruction, range(instruction.num_qubits), range(instruction.num_clbits)
            )
    return circuit


def find(circuit, wanted):
    """The first instruction of a name, also in blocks and definitions."""
    for instruction in circuit.data:
        operation = instruction.operation
        if operation.name == wanted:
            return operation
        inner = [*getattr(operation, "blocks", ()), operation.definition]
        for found in (find(block, wanted) for block in inner if block is not None):
            if found is not None:
                return found
    return None


def through(value, encoder=RuntimeEncoder):
    return json.loads(json.dumps(value, cls=encoder), cls=RuntimeDecoder)


def check_same(read, sent):
    assert type(read) is type(sent)
    assert (read.num_qubits, read.label) == (sent.num_qubits, sent.label)
    assert getattr(read, "_subtype", None) == getattr(sent, "_subtype", None)
    assert getattr(read, "_quantum_error", None) == getattr(sent, "_quantum_error", None)
    assert str(read.params) == str(sent.params)


@pytest.mark.parametrize("build", [flat, nested])
@pytest.mark.parametrize("instruction", [*SAVES, *SETS, *CHANNELS, *OTHERS], ids=name)
def test_instruction_in_a_circuit_of_ours_is_itself_again(instruction, build):
    """An instruction keeps its class, label, subtype, parameters and error, in blocks too."""
    circuit = build(instruction)
    read = through(circuit)
    check_same(find(read, instruction.name), instruction)
    assert (read.num_qubits, read.num_clbits, read.metadata, read.depth()) == (
        circuit.num_qubits, circuit.num_clbits, circuit.metadata, circuit.depth(),
    )  # fmt: skip


@pytest.mark.parametrize("instruction", [*SAVES, *SETS, *CHANNELS, *OTHERS], ids=name)
def test_instruction_alone_is_itself_again(instruction):
    """An instruction that is sent alone keeps as much as one in a circuit."""
    check_same(through(instruction), instruction)


@pytest.mark.parametrize("build", [flat, nested])
@pytest.mark.parametrize(
    "instruction",
    [one for one in (*SAVES, *SETS, *CHANNELS) if one.name != "set_stabilizer"],
    ids=name,
)
def test_instruction_from_the_library_is_of_its_class_again(instruction, build):
    """The parts of an instruction that the official client keeps are enough to make it again."""
    read = find(through(build(instruction), LibraryEncoder), instruction.name)
    assert type(read) is type(instruction)
    assert (read.num_qubits, read.label) == (instruction.num_qubits, instruction.label)
    assert str(read.params) == str(instruction.params)
    assert getattr(read, "_quantum_error", None) == getattr(instruction, "_quantum_error", None)


def test_channel_within_a_gate_of_ones_own_is_kept():
    """A channel in the definition of an instruction is made again when that is taken apart."""
    inner = QuantumCircuit(2, name="noisy")
    inner.append(CHANNELS[0], [0, 1])
    circuit = QuantumCircuit(2)
    circuit.append(inner.to_instruction(), [0, 1])
    check_same(find(through(circuit), "quantum_channel"), CHANNELS[0])


@pytest.mark.parametrize("encoder", [RuntimeEncoder, LibraryEncoder])
def test_circuit_that_was_sent_runs_as_it_did(encoder):
    """Saves, a state to begin with and a channel do in a sent circuit what they did before."""
    circuit = QuantumCircuit(2, 1)
    circuit.set_statevector(STATE)
    circuit.cx(0, 1)
    circuit.append(noise.depolarizing_error(0.3, 2).to_instruction(), [0, 1])
    circuit.save_expectation_value(OPERATOR, [0, 1], label="energy")
    circuit.save_expectation_value_variance(OPERATOR, [0, 1])
    circuit.save_density_matrix([1], label="half")
    circuit.save_probabilities_dict()
    before, after = (
        make_backend({"method": "density_matrix"}).run(one, shots=1).result().data()
        for one in (circuit, through(circuit, encoder))
    )
    assert after["energy"] == pytest.approx(before["energy"], abs=1e-9)
    numpy.testing.assert_allclose(
        after["expectation_value_variance"], before["expectation_value_variance"], atol=1e-9
    )
    numpy.testing.assert_allclose(after["half"].data, before["half"].data, atol=1e-9)
    assert after["probabilities"] == pytest.approx(before["probabilities"], abs=1e-9)


@pytest.mark.parametrize("encoder", [RuntimeEncoder, LibraryEncoder])
def test_channel_that_is_one_unitary_runs(encoder):
    """A channel of one Kraus operator, whose definition is a gate, does what it did: X flips."""
    circuit = QuantumCircuit(1)
    circuit.append(noise.pauli_error([("X", 1)]).to_instruction(), [0])
    circuit.measure_all()
    counts = AerSimulator().run(through(circuit, encoder), shots=10).result().get_counts()
    assert counts == {"1": 10}


def test_results_of_a_sent_circuit_keep_each_shot():
    """The subtype says how shots add up: one state for each shot, by the value of the register."""
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.save_statevector(pershot=True, conditional=True)
    data = AerSimulator().run(through(circuit), shots=20, seed_simulator=7).result().data()
    assert {key: len(states) for key, states in data["statevector"].items()} == data["counts"]


@pytest.mark.parametrize(
    "more", [lambda _: None, lambda circuit: circuit.unitary([[1, 0], [0, 1]], 0)]
)
def test_circuit_without_any_of_them_is_not_copied(more):
    """A circuit of gates is written as it is, and costs no copy."""
    circuit = QuantumCircuit(1)
    circuit.rx(0.5, 0)
    more(circuit)
    assert strip_aer_classes(circuit) is circuit
    assert restore_aer_classes(circuit) is circuit


@pytest.mark.parametrize("instruction", [*SAVES, *SETS, *CHANNELS], ids=name)
def test_library_reads_what_is_written_here(instruction):
    """The official client's decoder reads such a circuit, as plain instructions of these names."""
    text = json.dumps(nested(instruction), cls=RuntimeEncoder)
    read = find(json.loads(text, cls=LibraryDecoder), instruction.name)
    assert (read.num_qubits, read.label) == (instruction.num_qubits, instruction.label)


@pytest.mark.parametrize("instruction", [AerJump("here", 2), AerMark("here", 2)], ids=name)
def test_instruction_that_qpy_loses_is_refused_by_name(instruction):
    """An instruction that can't be written whole is a TypeError, and a ValueError to read."""
    with pytest.raises(TypeError, match=f"Aer's instruction '{instruction.name}' can't be written"):
        json.dumps(nested(instruction), cls=RuntimeEncoder)
    with pytest.raises(ValueError, match=f"Aer's instruction '{instruction.name}' can't be made"):
        through(nested(instruction), LibraryEncoder)


@pytest.mark.parametrize(
    ("plain", "lost"),
    [
        (Instruction("save_expval", 2, 0, []), "QPY has lost its operator"),
        (Instruction("quantum_channel", 2, 0, []), "QPY has lost its error"),
        (Instruction("set_statevector", 2, 0, []), "QPY has lost its state"),
        (Instruction("set_unitary", 1, 0, [numpy.ones((2, 2))]), "not unitary"),
        (Instruction("set_stabilizer", 1, 0, [1.5]), ""),
        (Instruction("save_amplitudes", 1, 0, [5]), "larger than the number of qubits"),
        (Instruction("save_amplitudes", 1, 0, []), ""),
        (Instruction("save_statevector", 1, 0, ["c_average_x"]), "not among its subtypes"),
        (Instruction("save_expval", 1, 0, [1.5]), ""),
        (Instruction("quantum_channel", 1, 0, [0.5]), ""),
    ],
    ids=lambda part: name(part) or "",
)
def test_instruction_without_what_it_needs_is_refused_by_name(plain, lost):
    """The error names the instruction that can't be made, and its lost part."""
    with pytest.raises(ValueError, match=f"Aer's instruction '{plain.name}' can't.*{lost}"):
        through(flat(plain), LibraryEncoder)


def test_instruction_of_ones_own_with_such_a_name_is_left_alone():
    """A composite instruction of a user's own may have any name."""
    own = QuantumCircuit(2, name="save_state")
    own.h(0)
    read = find(through(flat(own.to_instruction())), "save_state")
    assert type(read) is Instruction
    assert read.definition.count_ops() == {"h": 1}
