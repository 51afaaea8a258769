"""Objects that are made from data by the name of their class: which ones, and how.

Used by ``serialization``. Qiskit's operators, Aer's noise and the results of qiskit-ibm-runtime
describe themselves by constructor arguments. Only the classes that are listed here are made; no
module is imported because the data names it.
"""

import functools
import importlib
import types
from typing import Any

_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, type,
)  # fmt: skip
"""The callbacks among options, which are written as null with a warning, as the library does. Other
objects that can be called, such as a Clifford, are refused: nobody means null by them."""

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
# By the form's type, and by the beginning of the module that the data names (which is only
# compared): the module and the names of the classes. Their constructors compute and do nothing
# else. Other classes of 2021 (opflow) are gone today.
CLASSES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
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
LIBRARY_TYPES = (
    "BitArray", "DataBin", "DoubleSliceSpan", "EstimatorPubResult", "ExecutionSpan",
    "ExecutionSpanCollection", "ExecutionSpans", "NoiseLearnerResult", "NoiseModel",
    "ObservablesArray", "PauliLindbladMap", "PrimitiveResult", "PubResult", "SamplerPubResult",
    "TwirledSliceSpan", "TwirledSliceSpanV2",
)
# fmt: on


def _find_class(obj: dict[str, Any]) -> tuple[str, str]:
    """Return the module and the name of the class that a form describes an object of.

    Raises:
        ValueError: the class is not among those made from data.
    """
    module, name = obj.get("__module__"), obj.get("__class__")
    for beginning, (place, names) in CLASSES[obj["__type__"]].items():
        if f"{module}.".startswith(beginning) and name in names:
            return place, name
    raise ValueError(_NOT_ALLOWED.format(module, name))


def read_object(obj: dict[str, Any]) -> Any:
    """Return the object that a form of ``CLASSES`` describes.

    Raises:
        ValueError: its class is not among those made from data.
    """
    place, name = _find_class(obj)
    if obj["__type__"] == "_json":
        return read_by_library(obj)
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


def read_by_library(obj: dict[str, Any]) -> Any:
    """Return the object that qiskit-ibm-runtime makes of a form, whose type must be known."""
    from qiskit_ibm_runtime import RuntimeDecoder as LibraryDecoder

    return LibraryDecoder().object_hook(obj)


def write_stabilizer(state: Any) -> dict[str, Any]:
    """Return the form of a StabilizerState: its Clifford, which ``read_object`` reads."""
    names = {"__module__": type(state).__module__, "__class__": type(state).__name__}
    return {"__type__": "settings", "__value__": {"data": state.clifford.to_dict()}, **names}


def write_by_library(value: Any) -> Any:
    """Return the form that qiskit-ibm-runtime writes, or None for a function.

    Raises:
        TypeError: it has none, or one that no decoder makes an object of.
    """
    from qiskit_ibm_runtime import RuntimeEncoder as LibraryEncoder

    describes_itself = hasattr(value, "settings") or hasattr(value, "_json")
    if callable(value) and not isinstance(value, _FUNCTIONS) and not describes_itself:
        refuse(value)
    form = LibraryEncoder().default(value)
    if isinstance(form, dict) and form.get("__type__") in CLASSES:
        # Neither this decoder nor the library's makes objects of other classes.
        try:
            _find_class(form)
        except ValueError:
            refuse(value)
    return form


def refuse(value: object) -> None:
    """Raise the TypeError of a value without a JSON form, with a remedy."""
    remedy = "its to_dict()" if hasattr(value, "to_dict") else "text, number or array"
    raise TypeError(f"{type(value).__name__} is not JSON serializable: use {remedy}")
