"""What a final result says of simulations that failed: Qiskit's ``Result`` does so in silence.

Used by the messenger, in the program process. Whether a failed simulation is a failed job is for
the program to judge; that nobody looked is for its author to hear.
"""

import sys
from collections.abc import Iterator
from typing import Any

_PLAIN = frozenset((str, int, float, bool, complex, type(None)))
"""What most of a long message is, and holds nothing."""


def find_failed_results(message: Any) -> list[str]:
    """Return a sentence about each ``Result`` in a message that was not successful.

    The message may be a ``Result``, or have some in its lists and objects, as they are or as their
    ``to_dict()``.
    """
    return [_describe(place, result) for place, result in _find(message) if not _is_success(result)]


def _find(message: Any) -> Iterator[tuple[str, Any]]:
    """Yield each result, and the keys and positions that lead to it."""
    # Not imported here: a program that has a result has imported it.
    kind: Any = getattr(sys.modules.get("qiskit.result.result"), "Result", ())
    waiting, seen = [("", message)], set[int]()
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, kind) or _is_described(value):
            yield place, value
        elif isinstance(value, dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [
                (f"{place}[{key!r}]", inner) for key, inner in items if type(inner) not in _PLAIN
            ]


def _is_described(value: Any) -> bool:
    """Return whether it is what ``Result.to_dict`` makes of one."""
    return isinstance(value, dict) and {"backend_name", "results", "success"} <= value.keys()


def _field(value: Any, name: str, default: Any = None) -> Any:
    if isinstance(value, dict):
        return value.get(name, default)
    return getattr(value, name, default)


def _is_success(result: Any) -> bool:
    return bool(_field(result, "success")) and all(
        _field(experiment, "success", True) for experiment in _field(result, "results", None) or ()
    )


def _describe(place: str, result: Any) -> str:
    experiments = _field(result, "results", None) or ()
    failed = [
        f"; experiment {index}: {_field(experiment, 'status')}"
        for index, experiment in enumerate(experiments)
        if not _field(experiment, "success", True)
    ]
    where = f", at {place}," if place else ""
    status = _field(result, "status")
    return f"the final result{where} is of a simulation that failed: {status}{''.join(failed[:1])}"
