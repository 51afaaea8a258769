"""The versions of the circuits within parameters, which some clients send as plain numbers.

The official client's ``executor`` names the QPY version of its circuits (``qpy_version``), and the
version of each samplex (``ssv``). A client that is newer than this server's Qiskit is told so when
it submits, not by a job that fails. Nothing is decoded.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from qiskit_runtime.contract.limits import MAX_QPY_VERSION, MAX_SAMPLEX_VERSION

_NEWEST = {
    "qpy_version": (
        MAX_QPY_VERSION,
        "QPY version {found}; this server's Qiskit reads up to {most}",
    ),
    "ssv": (MAX_SAMPLEX_VERSION, "samplex version {found}; this server reads up to {most}"),
}
"""By the key of a version: the newest that can be read, and what is said of a newer one."""

_VERSION = re.compile(r'"(qpy_version|ssv)"\s*:\s*(\d{1,9})')

_OF_THE_USER = "passthrough_data"
"""The key of data that comes back as it was sent: what is in it describes no circuit."""

_AT_ONCE = 2**16
_MANY = 5


async def find_unreadable(params: str) -> list[str]:
    """Return what is too new to be read, each as a sentence that names the place; mostly nothing.

    ``params`` are the text of parameters that have passed their check.
    """
    # Few have such a key at all, and fewer a version that is too new: only those are parsed.
    found = _VERSION.finditer(params)
    if not any(int(version[2]) > _NEWEST[version[1]][0] for version in found):
        return []
    if len(params) <= _AT_ONCE:
        return _find(params)
    return await asyncio.to_thread(_find, params)


def _find(params: str) -> list[str]:
    try:
        return [text for text, _ in zip(_walk(json.loads(params), ""), range(_MANY), strict=False)]
    except (ValueError, RecursionError):
        # What can't be parsed, the program refuses.
        return []


def _walk(value: Any, place: str) -> Iterator[str]:
    """Return a sentence for each version that is too new, within a value at this place."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if key in _NEWEST and type(inner) is int and inner > _NEWEST[key][0]:
            most, sentence = _NEWEST[key]
            yield f"{place or 'params'}: {sentence.format(found=inner, most=most)}"
        elif isinstance(inner, dict | list) and key != _OF_THE_USER:
            step = f"[{key}]" if isinstance(key, int) else f".{key}"
            yield from _walk(inner, f"{place}{step}".lstrip("."))
