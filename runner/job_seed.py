"""A job's seed: what its random numbers come from, so that it can be run the same again.

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
    """The job's seed: as its parameters say, or its backend, or one that is drawn."""
    policy = backend.get("seed") or {}
    for given in (params.get(SEED_PARAMETER), policy.get("value")):
        if type(given) is int and 0 <= given <= MAX_SEED:
            return given
    return secrets.randbits(31)


def use_seed(seed: int) -> None:
    """Have the job run as any other of this seed: Python's and NumPy's generators."""
    import numpy

    random.seed(seed)
    numpy.random.seed(seed % 2**32)  # noqa: NPY002  (programs use the old one)


def pass_seed(seed: int, entry: Callable[..., Any], params: dict[str, Any]) -> bool:
    """Give main its seed; returns whether the job runs the same again with it.

    A main without the parameter is called without it: any program can be run again by its seed.
    """
    given = params.get(SEED_PARAMETER)
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        # Something callable that does not tell what it takes.
        return given is None
    if given is None and SEED_PARAMETER in signature.parameters:
        params[SEED_PARAMETER] = seed
    elif type(given) is not int or given != seed:
        # main makes of it what it likes.
        return given is None
    elif not _takes(signature, SEED_PARAMETER):
        del params[SEED_PARAMETER]
    return True


def _takes(signature: inspect.Signature, name: str) -> bool:
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return name in signature.parameters or inspect.Parameter.VAR_KEYWORD in kinds
