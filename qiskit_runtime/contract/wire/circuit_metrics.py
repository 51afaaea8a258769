"""The circuits that a job ran: how many, and the width and depth of the first ones.

The program process counts them, the verdict carries them, the job's status shows them. Standard
library only: the supervisor imports it.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

MAX_LISTED = 64
"""The circuits whose width and depth are listed: all of them are only counted."""

_MAX_NUMBER = 2**53
_MAX_LISTED_NUMBER = 2**31
"""With the number of entries, it keeps a verdict within its size."""


@dataclass(frozen=True, slots=True)
class CircuitMetrics:
    """``count`` circuits in ``executions`` runs of the simulator.

    ``qubits`` and ``depths`` are those of the first ``MAX_LISTED`` circuits, in order: how many
    qubits one uses, and how many steps it takes.
    """

    count: int
    executions: int
    qubits: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no program's runs can be.

        Raises:
            ValueError: a number is negative or too large, or the lists do not match each other.
        """
        object.__setattr__(self, "qubits", tuple(self.qubits))
        object.__setattr__(self, "depths", tuple(self.depths))
        for number in (self.count, self.executions):
            _check(number, _MAX_NUMBER)
        for number in (*self.qubits, *self.depths):
            _check(number, _MAX_LISTED_NUMBER)
        if not len(self.qubits) == len(self.depths) <= min(self.count, MAX_LISTED):
            raise ValueError(f"circuits: a width and a depth of each, of at most {MAX_LISTED}")

    def to_json(self) -> str:
        """Return the metrics as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_circuit_metrics(fields: Any) -> CircuitMetrics:
    """Return the metrics of a JSON object.

    Raises:
        ValueError: it is another object: a program can send any.
    """
    try:
        return CircuitMetrics(**fields)
    except TypeError as error:
        raise ValueError(f"circuits: {error}") from error


def _check(number: Any, limit: int) -> None:
    if type(number) is not int or not 0 <= number < limit:
        raise ValueError("circuits: an integer from 0 on is needed, within limits")
