"""JSON Schemas that are cheap to check for any parameters. Pure; for API and operator.

A check holds the interpreter's lock and can't be stopped. So while other requests wait, only the
keywords of a short list are checked: their cost is at most the schema's size times the parameters'.
All others count as costly (patterns, formats, ``uniqueItems``, ``multipleOf``, ``anyOf`` and more).
"""

from collections.abc import Callable, Mapping
from typing import Any

from qiskit_runtime.contract.schemas.schema_references import SchemaInvalid, expand

MAX_LINEAR_NODES = 1000
"""The values of such a schema, references followed."""

_MAX_NUMBER = 2**64
"""Larger numbers are compared digit by digit."""

_DRAFTS = frozenset(
    [f"https://json-schema.org/draft/{draft}/schema" for draft in ("2019-09", "2020-12")]
    + [f"http://json-schema.org/draft-{draft}/schema" for draft in ("04", "06", "07")]
)


def is_linear(schema: dict[str, Any]) -> bool:
    """Return whether a check by this schema costs at most its size times that of the parameters.

    Such a check looks for one error at most, as a list of all may cost more.
    """
    return find_linear(schema) is not None


def find_linear(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema, references followed, without annotations; None if it is not linear."""
    try:
        found = {"allOf": [_reduce(expand(schema, MAX_LINEAR_NODES))]}
    except (SchemaInvalid, RecursionError, _NotLinear):
        return None
    if "$schema" not in schema:
        return found
    draft = schema["$schema"]
    is_known = isinstance(draft, str) and draft.removesuffix("#") in _DRAFTS
    return {"$schema": draft, **found} if is_known else None


def count_nodes(schema: Any) -> int:
    """Count the values of a schema."""
    if isinstance(schema, dict):
        return 1 + sum(map(count_nodes, schema.values()))
    return 1 + sum(map(count_nodes, schema)) if isinstance(schema, list) else 1


class _NotLinear(Exception):
    """A keyword's cost may not be linear."""


def _reduce(schema: Any) -> Any:
    """Return a schema without annotations."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict) or not schema.keys() <= _KEYWORDS.keys() | _ANNOTATIONS:
        raise _NotLinear
    return {key: _KEYWORDS[key](value) for key, value in schema.items() if key in _KEYWORDS}


def _reduce_each(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        raise _NotLinear
    return {name: _reduce(schema) for name, schema in schemas.items()}


def _list_of(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def reduce(values: Any) -> Any:
        if not isinstance(values, list):
            raise _NotLinear
        return [check(value) for value in values]

    return reduce


def _scalar(value: Any) -> Any:
    is_number = isinstance(value, int | float)
    if isinstance(value, str | None) or (is_number and abs(value) <= _MAX_NUMBER):
        return value
    raise _NotLinear


def _name_or_names(value: Any) -> Any:
    return value if isinstance(value, str) else _list_of(_scalar)(value)


_ANNOTATIONS = frozenset(
    {
        *("$schema", "$comment", "title", "description", "default", "example", "examples"),
        *("deprecated", "readOnly", "writeOnly"),
    }
)
"""Keywords that check nothing."""

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SIZES = ("Length", "Items", "Properties")

_KEYWORDS: Mapping[str, Callable[[Any], Any]] = {
    "type": _name_or_names,
    "enum": _list_of(_scalar),
    "const": _scalar,
    "properties": _reduce_each,
    "required": _list_of(_scalar),
    "additionalProperties": _reduce,
    "propertyNames": _reduce,
    "items": _reduce,
    "allOf": _list_of(_reduce),
    **dict.fromkeys(_NUMBERS, _scalar),
    **dict.fromkeys([bound + size for bound in ("min", "max") for size in _SIZES], _scalar),
}
"""The keywords that check, each with the function that removes annotations from its value."""
