"""A job's seed, which all its random numbers come from, so that a run can be repeated.

Used by the program process.
"""

import inspect
import os
import random
import secrets
from collections.abc import Callable
from typing import Any

from qiskit_runtime.contract.wire.job_input import SEED_PARAMETER
from runner.channel import MAX_SEED

_TRANSPILER_SEED = "QISKIT_TRANSPILER_SEED"
"""What Qiskit reads at each transpilation, before the seed in its settings file."""


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
    """Seed the global generators of Python, NumPy and Qiskit, and Qiskit's transpiler.

    Each transpilation that names no seed gets this one, also in processes that the program starts.
    """
    import numpy
    from qiskit.quantum_info.operators import random as operators

    random.seed(seed)
    numpy.random.seed(seed % 2**32)  # noqa: NPY002  (programs use the old one)
    # It was made on import: forks would all go on with the zygote's. Not from the seed alone, as
    # programs make ``default_rng(seed_simulator)``, and these numbers are to be others.
    operators.DEFAULT_RNG = numpy.random.default_rng((seed, 1))
    # Qiskit draws from the system where nothing seeds it. One whose user has set this meant it.
    os.environ.setdefault(_TRANSPILER_SEED, str(seed))


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
