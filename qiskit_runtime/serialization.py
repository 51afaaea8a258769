"""JSON forms of the values that programs and their clients exchange.

Used by the process that runs a program, and by nothing else: decoding builds objects out of what a
user sent, which belongs inside the job's sandbox. Elsewhere parameters and results are text.

A value that plain JSON lacks is an object ``{"__type__": T, "__value__": V}``. The forms are those
of qiskit-ibm-runtime 0.51 (``qiskit_ibm_runtime/json.py``), so that its clients and ours read each
other; the decoder also reads what qiskit-ibmq-provider wrote in 2021. The library is imported for
rare types only, as that costs most of a second; so nothing is imported before it is needed.
"""

import functools
import importlib
import io
import json
import types
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qiskit_runtime.codec import compressed_text, qpy_forms
from qiskit_runtime.codec.array_form import array_form, read_array

if TYPE_CHECKING:
    from qiskit.primitives import BindingsArray
    from qiskit.result import Result
    from scipy.sparse import spmatrix

_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, type,
)  # fmt: skip
"""What is written as null, with a warning, as the library does: callbacks among options. Other
objects that can be called, such as a Clifford, are refused: nobody means null by them."""


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
        if hasattr(o, "to_json"):
            return _tagged("to_json", o.to_json())
        return _form_by_library(o)


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


_VECTOR = "__vector__"
"""Beside the value of a parameter: what says which vector it is an element of."""


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {"__type__": kind, "__value__": value}


def _instruction_form(instruction: Any) -> dict[str, Any]:
    return _tagged("Instruction", qpy_forms.write_instruction(instruction, RuntimeEncoder))


def _circuit_form(circuit: Any) -> dict[str, Any]:
    return _tagged("QuantumCircuit", qpy_forms.write_circuit(circuit, RuntimeEncoder))


def _vector_element_form(element: Any) -> dict[str, Any]:
    """Write a parameter, and beside it what the library's form loses: whose element it is."""
    form = _tagged("Parameter", qpy_forms.write_parameter(element))
    return {**form, _VECTOR: qpy_forms.write_vector_element(element)}


def _stabilizer_form(state: Any) -> dict[str, Any]:
    form = _tagged("settings", {"data": state.clifford.to_dict()})
    return {**form, "__module__": type(state).__module__, "__class__": type(state).__name__}


def _form_by_library(value: Any) -> Any:
    from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder

    describes_itself = hasattr(value, "settings") or hasattr(value, "_json")
    if callable(value) and not isinstance(value, _FUNCTIONS) and not describes_itself:
        _refuse(value)
    form = LibraryEncoder().default(value)
    if isinstance(form, dict) and form.get("__type__") in _CLASSES:
        # Of other classes neither this decoder nor the library's makes objects.
        try:
            _find_class(form)
        except ValueError:
            _refuse(value)
    return form


def _refuse(value: object) -> None:
    remedy = "its to_dict()" if hasattr(value, "to_dict") else "text, number or array"
    raise TypeError(f"{type(value).__name__} is not JSON serializable: use {remedy}")


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
    "numpy.ma.MaskedArray": _refuse,  # its mask would be lost
    "numpy.ma.core.MaskedArray": _refuse,
    "numpy.ndarray": array_form,
    "qiskit._accelerate.circuit.ParameterVectorElement": _vector_element_form,
    "qiskit.circuit.instruction.Instruction": _instruction_form,
    "qiskit.circuit.quantumcircuit.QuantumCircuit": _circuit_form,
    "qiskit.quantum_info.states.stabilizerstate.StabilizerState": _stabilizer_form,
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


_NOT_ALLOWED = "the class {}.{} is not among those made from data"

# fmt: off
_OPERATORS = (
    "Chi", "Choi", "DensityMatrix", "Kraus", "Operator", "PTM", "Pauli", "PauliList",
    "SparsePauliOp", "StabilizerState", "Statevector", "Stinespring", "SuperOp", "Z2Symmetries",
)
_AER_RESULTS = ("DensityMatrix", "Operator", "StabilizerState", "Statevector", "SuperOp")
_AER_MODULE = "qiskit_aer.backends.compatibility"
_LEARNED_NOISE = "qiskit_ibm_runtime.results.noise_learner"
_NOISE_CLASSES = ("LayerError", "PauliLindbladError")
# The classes that describe themselves by constructor arguments: by the form and the beginning of
# the module that data name, which is only compared, where they are and which. Their constructors
# compute and do nothing else. Other classes of 2021 (opflow) are gone today.
_CLASSES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "settings": {
        "qiskit.quantum_info.": ("qiskit.quantum_info", _OPERATORS),
        "qiskit_aer.backends.compatibility.": (_AER_MODULE, _AER_RESULTS),
        "qiskit.providers.aer.backends.compatibility.": (_AER_MODULE, _AER_RESULTS),  # until 2023
        "qiskit_aer.noise.": ("qiskit_aer.noise", ("PauliError", "PauliLindbladError")),
    },
    "_json": {  # before and since qiskit-ibm-runtime 0.48, which still writes the first
        "qiskit_ibm_runtime.utils.noise_learner_result.": (_LEARNED_NOISE, _NOISE_CLASSES),
        "qiskit_ibm_runtime.results.noise_learner.": (_LEARNED_NOISE, _NOISE_CLASSES),
    },
}
# By name, not "whatever is left": the library's own decoder imports modules that data name.
_LIBRARY_TYPES = (
    "BitArray", "DataBin", "DoubleSliceSpan", "EstimatorPubResult", "ExecutionSpan",
    "ExecutionSpanCollection", "ExecutionSpans", "NoiseLearnerResult", "NoiseModel",
    "ObservablesArray", "PauliLindbladMap", "PrimitiveResult", "PubResult", "SamplerPubResult",
    "TwirledSliceSpan", "TwirledSliceSpanV2",
)
# fmt: on


def _find_class(obj: dict[str, Any]) -> tuple[str, str]:
    """Return the module and name of the class that an object is made of.

    Raises:
        ValueError: it is not among those made from data.
    """
    module, name = obj.get("__module__"), obj.get("__class__")
    for beginning, (place, names) in _CLASSES[obj["__type__"]].items():
        if f"{module}.".startswith(beginning) and name in names:
            return place, name
    raise ValueError(_NOT_ALLOWED.format(module, name))


def _self_described(obj: dict[str, Any]) -> Any:
    place, name = _find_class(obj)
    if obj["__type__"] == "_json":
        return _by_library(obj)
    arguments = dict(obj["__value__"])
    if name == "StabilizerState":
        from qiskit.quantum_info import Clifford

        arguments["data"] = Clifford.from_dict(arguments["data"])
    elif name == "Kraus" and _is_pair_of_lists(arguments.get("data")):
        arguments["data"] = tuple(arguments["data"])  # of operators, left and right
    return getattr(importlib.import_module(place), name)(**arguments)


def _is_pair_of_lists(data: Any) -> bool:
    import numpy

    return (
        isinstance(data, list)
        and len(data) == 2
        and all(isinstance(part, list) for part in data)
        and all(isinstance(item, numpy.ndarray) for part in data for item in part)
    )


def _by_library(obj: dict[str, Any]) -> Any:
    from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder

    return LibraryDecoder().object_hook(obj)


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
    **dict.fromkeys(_LIBRARY_TYPES, _by_library),
    **dict.fromkeys(_CLASSES, _self_described),
    "Parameter": _parameter,
    "ndarray": read_array,
}
