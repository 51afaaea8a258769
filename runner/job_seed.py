"""A job's seed, which all its random numbers come from, so that a run can be repeated.

Used by the program process.
"""

import inspect
import random
import secrets
from collections.abc import Callable
from typing import Any

from qiskit_runtime.contract.wire.job_input import SEED_PARAMETER
from runner.channel import MAX_SEED


def choose_seed(params: dict[str, Any], backend: dict[str, Any]) -> int:
    """Return the seed of the job's parameters, of its backend, or a drawn one.

    The official client's primitives have theirs among their options.
    """
    policy = backend.get("seed") or {}
    own = params.get(SEED_PARAMETER)
    for given in (own, *_seeds_of_options(params.get("options")), policy.get("value")):
        if type(given) is int and 0 <= given <= MAX_SEED:
            return given
    return secrets.randbits(31)


def _seeds_of_options(options: Any) -> list[Any]:
    given = options if isinstance(options, dict) else {}
    simulator = given.get("simulator")
    inner = simulator if isinstance(simulator, dict) else {}
    return [inner.get(SEED_PARAMETER), given.get("seed_estimator")]


def use_seed(seed: int) -> None:
    """Seed Python's and NumPy's global generators."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)  # noqa: NPY002  (programs use the old one)


def pass_seed(seed: int, entry: Callable[..., Any], params: dict[str, Any]) -> bool:
    """Give main its seed among ``params``; returns whether a run with this seed repeats the job.

    A main without the parameter is called without it, so that every program takes a seed.
    """
    given = params.get(SEED_PARAMETER)
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        # A callable without a signature.
        return given is None
    if given is None and SEED_PARAMETER in signature.parameters:
        params[SEED_PARAMETER] = seed
    elif type(given) is not int or given != seed:
        # Not a usable seed: pass it on unchanged.
        return given is None
    elif not _takes(signature, SEED_PARAMETER):
        del params[SEED_PARAMETER]
    return True


def _takes(signature: inspect.Signature, name: str) -> bool:
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return name in signature.parameters or inspect.Parameter.VAR_KEYWORD in kinds
