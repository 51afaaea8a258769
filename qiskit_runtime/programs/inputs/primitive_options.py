"""The options of a primitive, as the official client sends them.

Used by the programs ``sampler`` and ``estimator``. What a device would do and Aer can't (twirling,
dynamical decoupling, error mitigation) is left out, and the log lists it: a simulation without it
is of use. An option that neither a device nor Aer has is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.inputs.aer_options import read_edges, read_noise, say_left_out
from qiskit_runtime.programs.inputs.checks import (
    MAX_SHOTS,
    check_flag,
    check_integer,
    check_number,
    check_seed,
)

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

VERSION = 2
"""The version of the primitives' interface: the one with pubs."""

MOST_RESILIENCE = 2

_AS_AER_DOES = {
    "options.execution.init_qubits": True,
    "options.execution.meas_type": "classified",
    "options.resilience_level": 0,
}
"""Wishes that every simulation fulfils."""

_SHOTS = ("options.default_shots", "options.execution.shots")
"""Where clients say how many shots are taken: those of today, and those of 2022."""

_SKIP = ("options.skip_transpilation", "options.transpilation.skip_transpilation")
"""Where clients of 2022 say that their circuits are run as they are."""

_SIMULATOR = tuple(
    f"options.simulator.{name}"
    for name in ("seed_simulator", "noise_model", "basis_gates", "coupling_map")
)

_ESTIMATOR = ("options.default_precision", "options.seed_estimator")
"""Options of the estimator alone."""

_HONOURED = (*_SHOTS, *_SKIP, *_SIMULATOR, *_ESTIMATOR)

_LEFT_OUT = (
    "options.execution.rep_delay",
    "options.execution.scheduler_timing",
    "options.execution.stretch_values",
    "options.max_execution_time",
    "options.optimization_level",
)
"""Options that a simulation, or this service, does without."""

_DEVICE_GROUPS = (
    "options.dynamical_decoupling",
    "options.environment",
    "options.experimental",
    "options.resilience",
    "options.transpilation",
    "options.twirling",
)
"""Groups that a simulation does without, whatever is in them."""

_OF_DEVICES = {
    "dynamical_decoupling": "enable extra_slack_distribution scheduling_method sequence_type"
    " skip_reset_qubits",
    "environment": "callback image job_tags log_level private",
    "resilience": "extrapolator layer_noise_learning layer_noise_model measure_mitigation"
    " measure_noise_learning noise_amplifier noise_factors pec pec_mitigation zne zne_mitigation",
    "resilience.layer_noise_learning": "layer_pair_depths max_layers_to_learn num_randomizations"
    " shots_per_randomization",
    "resilience.measure_noise_learning": "num_randomizations shots_per_randomization",
    "resilience.pec": "max_overhead noise_gain",
    "resilience.zne": "amplifier extrapolated_noise_factors extrapolator noise_factors",
    "transpilation": "approximation_degree initial_layout layout_method routing_method",
    "twirling": "enable_gates enable_measure gates measure num_randomizations"
    " shots_per_randomization strategy",
}
"""Names that clients send in these groups: a name that is nearly one of them is misspelt."""

_KNOWN_OF_DEVICES = tuple(
    f"options.{group}.{name}" for group, names in _OF_DEVICES.items() for name in names.split()
)

_GROUPS = (*_DEVICE_GROUPS, "options.execution", "options.simulator")

_WHOLE = ("options.simulator.noise_model", "options.simulator.coupling_map")
"""Objects that are one value each, and no group of options."""


@dataclass(frozen=True)
class PrimitiveOptions:
    """The client's wishes; None where it has none."""

    given: Mapping[str, Any]
    """All options that have a value, by dotted name."""
    seed: int | None
    noise_model: "NoiseModel | None"
    basis_gates: list[str] | None
    coupling_map: list[list[int]] | None
    skip_transpilation: bool = False
    ignored: list[str] = field(default_factory=list)
    """Options that Aer can't fulfil, by dotted name."""

    @property
    def run_options(self) -> dict[str, Any]:
        """The keyword arguments of ``backend.run``."""
        return {} if self.noise_model is None else {"noise_model": self.noise_model}

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of a whole result."""
        return {"version": VERSION} | ({"ignored_options": self.ignored} if self.ignored else {})


def read_options(
    options: Any,
    seed_simulator: int | None,
    version: int = VERSION,
    support_qiskit: bool = True,
    resilience_level: int | None = None,
    skip_transpilation: bool | None = False,
    is_estimator: bool = False,
) -> PrimitiveOptions:
    """Check the options and the related fields, and print which ones are left out.

    A seed of the job itself comes before one among the options.

    Raises:
        ValueError: a value that can't be; the text names the option.
    """
    check_integer("version", version, VERSION, VERSION)
    check_flag("support_qiskit", support_qiskit)
    given = dict(_leaves("options", {} if options is None else options))
    _refuse_unknown(given, _HONOURED if is_estimator else set(_HONOURED) - set(_ESTIMATOR))
    if (kind := given.get("options.execution.meas_type")) not in (None, "classified"):
        raise ValueError(
            f"options.execution.meas_type: {kind!r} is no result of a simulation; use classified"
        )
    ignored = [name for name in given if _is_beyond_aer(name, given)]
    if resilience_level is not None and check_integer(
        "resilience_level", resilience_level, 0, MOST_RESILIENCE
    ):
        ignored.append("resilience_level")
    say_left_out(ignored)
    noise, gates, edges = (
        f"options.simulator.{name}" for name in ("noise_model", "basis_gates", "coupling_map")
    )
    return PrimitiveOptions(
        given,
        _find_seed(given, seed_simulator),
        read_noise(noise, given.get(noise)),
        _read_gates(gates, given.get(gates)),
        read_edges(given.get(edges), edges),
        _find_skip(given, skip_transpilation),
        ignored,
    )


def choose_shots(options: PrimitiveOptions, default: Any) -> int:
    """Return the shots of a sampler pub that names none."""
    for name in _SHOTS:
        if options.given.get(name) is not None:
            return check_integer(name, options.given[name], 1, MAX_SHOTS)
    return check_integer("default_shots", default, 1, MAX_SHOTS)


def choose_precision(options: PrimitiveOptions, default: Any) -> float:
    """Return the precision of an estimator pub that names none; 0 is exact.

    As with the official service, a number of shots comes before a precision.
    """
    for name in _SHOTS:
        shots = options.given.get(name)
        if shots is not None and check_integer(name, shots, 0, MAX_SHOTS):
            return float(shots**-0.5)
    if "options.default_precision" in options.given:
        default, name = options.given["options.default_precision"], "options.default_precision"
    else:
        name = "default_precision"
    return 0.0 if default is None else check_number(name, default, 0)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each option and its value, by dotted name."""
    if not isinstance(value, Mapping) or name in _WHOLE:
        if name == "options":
            raise ValueError(f"options: expected an object, got {value!r}")
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(f"{name}.{key}", inner)


def _is_beyond_aer(name: str, given: Mapping[str, Any]) -> bool:
    value = given[name]
    if value is None or name in _HONOURED:
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


def _find_skip(given: Mapping[str, Any], own: bool | None) -> bool:
    wishes = {"skip_transpilation": own} | {name: given.get(name) for name in _SKIP}
    checked = [check_flag(name, wish) for name, wish in wishes.items() if wish is not None]
    return any(checked)


def _is_of_device(name: str) -> bool:
    return any(name.startswith(f"{group}.") for group in _DEVICE_GROUPS)


def _refuse_unknown(given: Mapping[str, Any], honoured: Iterable[str]) -> None:
    """Refuse a name that no client sends: its wish would be ignored."""
    known = {*honoured, *_AS_AER_DOES, *_LEFT_OUT, *_KNOWN_OF_DEVICES}
    for name, value in given.items():
        if name in _GROUPS:
            if value is not None:
                raise ValueError(f"{name}: expected an object, got {value!r}")
        elif name not in known and (not _is_of_device(name) or _suggest_beside(name, known)):
            raise ValueError(f"{name}: there is no such option{_suggest(name, known)}")


def _suggest(name: str, known: Iterable[str]) -> str:
    """Return the name that was meant of the same group, or of another one."""
    last = name.rpartition(".")[2]
    return _suggest_beside(name, known) or suggest(
        name, [option for option in known if option.rpartition(".")[2] == last]
    )


def _suggest_beside(name: str, known: Iterable[str]) -> str:
    """Return the name that was meant of the same group."""
    group, _, last = name.rpartition(".")
    split = [option.rpartition(".") for option in known]
    return suggest(last, [option for place, _, option in split if place == group])


def _read_gates(name: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name}: expected a list of names, got {value!r}")
    return list(value)
