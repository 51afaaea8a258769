"""Operators as clients send them, checked: SparsePauliOp, or labels with their coefficients."""

from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

import numpy as np
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp

FORM = "a SparsePauliOp, or a list of [label, coefficient] such as [['ZZ', 0.5], ['XI', -1]]"


def read_operator(name: str, value: Any, num_qubits: int | None = None) -> SparsePauliOp:
    """Return the observable, its equal terms summed up.

    Raises:
        ValueError: it is no operator, not Hermitian, or acts on another number of qubits; the text
            begins with ``name``.
    """
    operator = _convert(name, value)
    if num_qubits is not None and operator.num_qubits != num_qubits:
        raise ValueError(
            f"{name}: acts on {operator.num_qubits} qubits, but the circuit has {num_qubits}"
        )
    if not np.all(np.isfinite(operator.coeffs)):
        raise ValueError(f"{name}: has a coefficient that is not finite")
    simple = operator.simplify()
    largest = np.abs(simple.coeffs).max()
    if np.abs(simple.coeffs.imag).max() > 1e-10 * max(largest, 1):
        raise ValueError(f"{name}: is not Hermitian: its coefficients have imaginary parts")
    return SparsePauliOp(simple.paulis, simple.coeffs.real)


def read_aux_operators(
    name: str, value: Any, num_qubits: int
) -> dict[str, SparsePauliOp] | list[SparsePauliOp] | None:
    """Return observables as a list or by name, each checked; None if none are asked for."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {
            str(key): read_operator(f"{name}[{key!r}]", item, num_qubits)
            for key, item in value.items()
        }
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name}: expected a list of operators, got {type(value).__name__}")
    return [read_operator(f"{name}[{index}]", item, num_qubits) for index, item in enumerate(value)]


def is_diagonal(operator: SparsePauliOp) -> bool:
    """Return whether it is made of I and Z alone."""
    return not operator.paulis.x.any()


def check_label(name: str, label: Any, letters: str = "IXYZ") -> str:
    """Return the label, of these letters alone."""
    if not isinstance(label, str) or not label or set(label) - set(letters):
        raise ValueError(f"{name}: expected a label of the letters {letters}, got {label!r}")
    return label


def split_pair(name: str, pair: Any, letters: str = "IXYZ") -> tuple[str, complex]:
    """Return a label and its coefficient, which may come in either order."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ValueError(f"{name}: expected [label, coefficient], got {pair!r}")
    label, coefficient = pair if isinstance(pair[0], str) else reversed(pair)
    if isinstance(coefficient, bool) or not isinstance(coefficient, Number):
        raise ValueError(f"{name}: {coefficient!r} is no coefficient")
    return check_label(name, label, letters), complex(coefficient)  # type: ignore[call-overload]  # (what is no number raises)


def _convert(name: str, value: Any) -> SparsePauliOp:
    match value:
        case SparsePauliOp():
            if value.coeffs.dtype == object:
                raise ValueError(f"{name}: has free parameters")
            return value
        case Pauli():
            return SparsePauliOp(value)
        case Operator():
            return SparsePauliOp.from_operator(value)
        case str():
            return SparsePauliOp(check_label(name, value))
        case Mapping():
            return _from_pairs(name, value.items())
        case list() | tuple():
            return _from_pairs(name, value)
    raise ValueError(f"{name}: expected {FORM}, got {type(value).__name__}")


def _from_pairs(name: str, pairs: Iterable[Any]) -> SparsePauliOp:
    terms = [split_pair(name, pair) for pair in pairs]
    if not terms or len({len(label) for label, _ in terms}) > 1:
        raise ValueError(f"{name}: expected {FORM}, with labels of one length")
    return SparsePauliOp.from_list(terms)
