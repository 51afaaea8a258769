"""Results of Qiskit in JSON's own types, for clients that know no encoding of ours."""

import math
from collections.abc import Mapping
from datetime import date
from enum import Enum
from numbers import Complex, Real
from typing import Any

import numpy as np


def json_clean(value: object) -> Any:
    """Return a copy in JSON's own types: complex as [re, im], arrays as lists, dates in ISO 8601.

    NaN and infinities, which JSON lacks, become null; objects of other types their text.
    """
    match value:
        case Enum():
            return json_clean(value.value)
        case None | bool() | str():
            return value
        case Mapping():
            return {str(key): json_clean(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_clean(item) for item in value]
        case np.ndarray() | np.generic():
            # item() and tolist() give Python's own numbers; tolist() does so for scalars too.
            return json_clean(value.tolist())
        case int():
            return value
        case Real():
            return float(value) if math.isfinite(value) else None
        case Complex():
            return [json_clean(value.real), json_clean(value.imag)]
        case date():
            return value.isoformat()
    # Statevector, DensityMatrix and the like, which Aer's save instructions put into the data.
    return json_clean(np.asarray(value)) if hasattr(value, "__array__") else str(value)
