"""Optimisers by name: SPSA and QN-SPSA, and every minimiser of SciPy.

A name and its options are checked first; the optimiser's library is imported when it is run.
"""

from collections.abc import Mapping
from typing import Any

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.optimize import scipy_minimizers, spsa
from qiskit_runtime.programs.optimize.minimization import Optimizer


def read_optimizer(
    name: str, value: Any, default_maxiter: int = 100, options_name: str | None = None
) -> Optimizer:
    """Return the optimiser of ``{"name": ..., "maxiter": ..., ...}``; SPSA for None.

    Raises:
        ValueError: an unknown name or option, or one of a wrong value; the text lists the known
            ones, and begins with ``name``, or with ``options_name`` where it is an option.
    """
    if value is None:
        value = {}
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: expected an object with a name, got {type(value).__name__}")
    options = {str(key): item for key, item in value.items() if key != "name"}
    given = value.get("name", "SPSA")
    wanted = _normalize(given) if isinstance(given, str) else None
    for known in spsa.NAMES:
        if wanted == _normalize(known):
            if options.get("maxiter") is None:
                options["maxiter"] = default_maxiter
            return spsa.read(options_name or name, known, options)
    for known in scipy_minimizers.METHODS:
        if wanted == _normalize(known):
            return scipy_minimizers.read(options_name or name, known, options, options_name)
    names = [*spsa.NAMES, *scipy_minimizers.METHODS]
    raise ValueError(
        f"{name}: there is no optimizer {given!r}; there are {', '.join(names)}"
        f"{suggest(given, names)}"
    )


def is_spsa(name: Any) -> bool:
    """Return whether it is SPSA or QN-SPSA, and not one of SciPy's."""
    return isinstance(name, str) and _normalize(name) in map(_normalize, spsa.NAMES)


def _normalize(name: str) -> str:
    return name.replace("-", "").replace("_", "").upper()
