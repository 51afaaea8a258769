"""The results of primitives in JSON, in the forms of qiskit-ibm-runtime.

Each job of ``sampler`` and ``estimator`` ends with one, and to import that library for it would
take longer than most of these jobs.
"""

from collections.abc import Callable
from typing import Any

_QISKIT = "qiskit.primitives.containers"


def _result_form(result: Any) -> dict[str, Any]:
    return {"pub_results": list(result), "metadata": result.metadata}


def _pub_form(pub: Any) -> dict[str, Any]:
    return {"data": pub.data, "metadata": pub.metadata}


def _data_form(data: Any) -> dict[str, Any]:
    return {"field_names": list(data), "shape": data.shape, "fields": dict(data.items())}


def _bits_form(bits: Any) -> dict[str, Any]:
    return {"array": bits.array, "num_bits": bits.num_bits}


_FORMS: dict[str, Callable[[Any], dict[str, Any]]] = {
    f"{_QISKIT}.bit_array.BitArray": _bits_form,
    f"{_QISKIT}.data_bin.DataBin": _data_form,
    f"{_QISKIT}.primitive_result.PrimitiveResult": _result_form,
    f"{_QISKIT}.pub_result.PubResult": _pub_form,
    f"{_QISKIT}.sampler_pub_result.SamplerPubResult": _pub_form,
}


def write_primitive(value: Any) -> dict[str, Any] | None:
    """Return the form of a part of a primitive's result; None for any other object.

    A class that is derived from one of Qiskit's has a form of its own, or none.
    """
    kind = type(value)
    if (form := _FORMS.get(f"{kind.__module__}.{kind.__qualname__}")) is None:
        return None
    return {"__type__": kind.__name__, "__value__": form(value)}
