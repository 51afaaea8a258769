"""The name that somebody meant, where the one that they gave is not known.

Used wherever a name is refused: by the programs, and by the API for what a JSON Schema does not
know. Standard library only.
"""

import difflib
from collections.abc import Iterable

_LEAST_RATIO = 0.6
"""Of what two names have in common: below it, a name would only mislead."""


def suggest(name: object, known: Iterable[object]) -> str:
    """Return ``; did you mean 'shots'?``, or nothing where no known name is near."""
    by_lower = {item.lower(): item for item in known if isinstance(item, str)}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=_LEAST_RATIO)
    return f"; did you mean {by_lower[near[0]]!r}?" if near else ""
