"""The name that somebody meant, where the one that they gave is not known.

Used wherever a name is refused: by the programs, and by the API for what a JSON Schema does not
know. Standard library only.
"""

import difflib
from collections.abc import Iterable

_LEAST_RATIO = 0.6
"""Of what two names have in common: below it, a name would only mislead."""


_LEAST_PART = 4
"""Letters of a name that is taken for a part of another one: ``seed`` of ``seed_simulator``."""

_MOST_NAMES = 100
_LONGEST_NAME = 64
"""The names may be a stranger's: to compare as many of this length takes 30 ms at the worst."""


def suggest(name: object, known: Iterable[object]) -> str:
    """Return ``; did you mean 'shots'?``, or nothing where no known name is near."""
    named = [item for item in known if isinstance(item, str) and len(item) <= _LONGEST_NAME]
    by_lower = {item.lower(): item for item in named[:_MOST_NAMES]}
    given = str(name)[: _LONGEST_NAME + 1].lower()
    near = difflib.get_close_matches(given, by_lower, n=1, cutoff=_LEAST_RATIO)
    if not near and len(given) >= _LEAST_PART:
        near = sorted((item for item in by_lower if given in item), key=len)[:1]
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
