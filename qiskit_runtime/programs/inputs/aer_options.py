"""The options of a run, checked against the installed Aer.

Aer drops a name that it does not know, and casts a value of another type: a misspelt option would
be a run without it. Used by the programs whose clients may give options of Aer's by name.
"""

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit_aer.backends.aer_compiler import BACKEND_RUN_ARG_TYPES, AerConfig

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.checks import (
    MAX_QUBITS_DEFAULT,
    check_flag,
    check_integer,
    check_number,
    check_text,
)

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

_CHOICES = {
    "precision": ("double", "single"),
    "mps_sample_measure_algorithm": ("mps_heuristic", "mps_apply_measure", "mps_probabilities"),
    "mps_swap_direction": ("mps_swap_left", "mps_swap_right"),
}
"""Values that Aer does not list; for the last two it takes any other value for the first one."""

_AS_AER_DOES: dict[str, tuple[Any, ...]] = {
    "init_qubits": (True,),
    "init_num_resets": (0,),
    "meas_level": (2,),
    "meas_return": ("avg", "single"),  # matters at the levels 0 and 1 alone
    "use_measure_esp": (False,),
}
"""Options of devices, by the values that every simulation fulfils."""

_LEFT_OUT = frozenset(
    ("init_qubits", "init_num_resets", "use_measure_esp", "rep_delay", "rep_time", "header")
)
"""Options of devices whose other values a simulation can do without: they are left out."""

DEVICE_OPTIONS = _LEFT_OUT | set(_AS_AER_DOES)
"""Options that the clients of 2021 to 2024 send for devices, besides Aer's own."""


def option_names(backend: "AerSimulator") -> set[str]:
    """Return the names of the options that this Aer's ``run`` has."""
    # The last one is how Aer hands itself what parameter_binds says.
    return {*backend.options, *BACKEND_RUN_ARG_TYPES} - {"parameterizations"}


def read_run_options(
    backend: "AerSimulator",
    options: Mapping[str, Any],
    prefix: str = "",
    related: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the options for Aer; None means its default.

    Those of devices are left out, and the job's log lists them. ``related`` are other names that a
    misspelt one may have meant.

    Raises:
        ValueError: Aer has no such option, or not with this value; the text begins with the
            prefix and the option's name.
    """
    known, taken, left_out = option_names(backend), {}, []
    for name, value in options.items():
        if name in DEVICE_OPTIONS:
            left_out += [prefix + name] * _is_left_out(prefix, name, value)
        elif name not in known:
            hint = suggest(name, {*known, *DEVICE_OPTIONS, *related})
            raise ValueError(f"{prefix}{name}: the simulator has no such option{hint}")
        elif value is not None:
            taken[name] = _check_value(backend, prefix, name, value)
    say_left_out(left_out)
    return taken


def read_edges(value: Any, name: str = "coupling_map") -> list[list[int]] | None:
    """Return a coupling map's pairs of qubits.

    Raises:
        ValueError: it is no coupling map; the text begins with the name.
    """
    if value is None:
        return None
    # A CouplingMap in a program that is called directly; a list of pairs from a client.
    edges = list(value.get_edges()) if hasattr(value, "get_edges") else value
    if not isinstance(edges, list | tuple) or not all(
        isinstance(edge, list | tuple) and len(edge) == 2 for edge in edges
    ):
        raise ValueError(f"{name}: expected a list of pairs of qubits, got {value!r}")
    last = MAX_QUBITS_DEFAULT - 1
    return [[check_integer(name, qubit, 0, last) for qubit in edge] for edge in edges]


def say_left_out(names: Iterable[str], reason: str = "Aer has no such thing") -> None:
    """Print which options a job runs without, if any."""
    if listed := ", ".join(names):
        print(f"left out, as {reason}: {listed}")  # noqa: T201  (the job's log has it)


def read_noise(field: str, value: Any) -> "NoiseModel | None":
    """Return a noise model that is one already, or that is in the form of its ``to_dict()``."""
    from qiskit_aer.noise import NoiseModel

    if value is None or isinstance(value, NoiseModel):
        return value
    if not isinstance(value, Mapping) or "errors" not in value:
        raise ValueError(f"{field}: expected a noise model of Aer or its to_dict(), got {value!r}")
    try:
        with warnings.catch_warnings():
            # Deprecated, and yet how the official client's own decoder makes one.
            warnings.simplefilter("ignore", DeprecationWarning)
            return NoiseModel.from_dict(value)
    except Exception as error:  # Aer raises a KeyError or whatever its constructors meet
        raise ValueError(f"{field}: cannot be read: {error!r}") from error


def _is_left_out(prefix: str, name: str, value: Any) -> bool:
    """Return whether a device's option asks for more than every simulation gives."""
    if value is None or value in _AS_AER_DOES.get(name, ()):
        return False
    if name in _LEFT_OUT:
        return True
    wanted = " or ".join(map(repr, _AS_AER_DOES[name]))
    raise ValueError(f"{prefix}{name}: a simulation gives {wanted}, not {value!r}")


def _check_value(backend: "AerSimulator", prefix: str, name: str, value: Any) -> Any:
    field = prefix + name
    if name == "noise_model":
        return read_noise(field, value)
    value = _check_type(field, value, name, getattr(backend.options, name, None))
    choices = _find_choices(backend, name)
    if choices and value not in choices:
        hint = suggest(value, choices) or f"; there are {', '.join(choices)}"
        raise ValueError(f"{field}: Aer has no {value!r}{hint}")
    try:
        if hasattr(AerConfig, name):
            setattr(AerConfig(), name, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{field}: Aer does not take {value!r}") from error
    return value


def _check_type(field: str, value: Any, name: str, default: Any) -> Any:
    """Return a value of the type that Aer says that it takes: Aer would cast it."""
    allowed = BACKEND_RUN_ARG_TYPES.get(name, object)
    types = allowed if isinstance(allowed, tuple) else (allowed,)
    value = value.item() if isinstance(value, np.generic) else value
    if bool in types or isinstance(default, bool):  # Aer says of one flag that it is an integer
        return check_flag(field, value)
    if int in types:
        return check_integer(field, value, 0, 2**63 - 1)
    if float in types:
        return check_number(field, value)
    if str in types:
        return check_text(field, value)
    if not isinstance(value, types):
        raise ValueError(f"{field}: expected {types[0].__name__} of Aer, got {value!r}")
    return value


def _find_choices(backend: "AerSimulator", name: str) -> tuple[str, ...]:
    match name:
        case "method":
            return tuple(backend.available_methods())
        case "device":
            return tuple(backend.available_devices())
    return _CHOICES.get(name, ())
