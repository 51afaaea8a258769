"""The circuits that a job ran: how many, and the width and depth of the first ones.

The program process counts them, the verdict carries them, the job's status shows them: the same
object of JSON everywhere. Standard library only: the supervisor imports it.
"""

from typing import Any, TypedDict

MAX_LISTED = 64
"""The circuits whose width and depth are listed: all of them are only counted."""

_MAX_NUMBER = 2**53
_MAX_LISTED_NUMBER = 2**31
"""With the number of entries, it keeps a verdict within its size."""


class CircuitMetrics(TypedDict):
    """``count`` circuits in ``executions`` runs of the simulator.

    ``qubits`` and ``depths`` are those of the first ``MAX_LISTED`` circuits, in order: how many
    qubits one uses, and how many steps it takes.
    """

    count: int
    executions: int
    qubits: list[int]
    depths: list[int]


def read_circuit_metrics(fields: Any) -> CircuitMetrics:
    """Return the metrics of a JSON object.

    Raises:
        ValueError: it is another object, a number is negative or too large, or the lists do not
            match each other: a program can send any.
    """
    if not isinstance(fields, dict) or fields.keys() != CircuitMetrics.__annotations__.keys():
        raise ValueError(f"circuits: an object of {', '.join(CircuitMetrics.__annotations__)}")
    count, executions, qubits, depths = (fields[name] for name in CircuitMetrics.__annotations__)
    if not (isinstance(qubits, list) and isinstance(depths, list)):
        raise ValueError("circuits: qubits and depths are lists")
    for number in (count, executions):
        _check(number, _MAX_NUMBER)
    for number in (*qubits, *depths):
        _check(number, _MAX_LISTED_NUMBER)
    if not len(qubits) == len(depths) <= min(count, MAX_LISTED):
        raise ValueError(f"circuits: a width and a depth of each, of at most {MAX_LISTED}")
    return CircuitMetrics(count=count, executions=executions, qubits=qubits, depths=depths)


def _check(number: Any, limit: int) -> None:
    if type(number) is not int or not 0 <= number < limit:
        raise ValueError("circuits: an integer from 0 on is needed, within limits")
