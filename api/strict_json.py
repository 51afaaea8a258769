"""JSON as strictly as this server takes it: no duplicate keys, and no depth that breaks a reader.

Used for the bodies of requests and for the parameters within them. Nothing of the value is kept:
what is stored is the text.
"""

import asyncio
import json
from typing import Any

_QUICK_BYTES = 1 << 16


class StrictJSONError(ValueError):
    """The text is not JSON that this server takes; says why, and the limit where there is one."""


async def check_json(text: str | bytes, max_depth: int) -> Any:
    """``load_strict``, for a large text in a thread: the server goes on meanwhile."""
    if len(text) <= _QUICK_BYTES:
        return load_strict(text, max_depth)
    return await asyncio.to_thread(load_strict, text, max_depth)


def load_strict(text: str | bytes, max_depth: int) -> Any:
    """The value that the text says.

    Raises:
        StrictJSONError: not JSON, not UTF-8, a key twice in one object, or nested too deeply.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise StrictJSONError(_too_deep(max_depth)) from None
    except ValueError as error:
        raise StrictJSONError(f"not valid JSON: {error}") from None
    if not _is_within(value, max_depth):
        raise StrictJSONError(_too_deep(max_depth))
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise StrictJSONError(f"the key {twice[:100]!r} is there twice")
    return value


def _is_within(value: Any, max_depth: int) -> bool:
    """Whether lists and objects nest at most so deep: level by level, without recursion."""
    level: list[Any] = [[value]]
    for _ in range(max_depth + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
    return not level


def _too_deep(max_depth: int) -> str:
    return f"lists and objects nest deeper than {max_depth} levels"
