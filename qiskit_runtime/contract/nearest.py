"""Suggestions for a misspelt name: the nearest one of the known names.

The programs use it for names that they refuse, the API for names that a JSON Schema does not
have. Standard library only.
"""

import difflib
from collections.abc import Iterable

_LEAST_RATIO = 0.6
"""The least similarity of two names: below it, a suggestion would only mislead."""

_LEAST_PART = 4
"""The least letters of a part of a name, such as ``seed`` of ``seed_simulator``."""

_MOST_NAMES = 100
_LONGEST_NAME = 64
"""Limits, as any client may choose the names: so many of this length take 30 ms to compare."""


def suggest(name: object, known: Iterable[object]) -> str:
    """Return ``; did you mean 'shots'?``, or nothing where no known name is near."""
    named = [item for item in known if isinstance(item, str) and len(item) <= _LONGEST_NAME]
    by_lower = {item.lower(): item for item in named[:_MOST_NAMES]}
    given = str(name)[: _LONGEST_NAME + 1].lower()
    near = difflib.get_close_matches(given, by_lower, n=1, cutoff=_LEAST_RATIO)
    if not near and len(given) >= _LEAST_PART:
        near = sorted((item for item in by_lower if given in item), key=len)[:1]
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
