"""Circuits, instructions and parameters as QPY, for ``serialization``.

Damaged circuits can end the process: Qiskit's reader allocates what a damaged length asks for.
The numbers of QPY below are those of https://quantum.cloud.ibm.com/docs/api/qiskit/qpy.
"""

import base64
import io
import json
import struct
from typing import TYPE_CHECKING, Any

from qiskit_runtime.codec.aer_instructions import restore_aer_classes, strip_aer_classes
from qiskit_runtime.codec.compressed_text import inflate, read_bytes, write_deflated

if TYPE_CHECKING:
    from qiskit.circuit import Instruction, Parameter, QuantumCircuit

NEWEST_QPY_VERSION = 17
"""Newest circuit format written, as qiskit-ibm-runtime 0.51 does whatever Qiskit it finds."""

_QPY_INSTRUCTION = struct.Struct("!HHHII?Hq")  # versions 1 to 4
_QPY_ARGUMENT = struct.Struct("!cI")
_QPY_PARAMETER = struct.Struct("!cQ")
_QPY_VECTOR_ELEMENT = struct.Struct("!HQ16sQ")


def write_circuit(circuit: "QuantumCircuit", encoder: type[json.JSONEncoder]) -> str:
    """Return a circuit as text; ``encoder`` writes its metadata.

    Raises:
        TypeError: it has an instruction that QPY can't keep.
    """
    from qiskit import qpy

    buffer = io.BytesIO()
    version = min(NEWEST_QPY_VERSION, qpy.QPY_VERSION)
    plain = strip_aer_classes(circuit)
    qpy.dump(plain, buffer, metadata_serializer=encoder, version=version)
    return write_deflated(buffer.getvalue())


def read_circuit(text: str, decoder: type[json.JSONDecoder]) -> "QuantumCircuit":
    """Return the circuit of a text; ``decoder`` reads its metadata."""
    return _load(inflate(read_bytes(text)), decoder)


def write_instruction(instruction: "Instruction", encoder: type[json.JSONEncoder]) -> str:
    """Return an instruction as the text of a circuit that has nothing else."""
    from qiskit.circuit import QuantumCircuit

    circuit = QuantumCircuit(instruction.num_qubits, instruction.num_clbits)
    circuit.append(instruction, circuit.qubits, circuit.clbits)
    return write_circuit(circuit, encoder)


def read_instruction(text: str, decoder: type[json.JSONDecoder]) -> "Instruction":
    """Return the instruction of a text, of today or of 2021; ``decoder`` reads metadata in it."""
    data = read_bytes(text)
    # Today: a circuit of one instruction. In 2021: the bare QPY part of the instruction, whose
    # first byte is the high byte of a name's length: 0, and never the "x" that begins zlib data.
    circuit = _load(inflate(data), decoder) if data[:1] == b"x" else _circuit_of_part(data)
    return circuit.data[0].operation


def write_parameter(parameter: "Parameter") -> str:
    """Return a parameter as text, as qiskit-ibm-runtime does: its name and identity."""
    name = parameter.name.encode()
    return base64.b64encode(struct.pack("!H16s", len(name), parameter.uuid.bytes) + name).decode()


def read_parameter(text: str) -> "Parameter":
    """Return the parameter of a text."""
    return _parameter(read_bytes(text), b"p")


def write_vector_element(element: Any) -> str:
    """Return an element of a ParameterVector as text, with its vector's name and length."""
    name = element.vector.name.encode()
    numbers = len(name), len(element.vector), element.uuid.bytes, element.index
    return base64.b64encode(_QPY_VECTOR_ELEMENT.pack(*numbers) + name).decode()


def read_vector_element(text: str) -> "Parameter":
    """Return the element of a ParameterVector of a text."""
    return _parameter(read_bytes(text), b"v", qpy_version=3)


def read_expression(text: str) -> Any:
    """Return the ParameterExpression of a text of 2021 or 2022."""
    data = read_bytes(text)
    text_size = struct.unpack_from("!QQ", data)[1]
    # Version 3 put a second letter where versions 1 and 2 have the high byte of a 64-bit length.
    second = data[16 + text_size + 1 : 16 + text_size + 2]
    return _parameter(data, b"e", qpy_version=2 if second in (b"", b"\0") else 3)


def _load(data: bytes, decoder: type[json.JSONDecoder] | None = None) -> "QuantumCircuit":
    from qiskit import qpy

    return restore_aer_classes(qpy.load(io.BytesIO(data), metadata_deserializer=decoder)[0])


def _circuit_of_part(part: bytes, qpy_version: int = 2) -> "QuantumCircuit":
    """Complete the bytes of one instruction to a QPY file: Qiskit's public reader takes those."""
    _, _, _, qubits, clbits, *_ = _QPY_INSTRUCTION.unpack_from(part)
    if (qubits + clbits) * _QPY_ARGUMENT.size > len(part):
        raise ValueError("names more bits than it has room for")
    file_header = struct.pack("!6s4BQ", b"QISKIT", qpy_version, 0, 18, 0, 1)
    header = struct.pack("!HcHIIQIQ", 1, b"f", 8, qubits, clbits, 2, 0, 1)
    name, phase, metadata, custom_gates = b"c", bytes(8), b"{}", bytes(8)
    return _load(file_header + header + name + phase + metadata + custom_gates + part)


def _parameter(data: bytes, kind: bytes, qpy_version: int = 2) -> Any:
    """Read a QPY parameter by making it the angle of a gate, as QPY has no file of parameters."""
    gate = _QPY_INSTRUCTION.pack(6, 0, 1, 1, 0, False, 0, 0) + b"RZGate"
    angle = _QPY_ARGUMENT.pack(b"q", 0) + _QPY_PARAMETER.pack(kind, len(data)) + data
    return _circuit_of_part(gate + angle, qpy_version).data[0].operation.params[0]
