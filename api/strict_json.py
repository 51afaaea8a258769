"""Strict JSON: no duplicate keys, and no depth that breaks a reader.

Used for the bodies of requests and for the parameters within them. The value of parameters is not
kept: the stores keep their text, also where they come as a value (``load_body_with_params``).
"""

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

MAX_BODY_DEPTH = 20
"""The depth of a body. The parameters are a text in it, with a limit of their own."""

MAX_CONTAINERS = 250_000
"""The most lists and objects in parameters: each takes a hundred bytes or more, even empty."""

MAX_BODY_VALUES = 10_000
"""The most values in a body: each takes up to a hundred times its text. Parameters are one."""

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _up_to(others: str) -> re.Pattern[str]:
    """Return the pattern of strings, and of what else comes before what is looked for.

    It skips any number of strings in one call, in linear time: a body may have millions.
    """
    return re.compile(rf"(?:{others}|{_STRING})*+", re.DOTALL)


_UP_TO_VALUE = _up_to(r'[^",\[{]++|[\[{](?=\s*+[\]}])')
"""What precedes the next value but the first: it begins at a comma or a bracket with content."""

_UP_TO_CONTAINER = _up_to(r'[^"\[{]++')

_UP_TO_BRACKET = _up_to(r'[^"\[\]{}]++')

_BRACKET = re.compile(r'["\[\]{}]')

_VALUE_OF_KEY = re.compile(r"\s*:\s*[\[{]")


class JSONText(str):
    """The text of a value within a body, as it was sent; not known to be valid JSON."""

    __slots__ = ()


class StrictJSONError(ValueError):
    """The text is not JSON that this server takes; the message has the reason, and any limit."""

    kind = "json_invalid"
    """The ``type`` of the error, as pydantic names such types."""


class NotAnObject(StrictJSONError):
    """The text is JSON, but not of an object."""

    kind = "dict_type"


def load_strict(text: str, max_depth: int) -> Any:
    """Parse a JSON text.

    Raises:
        StrictJSONError: it is not JSON, has a key twice in one object, or nests too deeply.
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


def load_body(text: bytes) -> Any:
    """Parse a body, or a form's part.

    Raises:
        StrictJSONError: as ``load_strict``; or it has too many values.
    """
    return _load_limited(_decode(text))


def load_body_with_params(text: bytes) -> Any:
    """Parse a body that has its ``params`` as a value, not as a text: they become their text.

    So they are kept verbatim, and their values are not made: their limits are others'.

    Raises:
        StrictJSONError: as ``load_body``; or there are too many lists and objects.
    """
    decoded = _decode(text)
    limit_containers(decoded, MAX_CONTAINERS)
    place = _find_value(decoded, '"params"')
    if place is None:
        return _load_limited(decoded)
    begin, end = place
    body = _load_limited(f"{decoded[:begin]}null{decoded[end:]}")
    return {**body, "params": JSONText(decoded[begin:end])}


def load_object(text: str, max_depth: int) -> dict[str, Any]:
    """Parse the JSON text of an object.

    Raises:
        StrictJSONError: as ``load_strict``, or it is no object.
    """
    value = load_strict(text, max_depth)
    if not isinstance(value, dict):
        raise NotAnObject("the JSON text of an object is needed")
    return value


def limit_values(text: str, most: int) -> None:
    """See that a text has at most so many values, before it is parsed.

    Raises:
        StrictJSONError: it has more, or a broken string.
    """
    # The whole is a value that no comma or bracket begins.
    if sum(map(text.count, ",[{")) >= most and _exceeds(text, _UP_TO_VALUE, most - 1):
        raise StrictJSONError(_too_many_values(most))


def limit_containers(text: str, most: int) -> None:
    """See that a text has at most so many lists and objects. Raises as ``limit_values``."""
    if sum(map(text.count, "[{")) > most and _exceeds(text, _UP_TO_CONTAINER, most):
        raise StrictJSONError(f"more than {most} lists and objects; at most so many are taken")


def _decode(text: bytes) -> str:
    try:
        return text.decode(json.detect_encoding(text), "surrogatepass")
    except UnicodeDecodeError as error:
        raise StrictJSONError(f"not valid JSON: {error}") from None


def _load_limited(text: str) -> Any:
    limit_values(text, MAX_BODY_VALUES)
    return load_strict(text, MAX_BODY_DEPTH)


def _find_value(text: str, key: str) -> tuple[int, int] | None:
    """Return the place of the list or object that an object has under a key, as it is written.

    Whether all of the text is JSON, who parses it sees: here brackets and strings are matched.
    """
    depth, begin = 0, -1
    for opening, at, end in _structure(text):
        if opening == '"':
            follows = _VALUE_OF_KEY.match(text, end)
            if depth == 1 and begin < 0 and follows and text[at:end] == key:
                begin = follows.end() - 1
        elif opening in "[{":
            depth += 1
        else:
            depth -= 1
            if depth == 1 and 0 <= begin < at:
                return begin, end
    return None


def _structure(text: str) -> Iterator[tuple[str, int, int]]:
    """Return each bracket, and each string of the outermost object: its begin, and its end."""
    place = depth = strings = 0
    while token := _BRACKET.search(text, place):
        if token[0] == '"':
            strings += 1
            if strings > 2 * MAX_BODY_VALUES:
                raise StrictJSONError(_too_many_values(MAX_BODY_VALUES))
            place = _skip_string(text, token.end())
        else:
            depth += 1 if token[0] in "[{" else -1
            place = token.end()
        yield token[0], token.start(), place
        if depth < 1:
            return
        if depth > 1:
            place = _skip(_UP_TO_BRACKET, text, place)


def _exceeds(text: str, up_to_next: re.Pattern[str], most: int) -> bool:
    """Return whether there are more than so many of what the pattern leads to."""
    found, place = 0, _skip(up_to_next, text, 0)
    while found <= most and place < len(text):
        found += 1
        place = _skip(up_to_next, text, place + 1)
    return found > most


def _skip(up_to_next: re.Pattern[str], text: str, place: int) -> int:
    """Return the place to which the pattern leads; a string that does not end is an error there."""
    found = up_to_next.match(text, place)
    assert found, "it matches nothing, too"
    if text.startswith('"', found.end()):
        _skip_string(text, found.end() + 1)
    return found.end()


def _skip_string(text: str, begin: int) -> int:
    try:
        return int(scanstring(text, begin, True)[1])
    except ValueError as error:
        raise StrictJSONError(f"not valid JSON: {error}") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # None is false
        raise StrictJSONError(f"the key {twice[:100]!r} appears twice")
    return value


def _is_within(value: Any, max_depth: int) -> bool:
    """Return whether lists and objects nest at most so deep: by levels, without recursion."""
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


def _too_many_values(most: int) -> str:
    return f"more than {most} values; what is in texts is not counted"
