"""Pubs, the work items of a primitive, from whatever form a client sends them in.

The official client sends lists; a person sends a circuit alone, or OpenQASM text. Used by the
programs ``sampler`` and ``estimator``; every error starts with the pub that it is about.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.primitives.containers import BindingsArray, ObservablesArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qiskit_runtime.programs.inputs.boxes import open_boxes
from qiskit_runtime.programs.inputs.checks import MAX_SHOTS, check_integer, check_number, naming

_FORMS = {
    "sampler": (1, 3, "[circuit, values, shots]"),
    "estimator": (2, 4, "[circuit, observables, values, precision]"),
}
"""The least and most parts of a pub, and its form."""


def read_sampler_pubs(pubs: Any, default_shots: int) -> list[SamplerPub]:
    """Return the pubs, each with its number of shots."""
    read = []
    for index, entry in enumerate(_list_pubs(pubs)):
        with naming(f"pubs[{index}]"):
            circuit, values, shots = _read_parts(entry, "sampler")
            shots = default_shots if shots is None else check_integer("shots", shots, 1, MAX_SHOTS)
            read.append(SamplerPub(circuit, _read_values(circuit, values), shots))
            _refuse_empty(read[-1])
    return read


def read_estimator_pubs(pubs: Any, default_precision: float) -> list[EstimatorPub]:
    """Return the pubs, each with its precision; 0 is exact."""
    read = []
    for index, entry in enumerate(_list_pubs(pubs)):
        with naming(f"pubs[{index}]"):
            circuit, observables, values, precision = _read_parts(entry, "estimator")
            if precision is None:
                precision = default_precision
            precision = check_number("precision", precision, 0)
            bindings = _read_values(circuit, values)
            read.append(
                EstimatorPub(circuit, ObservablesArray.coerce(observables), bindings, precision)
            )
            _refuse_empty(read[-1])
    return read


def _refuse_empty(pub: SamplerPub | EstimatorPub) -> None:
    if not pub.size:  # Aer would crash
        raise ValueError(f"there is nothing to run: the pub has the shape {pub.shape}")


def _list_pubs(pubs: Any) -> Sequence[Any]:
    if isinstance(pubs, QuantumCircuit | str):
        return [pubs]
    if not isinstance(pubs, list | tuple) or not pubs:
        raise ValueError(f"pubs: expected a list of pubs, got {_describe(pubs)}")
    return pubs


def _read_parts(entry: Any, primitive: str) -> list[Any]:
    """Return the circuit and the parts that follow it, None for those that are left out."""
    least, most, form = _FORMS[primitive]
    parts = [entry] if isinstance(entry, QuantumCircuit | str) else entry
    if not isinstance(parts, list | tuple) or not least <= len(parts) <= most:
        raise ValueError(f"expected {least} to {most} of {form}, got {_describe(entry)}")
    return [_read_circuit(parts[0]), *parts[1:], *[None] * (most - len(parts))]


def _describe(value: Any) -> str:
    size = f" of {len(value)}" if isinstance(value, list | tuple) else ""
    return f"{type(value).__name__}{size}"


def _read_circuit(value: Any) -> QuantumCircuit:
    if isinstance(value, str):
        return _parse(value)
    if not isinstance(value, QuantumCircuit):
        expected = "a circuit in the encoding of RuntimeEncoder, or OpenQASM text"
        raise ValueError(f"expected {expected}, got {_describe(value)}")
    return open_boxes(value)


@lru_cache(maxsize=64)  # the same text in many pubs is one circuit
def _parse(text: str) -> QuantumCircuit:
    without_comments = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    included = set(re.findall(r"include\s*[\"']([^\"']*)", without_comments))
    if foreign := included - {"qelib1.inc", "stdgates.inc"}:
        # The reader would open any file of this machine, and quote it in its error.
        raise ValueError(
            f"the OpenQASM text includes {min(foreign)!r}; it may include its gates alone:"
            " qelib1.inc or stdgates.inc"
        )
    try:
        if text.split("OPENQASM", 1)[-1].lstrip().startswith("3"):
            circuit = qasm3.loads(text)
        else:
            gates = qasm2.LEGACY_CUSTOM_INSTRUCTIONS
            circuit = qasm2.loads(text, include_path=(), custom_instructions=gates)
    except Exception as error:  # the parser of version 3 has errors that are no kind of Qiskit's
        reason = getattr(error, "message", str(error)) or "it is no OpenQASM"
        raise ValueError(f"the OpenQASM text cannot be read: {reason}") from error
    if not circuit.num_qubits:
        raise ValueError("the OpenQASM text has no qubits")
    return circuit


def _read_values(circuit: QuantumCircuit, values: Any) -> BindingsArray:
    if values is None:
        return BindingsArray()
    if not isinstance(values, BindingsArray | dict):
        array = numpy.asarray(values, dtype=float)
        if circuit.num_parameters == 1 and array.ndim == 0:
            array = array[None]  # a number alone, for the one parameter
        values = {tuple(circuit.parameters): array}
    bindings = BindingsArray.coerce(values)
    if not all(numpy.isfinite(array).all() for array in bindings.data.values()):
        raise ValueError("the values of the parameters must be finite numbers")
    return bindings
