"""Checks of a program's inputs: a mistake becomes a ValueError that names the field.

The API has compared the parameters with the program's JSON Schema already; a job that was made
by kubectl, and a program that is called directly, come without. The runner imports this module
before Qiskit is loaded: only the standard library and the limits are imported at its top.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qiskit_runtime.contract import limits

MAX_SHOTS = limits.MAX_SHOTS
"""The most shots of one circuit in one run."""

MAX_QUBITS_DEFAULT = 10_000
"""The qubits of a simulator whose device has no number of them, whatever its method.

Circuits that there is no memory for are refused by their bytes (``simulate.memory``), not by their
width. It is the contract's ``MAX_QUBITS``, whose models a job's start would have to import.
"""

_CHECKED = frozenset(("memory", "optimization_level", "seed_simulator", "seed_transpiler", "shots"))
"""Options that no error of the transpiler or the simulator is about: they are checked before."""


class CompleteError(ValueError):
    """An error whose text needs no field: ``naming`` lets it pass as it is."""


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Turn an error of the block into a ValueError that starts with the field's name."""
    from qiskit.exceptions import QiskitError

    try:
        yield
    except CompleteError:
        raise
    except (
        QiskitError,
        TypeError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        RuntimeError,
    ) as error:
        raise ValueError(f"{field}: {error}") from error


def name_options(options: Mapping[str, Any]) -> str:
    """Return the options that an error may be about; the circuits, if there are none."""
    return ", ".join(sorted(set(options) - _CHECKED)) or "circuits"


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return the integer; True is refused, though Python takes it for one."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or value < least
        or (most is not None and value > most)
    ):
        upper = " or more" if most is None else f" to {most}"
        raise ValueError(f"{name}: expected an integer of {least}{upper}, got {value!r}")
    return value


def check_number(name: str, value: Any, least: float = -math.inf) -> float:
    """Return the finite number, as a float."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < least:
        lower = "" if least == -math.inf else f" of {least:g} or more"
        raise ValueError(f"{name}: expected a number{lower}, got {value!r}")
    return float(value)


def check_flag(name: str, value: Any) -> bool:
    """Return the flag, true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, got {value!r}")
    return value


def check_text(name: str, value: Any) -> str:
    """Return the text."""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a string, got {value!r}")
    return value


def check_seed(name: str, value: Any) -> int | None:
    """Return a seed that Aer takes; None stands for no seed."""
    return None if value is None else check_integer(name, value, 0, 2**63 - 1)


def require(**values: Any) -> None:
    """Refuse a mandatory field that is missing: is None."""
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise ValueError(f"{', '.join(missing)}: mandatory, and missing")
