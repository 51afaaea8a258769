"""Checks of a program's inputs: what is wrong becomes a ValueError that names the field.

The API has compared the parameters with the program's JSON Schema already; a job that was made
by kubectl, and a program that is called directly, come without.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qiskit.exceptions import QiskitError

from qiskit_runtime.programs.simulate.memory import TooLarge

MAX_SHOTS = 10**8
"""Of one circuit in one run."""

_CHECKED = frozenset(("memory", "optimization_level", "seed_simulator", "seed_transpiler", "shots"))
"""Options that no error of the transpiler or the simulator is about: they are checked before."""


@contextmanager
def naming(field: str) -> Iterator[None]:
    """What goes wrong within is a ValueError that starts with the field's name."""
    try:
        yield
    except TooLarge:
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
    """The options that an error may be about; the circuits, if there are none."""
    return ", ".join(sorted(set(options) - _CHECKED)) or "circuits"


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The integer; True is none, though Python takes it for one."""
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
    """The finite number, as a float."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < least:
        lower = "" if least == -math.inf else f" of {least:g} or more"
        raise ValueError(f"{name}: expected a number{lower}, got {value!r}")
    return float(value)


def check_flag(name: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, got {value!r}")
    return value


def check_text(name: str, value: Any) -> str:
    """The text."""
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a string, got {value!r}")
    return value


def check_seed(name: str, value: Any) -> int | None:
    """A seed that Aer takes, or None for none."""
    return None if value is None else check_integer(name, value, 0, 2**63 - 1)


def require(**values: Any) -> None:
    """Each is given: is not None."""
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise ValueError(f"{', '.join(missing)}: mandatory, and missing")
