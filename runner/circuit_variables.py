"""Variables of circuits that Aer can't simulate, found before it breaks on them.

Used by ``quantum_backend``. Aer 0.18 stores into a variable of bits, aborts its process where one
is read, and knows none of the type Bool; classical registers it reads and writes.
"""

from collections.abc import Iterator
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.classical import expr, types


def check_variables(circuits: Any) -> None:
    """See that Aer can simulate the circuits' variables.

    Raises:
        ValueError: one is read, or is a Bool; circuit and variable are named.
    """
    for circuit in circuits if isinstance(circuits, list | tuple) else [circuits]:
        if not isinstance(circuit, QuantumCircuit):
            continue
        for variable in _find_broken(circuit):
            raise ValueError(
                f"circuit {circuit.name!r} uses the variable {variable.name!r}, and Aer can't read"
                " variables: use a bit of a classical register"
            )


def _find_broken(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    # Most circuits have none, and are not looked through.
    variables = [*circuit.iter_vars()]
    yield from (variable for variable in variables if isinstance(variable.type, types.Bool))
    if variables:
        yield from _find_read(circuit)


def _find_read(circuit: QuantumCircuit) -> Iterator[expr.Var]:
    """The variables in conditions, in what is switched by, and in what is stored."""
    for item in circuit.data:
        for name in ("condition", "target", "rvalue"):
            value = getattr(item.operation, name, None)
            if isinstance(value, expr.Expr):
                yield from (found for found in expr.iter_vars(value) if found.standalone)
        for block in getattr(item.operation, "blocks", ()):
            yield from _find_read(block)
