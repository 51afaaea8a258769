"""A job's progress: the steps that its program has done, and the best value that it has found.

A program reports it, the record keeps reports, the job's status shows the newest. Standard library
only: the supervisor imports it.
"""

import json
import math
from typing import Any, NamedTuple, Self

_MAX_NUMBER = 2.0**53


class _Numbers(NamedTuple):
    done: float
    total: float
    best: float | None


class Progress(_Numbers):
    """``done`` of ``total`` steps; ``best`` is the best value so far, in the program's own unit."""

    __slots__ = ()

    def __new__(cls, done: float, total: float, best: float | None = None) -> Self:
        """Refuse numbers that can't be shown.

        Raises:
            ValueError: a count that is negative or no number, or more done than there is.
        """
        done, total = _check_count("done", done), _check_count("total", total)
        if done > total:
            raise ValueError(f"progress: {done:g} of {total:g} is more than all")
        if best is not None:
            best = _to_float("best", best)
            # A value that diverged is not a best one, but the steps are still worth showing.
            best = best if math.isfinite(best) else None
        return super().__new__(cls, done, total, best)

    @property
    def fields(self) -> dict[str, float]:
        """Return the numbers by name, ``best`` only where it is known."""
        best = {} if self.best is None else {"best": self.best}
        return {"done": self.done, "total": self.total, **best}

    def to_json(self) -> str:
        """Return the progress as one short line of JSON."""
        return json.dumps(self.fields, separators=(",", ":"))


def parse_progress(text: str | bytes) -> Progress | None:
    """Parse a progress; returns None for any other text, as a program can send any."""
    try:
        fields = json.loads(text)
        return Progress(fields["done"], fields["total"], fields.get("best"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _check_count(name: str, value: Any) -> float:
    number = _to_float(name, value)
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError(f"progress: {name} is {value!r}; a number from 0 to 2^53 is needed")
    # NumPy's numbers become Python's, and whole ones integers.
    return int(number) if number.is_integer() else number


def _to_float(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, OverflowError):
        kind = type(value).__name__
        raise ValueError(f"progress: {name} is a number of a float's range, not {kind}") from None
