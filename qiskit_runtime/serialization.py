"""JSON forms of the values that programs and their clients exchange.

Used by the process that runs a program, and by nothing else: decoding builds objects out of what a
user sent, which belongs inside the job's sandbox. Elsewhere parameters and results are text.
Damaged circuits can end the process: Qiskit's reader allocates what a damaged length asks for.

A value that plain JSON lacks is an object ``{"__type__": T, "__value__": V}``. The forms are those
of qiskit-ibm-runtime 0.51 (``qiskit_ibm_runtime/json.py``), so that its clients and ours read each
other; the decoder also reads what qiskit-ibmq-provider wrote in 2021. The library is imported for
rare types only, as that costs most of a second; so nothing is imported before it is needed.
"""

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from qiskit.circuit import Instruction, QuantumCircuit
    from qiskit.primitives import BindingsArray
    from qiskit.result import Result
    from scipy.sparse import spmatrix

MAX_INFLATED_BYTES = 256 * 2**20
"""Most bytes one compressed value may inflate to: far more than real circuits need."""

NEWEST_QPY_VERSION = 17
"""Newest circuit format written, as qiskit-ibm-runtime 0.51 does whatever Qiskit it finds."""

# The numbers of QPY below are those of https://quantum.cloud.ibm.com/docs/api/qiskit/qpy.
_QPY_INSTRUCTION = struct.Struct("!HHHII?Hq")  # versions 1 to 4
_QPY_ARGUMENT = struct.Struct("!cI")
_QPY_PARAMETER = struct.Struct("!cQ")


class RuntimeEncoder(json.JSONEncoder):
    """Writes circuits, arrays, operators and results as JSON: ``json.dumps(x, cls=...)``.

    What ``to_json`` returns stands for an object that has it; a callable is null and a warning.

    Raises:
        TypeError: the value has no JSON form (``bytes``, for one).
    """

    def default(self, o: Any) -> Any:
        """Return a value of plain JSON types, or of types this encoder knows, for ``o``."""
        # By name along the classes of o: to ask isinstance would import NumPy and Qiskit.
        for base in type(o).__mro__:
            if encode := _ENCODERS.get(f"{base.__module__}.{base.__qualname__}"):
                return encode(o)
        if hasattr(o, "to_json"):
            return _tagged("to_json", o.to_json())
        from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder

        return LibraryEncoder().default(o)


class RuntimeDecoder(json.JSONDecoder):
    """Reads what ``RuntimeEncoder``, today's client and the one of 2021 write.

    It imports no module because the data names it, and calls no class but those listed below. An
    object whose ``__type__`` is unknown, or that has no ``__value__``, stays a dictionary.

    Raises:
        ValueError: damaged data, a class outside the allowed ones, or a value that inflates to
            more than ``MAX_INFLATED_BYTES``; the message starts with the ``__type__``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(object_hook=self.object_hook, **kwargs)

    def object_hook(self, obj: dict[str, Any]) -> Any:
        """Return what ``obj`` stands for; what it holds is decoded already."""
        kind = obj.get("__type__")
        if not isinstance(kind, str) or kind not in _DECODERS or "__value__" not in obj:
            return obj
        try:
            return _DECODERS[kind](obj)
        except Exception as error:  # NumPy, QPY and the library raise a dozen types for bad bytes
            raise ValueError(f"{kind}: cannot be decoded: {error}") from error


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}


def _deflated(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def _array_form(array: "numpy.ndarray[Any, Any]") -> dict[str, Any]:
    import numpy

    if array.dtype == object:
        return _tagged("ndarray", array.tolist())  # .npy would need pickle
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    return _tagged("ndarray", _deflated(buffer.getvalue()))


def _circuit_form(circuit: "QuantumCircuit") -> dict[str, Any]:
    from qiskit import qpy

    buffer = io.BytesIO()
    version = min(NEWEST_QPY_VERSION, qpy.QPY_VERSION)
    qpy.dump(circuit, buffer, metadata_serializer=RuntimeEncoder, version=version)
    return _tagged("QuantumCircuit", _deflated(buffer.getvalue()))


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is not JSON serializable: use text, number or array")


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "builtins.bytes": _refuse,
    "builtins.complex": lambda number: _tagged("complex", [number.real, number.imag]),
    "builtins.set": lambda items: _tagged("set", list(items)),
    "datetime.date": lambda day: _tagged("datetime", day.isoformat()),  # and datetime, its subclass
    "numpy.bool": bool,
    "numpy.timedelta64": _refuse,  # an integer to NumPy, whose unit would be lost
    "numpy.integer": int,
    "numpy.floating": float,
    "numpy.complexfloating": complex,
    "numpy.ndarray": _array_form,
    "qiskit.circuit.quantumcircuit.QuantumCircuit": _circuit_form,
    "qiskit.result.result.Result": lambda result: _tagged("Result", result.to_dict()),
}


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    inflated = stream.decompress(data, MAX_INFLATED_BYTES + 1)
    _check_size(len(inflated))
    if not stream.eof:
        raise ValueError("the compressed data ends early")
    return inflated


def _check_size(size: int) -> None:
    if size > MAX_INFLATED_BYTES:
        raise ValueError(f"inflates to more than the limit of {MAX_INFLATED_BYTES} bytes")


def _array(value: Any) -> "numpy.ndarray[Any, Any]":
    import numpy

    if not isinstance(value, str):
        return numpy.array(value)
    data = io.BytesIO(_inflated(_bytes(value)))
    # Not numpy.load: that would also accept a zip archive, whose size nothing has checked.
    return numpy.lib.format.read_array(data, allow_pickle=False)


def _circuit_of_qpy(data: bytes) -> "QuantumCircuit":
    from qiskit import qpy

    return qpy.load(io.BytesIO(data), metadata_deserializer=RuntimeDecoder)[0]


def _instruction(value: str) -> "Instruction":
    data = _bytes(value)
    # Today: a circuit of one instruction. In 2021: the bare QPY part of the instruction, whose
    # first byte is the high byte of a name's length: 0, and never the "x" that begins zlib data.
    circuit = _circuit_of_qpy(_inflated(data)) if data[:1] == b"x" else _circuit_of_part(data)
    return circuit.data[0].operation


def _circuit_of_part(part: bytes, qpy_version: int = 2) -> "QuantumCircuit":
    """Complete the bytes of one instruction to a QPY file: Qiskit's public reader takes those."""
    _, _, _, qubits, clbits, *_ = _QPY_INSTRUCTION.unpack_from(part)
    if (qubits + clbits) * _QPY_ARGUMENT.size > len(part):
        raise ValueError("names more bits than it has room for")
    file_header = struct.pack("!6s4BQ", b"QISKIT", qpy_version, 0, 18, 0, 1)
    header = struct.pack("!HcHIIQIQ", 1, b"f", 8, qubits, clbits, 2, 0, 1)
    name, phase, metadata, custom_gates = b"c", bytes(8), b"{}", bytes(8)
    return _circuit_of_qpy(file_header + header + name + phase + metadata + custom_gates + part)


def _parameter(data: bytes, kind: bytes = b"p", qpy_version: int = 2) -> Any:
    """Read a QPY parameter by making it the angle of a gate, as QPY has no file of parameters."""
    gate = _QPY_INSTRUCTION.pack(6, 0, 1, 1, 0, False, 0, 0) + b"RZGate"
    angle = _QPY_ARGUMENT.pack(b"q", 0) + _QPY_PARAMETER.pack(kind, len(data)) + data
    return _circuit_of_part(gate + angle, qpy_version).data[0].operation.params[0]


def _expression(value: str) -> Any:
    data = _bytes(value)
    text_size = struct.unpack_from("!QQ", data)[1]
    # Version 3 put a second letter where versions 1 and 2 have the high byte of a 64-bit length.
    second = data[16 + text_size + 1 : 16 + text_size + 2]
    return _parameter(data, b"e", qpy_version=2 if second in (b"", b"\0") else 3)


def _sparse_matrix(value: str) -> "spmatrix":
    import zipfile

    from scipy.sparse import load_npz

    data = io.BytesIO(_bytes(value))
    with zipfile.ZipFile(data) as archive:  # which stops reading a member at the size it declares
        _check_size(sum(member.file_size for member in archive.infolist()))
    return load_npz(data)


def _result(value: dict[str, Any]) -> "Result":
    from qiskit.result import Result

    return Result.from_dict(value)


def _bindings(value: dict[str, Any]) -> "BindingsArray":
    from qiskit.primitives.containers import BindingsArray

    # Not by the library: it would decode the keys as well, without our limits.
    data = {tuple(json.loads(key)): array for key, array in (value.get("data") or {}).items()}
    return BindingsArray(data, value.get("shape"))


_NOT_ALLOWED = "the class {}.{} is not among those made from data"

# fmt: off
# The classes of qiskit.quantum_info that describe themselves by constructor arguments ("settings").
# Their constructors compute and do nothing else. Other classes of 2021 (opflow) are gone today.
_OPERATORS = (
    "Chi", "Choi", "DensityMatrix", "Kraus", "Operator", "PTM", "Pauli", "PauliList",
    "SparsePauliOp", "Statevector", "Stinespring", "SuperOp", "Z2Symmetries",
)
_NOISE_CLASSES = ("LayerError", "PauliLindbladError")
_NOISE_MODULES = (  # before and since qiskit-ibm-runtime 0.48, which still writes the first
    "qiskit_ibm_runtime.utils.noise_learner_result", "qiskit_ibm_runtime.results.noise_learner",
)
# By name, not "whatever is left": the library's own decoder imports modules that data name.
_LIBRARY_TYPES = (
    "BitArray", "DataBin", "DoubleSliceSpan", "EstimatorPubResult", "ExecutionSpan",
    "ExecutionSpanCollection", "ExecutionSpans", "NoiseLearnerResult", "NoiseModel",
    "ObservablesArray", "PauliLindbladMap", "PrimitiveResult", "PubResult", "SamplerPubResult",
    "TwirledSliceSpan", "TwirledSliceSpanV2",
)
# fmt: on


def _operator(obj: dict[str, Any]) -> Any:
    """Build an operator from its constructor arguments; the module of the data is only compared."""
    module, name = obj.get("__module__"), obj.get("__class__")
    if name not in _OPERATORS or not f"{module}.".startswith("qiskit.quantum_info."):
        raise ValueError(_NOT_ALLOWED.format(module, name))
    import qiskit.quantum_info

    return getattr(qiskit.quantum_info, name)(**obj["__value__"])


def _learned_noise(obj: dict[str, Any]) -> Any:
    module, name = obj.get("__module__"), obj.get("__class__")
    if module not in _NOISE_MODULES or name not in _NOISE_CLASSES:
        raise ValueError(_NOT_ALLOWED.format(module, name))
    return _by_library(obj)


def _by_library(obj: dict[str, Any]) -> Any:
    from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder

    return LibraryDecoder().object_hook(obj)


_VALUE_DECODERS: dict[str, Callable[[Any], Any]] = {
    "BindingsArray": _bindings,
    "Instruction": _instruction,
    "Parameter": lambda value: _parameter(_bytes(value)),
    "ParameterExpression": _expression,
    "QuantumCircuit": lambda value: _circuit_of_qpy(_inflated(_bytes(value))),
    "Result": _result,
    "complex": lambda value: complex(value[0], value[1]),
    "datetime": datetime.fromisoformat,
    "ndarray": _array,
    # A tuple became a list on its way, and a list cannot be in a set.
    "set": lambda items: {tuple(item) if isinstance(item, list) else item for item in items},
    "spmatrix": _sparse_matrix,
    "to_json": lambda value: value,
}


def _of_value(decode: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda obj: decode(obj["__value__"])


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{kind: _of_value(decode) for kind, decode in _VALUE_DECODERS.items()},
    **dict.fromkeys(_LIBRARY_TYPES, _by_library),
    "settings": _operator,
    "_json": _learned_noise,
}
