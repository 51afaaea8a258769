"""The options of a primitive, as the official client sends them: what Aer can do, and what not.

Used by the programs ``sampler`` and ``estimator``. What a device would do and Aer can't (twirling,
dynamical decoupling, error mitigation) is left out, and said: a simulation without it is of use.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qiskit_runtime.algorithms.inputs import (
    MOST_SHOTS,
    check_flag,
    check_integer,
    check_number,
    check_seed,
)

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

VERSION = 2
"""Of the primitives' interface: the one with pubs."""

MOST_RESILIENCE = 2

_AS_AER_DOES = {"options.execution.init_qubits": True, "options.execution.meas_type": "classified"}
"""Wishes that every simulation fulfils."""

_WHOLE = ("options.simulator.noise_model", "options.simulator.coupling_map")
"""Objects that are one value each, and no group of options."""


@dataclass(frozen=True)
class PrimitiveOptions:
    """What was asked for; None means that it was not."""

    given: Mapping[str, Any]
    """All options that have a value, by dotted name."""
    seed: int | None
    noise_model: "NoiseModel | None"
    basis_gates: list[str] | None
    coupling_map: list[list[int]] | None
    ignored: list[str] = field(default_factory=list)
    """What was asked for and Aer can't do, by dotted name."""

    @property
    def run_options(self) -> dict[str, Any]:
        """What ``backend.run`` has to be told."""
        return {} if self.noise_model is None else {"noise_model": self.noise_model}

    @property
    def metadata(self) -> dict[str, Any]:
        """Of a whole result."""
        return {"version": VERSION} | ({"ignored_options": self.ignored} if self.ignored else {})


def read_options(
    options: Any,
    seed_simulator: int | None,
    version: int = VERSION,
    support_qiskit: bool = True,
    resilience_level: int | None = None,
) -> PrimitiveOptions:
    """Check the options and the fields beside them, and print which ones are left out.

    A seed of the job itself comes before one among the options.

    Raises:
        ValueError: a value that can't be; the text names the option.
    """
    check_integer("version", version, VERSION, VERSION)
    check_flag("support_qiskit", support_qiskit)
    given = dict(_leaves("options", {} if options is None else options))
    if (kind := given.get("options.execution.meas_type")) not in (None, "classified"):
        raise ValueError(
            f"options.execution.meas_type: {kind!r} is no result of a simulation; use classified"
        )
    ignored = [name for name in given if _is_beyond_aer(name, given)]
    if resilience_level is not None and check_integer(
        "resilience_level", resilience_level, 0, MOST_RESILIENCE
    ):
        ignored.append("resilience_level")
    if ignored:
        print(f"left out, as Aer has no such thing: {', '.join(ignored)}")  # noqa: T201  (the job's log has it)
    return PrimitiveOptions(
        given,
        _find_seed(given, seed_simulator),
        _read_noise(given.get("options.simulator.noise_model")),
        _read_names("options.simulator.basis_gates", given.get("options.simulator.basis_gates")),
        _read_edges("options.simulator.coupling_map", given.get("options.simulator.coupling_map")),
        ignored,
    )


def choose_shots(options: PrimitiveOptions, default: Any) -> int:
    """How many shots a sampler pub has that names none."""
    name = "options.default_shots"
    if options.given.get(name) is not None:
        return check_integer(name, options.given[name], 1, MOST_SHOTS)
    return check_integer("default_shots", default, 1, MOST_SHOTS)


def choose_precision(options: PrimitiveOptions, default: Any) -> float:
    """The precision of an estimator pub that names none; 0 is exact.

    As with the official service, a number of shots comes before a precision.
    """
    shots = options.given.get("options.default_shots")
    if shots is not None and check_integer("options.default_shots", shots, 0, MOST_SHOTS):
        return float(shots**-0.5)
    if "options.default_precision" in options.given:
        default, name = options.given["options.default_precision"], "options.default_precision"
    else:
        name = "default_precision"
    return 0.0 if default is None else check_number(name, default, 0)


_HONOURED = frozenset(
    f"options.{name}"
    for name in (
        "default_shots",
        "default_precision",
        "seed_estimator",
        "simulator.seed_simulator",
        "simulator.noise_model",
        "simulator.basis_gates",
        "simulator.coupling_map",
    )
)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each option and its value, by dotted name."""
    if not isinstance(value, Mapping) or name in _WHOLE:
        if name == "options":
            raise ValueError(f"options: expected an object, got {value!r}")
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(f"{name}.{key}", inner)


def _is_beyond_aer(name: str, given: Mapping[str, Any]) -> bool:
    value = given[name]
    if name in _HONOURED or value is None:
        return False
    if name in _AS_AER_DOES:
        return bool(value != _AS_AER_DOES[name])
    # A group that is switched off, and a switch that is off, ask for nothing.
    return value is not False and given.get(f"{name.rpartition('.')[0]}.enable") is not False


def _find_seed(given: Mapping[str, Any], own: int | None) -> int | None:
    seeds = {"seed_simulator": own} | {
        name: given.get(name)
        for name in ("options.simulator.seed_simulator", "options.seed_estimator")
    }
    checked = [check_seed(name, seed) for name, seed in seeds.items()]
    return next((seed for seed in checked if seed is not None), None)


def _read_noise(value: Any) -> "NoiseModel | None":
    from qiskit_aer.noise import NoiseModel

    if value is None or isinstance(value, NoiseModel):
        return value
    name = "options.simulator.noise_model"
    if not isinstance(value, Mapping) or "errors" not in value:
        raise ValueError(f"{name}: expected a noise model of Aer or its to_dict(), got {value!r}")
    try:
        with warnings.catch_warnings():
            # Deprecated, and yet how the official client's own decoder makes one.
            warnings.simplefilter("ignore", DeprecationWarning)
            return NoiseModel.from_dict(value)
    except Exception as error:  # Aer raises a KeyError or whatever its constructors meet
        raise ValueError(f"{name}: cannot be read: {error!r}") from error


def _read_names(name: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name}: expected a list of names, got {value!r}")
    return list(value)


def _read_edges(name: str, value: Any) -> list[list[int]] | None:
    if value is None:
        return None
    # A CouplingMap in a program that is called directly; a list of pairs from a client.
    edges = list(value.get_edges()) if hasattr(value, "get_edges") else value
    if not isinstance(edges, list | tuple) or not all(
        isinstance(edge, list | tuple) and len(edge) == 2 for edge in edges
    ):
        raise ValueError(f"{name}: expected a list of pairs of qubits, got {value!r}")
    return [[check_integer(name, qubit, 0) for qubit in edge] for edge in edges]
