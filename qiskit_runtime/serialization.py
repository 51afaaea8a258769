"""JSON forms of the values that programs and their clients exchange.

Used by the process that runs a program, and by nothing else: decoding builds objects out of what a
user sent, which belongs inside the job's sandbox. Elsewhere parameters and results are text.

A value that plain JSON lacks is an object ``{"__type__": T, "__value__": V}``. The forms are those
of qiskit-ibm-runtime 0.51 (``qiskit_ibm_runtime/json.py``), so that its clients and ours read each
other; the decoder also reads what qiskit-ibmq-provider wrote in 2021. The library is imported for
rare types only, as that costs most of a second; so nothing is imported before it is needed.
"""

import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qiskit_runtime.codec import compressed_text, qpy_forms
from qiskit_runtime.codec.array_form import array_form, read_array
from qiskit_runtime.codec.named_classes import (
    CLASSES,
    LIBRARY_TYPES,
    read_by_library,
    read_object,
    refuse,
    write_by_library,
    write_stabilizer,
)
from qiskit_runtime.codec.primitive_forms import write_primitive

if TYPE_CHECKING:
    from qiskit.primitives import BindingsArray
    from qiskit.result import Result
    from scipy.sparse import spmatrix


class RuntimeEncoder(json.JSONEncoder):
    """Writes circuits, arrays, operators and results as JSON: ``json.dumps(x, cls=...)``.

    What ``to_json`` returns stands for an object that has it; a function is null and a warning.

    Raises:
        TypeError: the value has no JSON form (``bytes``, for one).
    """

    def default(self, o: Any) -> Any:
        """Return a value of plain JSON types, or of types this encoder knows, for ``o``."""
        # By name along the classes of o: to ask isinstance would import NumPy and Qiskit.
        for base in type(o).__mro__:
            if encode := _ENCODERS.get(f"{base.__module__}.{base.__qualname__}"):
                return encode(o)
        if (form := write_primitive(o)) is not None:
            return form
        if hasattr(o, "to_json"):
            return _tagged("to_json", o.to_json())
        return write_by_library(o)


class RuntimeDecoder(json.JSONDecoder):
    """Reads what ``RuntimeEncoder``, today's client and the one of 2021 write.

    It imports no module because the data names it, and calls no class but those of
    ``codec.named_classes``. An object whose ``__type__`` is unknown, or that has no ``__value__``,
    stays a dictionary.

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


_VECTOR = "__vector__"
"""The key of a parameter's form for the vector that it is an element of."""


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}


def _instruction_form(instruction: Any) -> dict[str, Any]:
    return _tagged("Instruction", qpy_forms.write_instruction(instruction, RuntimeEncoder))


def _circuit_form(circuit: Any) -> dict[str, Any]:
    return _tagged("QuantumCircuit", qpy_forms.write_circuit(circuit, RuntimeEncoder))


def _vector_element_form(element: Any) -> dict[str, Any]:
    """Return a parameter's form with its vector, which the library's form loses."""
    form = _tagged("Parameter", qpy_forms.write_parameter(element))
    return {**form, _VECTOR: qpy_forms.write_vector_element(element)}


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "builtins.bytes": refuse,
    "builtins.complex": lambda number: _tagged("complex", [number.real, number.imag]),
    "builtins.set": lambda items: _tagged("set", list(items)),
    "datetime.date": lambda day: _tagged("datetime", day.isoformat()),  # and datetime, its subclass
    "numpy.bool": bool,
    "numpy.timedelta64": refuse,  # an integer to NumPy, whose unit would be lost
    "numpy.integer": int,
    "numpy.floating": float,
    "numpy.complexfloating": complex,
    "numpy.ma.MaskedArray": refuse,  # its mask would be lost
    "numpy.ma.core.MaskedArray": refuse,
    "numpy.ndarray": array_form,
    "qiskit._accelerate.circuit.ParameterVectorElement": _vector_element_form,
    "qiskit.circuit.instruction.Instruction": _instruction_form,
    "qiskit.circuit.quantumcircuit.QuantumCircuit": _circuit_form,
    "qiskit.quantum_info.states.stabilizerstate.StabilizerState": write_stabilizer,
    "qiskit.result.result.Result": lambda result: _tagged("Result", result.to_dict()),
}


def _sparse_matrix(value: str) -> "spmatrix":
    import zipfile

    from scipy.sparse import load_npz

    data = io.BytesIO(compressed_text.read_bytes(value))
    with zipfile.ZipFile(data) as archive:  # which stops reading a member at the size it declares
        compressed_text.check_size(sum(member.file_size for member in archive.infolist()))
    return load_npz(data)


def _result(value: dict[str, Any]) -> "Result":
    from qiskit.result import Result

    return Result.from_dict(value)


def _bindings(value: dict[str, Any]) -> "BindingsArray":
    from qiskit.primitives.containers import BindingsArray

    # Not by the library: it would decode the keys as well, without our limits.
    data = {tuple(json.loads(key)): array for key, array in (value.get("data") or {}).items()}
    return BindingsArray(data, value.get("shape"))


def _hashable(item: Any) -> Any:
    """Return a member of a set: a tuple became a list on its way, which can't be in one."""
    return tuple(_hashable(part) for part in item) if isinstance(item, list) else item


def _parameter(obj: dict[str, Any]) -> Any:
    if _VECTOR in obj:
        return qpy_forms.read_vector_element(obj[_VECTOR])
    return qpy_forms.read_parameter(obj["__value__"])


_VALUE_DECODERS: dict[str, Callable[[Any], Any]] = {
    "BindingsArray": _bindings,
    "Instruction": lambda text: qpy_forms.read_instruction(text, RuntimeDecoder),
    "ParameterExpression": qpy_forms.read_expression,
    "QuantumCircuit": lambda text: qpy_forms.read_circuit(text, RuntimeDecoder),
    "Result": _result,
    "complex": lambda value: complex(value[0], value[1]),
    "datetime": datetime.fromisoformat,
    "set": lambda items: {_hashable(item) for item in items},
    "spmatrix": _sparse_matrix,
    "to_json": lambda value: value,
}


def _of_value(decode: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda obj: decode(obj["__value__"])


_DECODERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{kind: _of_value(decode) for kind, decode in _VALUE_DECODERS.items()},
    **dict.fromkeys(LIBRARY_TYPES, read_by_library),
    **dict.fromkeys(CLASSES, read_object),
    "Parameter": _parameter,
    "ndarray": read_array,
}
