"""Which JSON Schemas are cheap to check whatever the parameters are. Pure; for API and operator.

A check holds the interpreter's lock and can't be stopped. So only what is on a short list is
checked where others wait: keywords whose cost is known to be at most the schema's size times the
parameters'. Nothing is estimated of the others (patterns, formats, ``uniqueItems``, ``multipleOf``,
``anyOf`` and the like).
"""

from collections.abc import Callable, Mapping
from typing import Any

from qiskit_runtime.schema_references import SchemaInvalid, expand

MAX_LINEAR_NODES = 1000
"""The values of such a schema, references followed."""

_MAX_NUMBER = 2**53
"""Larger numbers are compared digit by digit."""

_DRAFTS = frozenset(
    [f"https://json-schema.org/draft/{draft}/schema" for draft in ("2019-09", "2020-12")]
    + [f"http://json-schema.org/draft-{draft}/schema" for draft in ("04", "06", "07")]
)


def is_linear(schema: dict[str, Any]) -> bool:
    """Whether a check by this schema costs at most its size times that of the parameters."""
    return find_linear(schema) is not None


def find_linear(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with its references followed and without its annotations; None if not linear."""
    if str(schema.get("$schema", next(iter(_DRAFTS)))).removesuffix("#") not in _DRAFTS:
        return None
    try:
        found = _reduce(expand(schema, MAX_LINEAR_NODES))
    except (SchemaInvalid, RecursionError):
        return None
    if isinstance(found, dict) and "$schema" in schema:
        return {"$schema": schema["$schema"], **found}
    return found if isinstance(found, dict) else None


def count_nodes(schema: Any) -> int:
    """The values of a schema."""
    if isinstance(schema, dict):
        return 1 + sum(map(count_nodes, schema.values()))
    return 1 + sum(map(count_nodes, schema)) if isinstance(schema, list) else 1


_Reduce = Callable[[Any], Any]
"""Returns a keyword's value without annotations; None where its cost may not be linear."""


def _reduce(schema: Any) -> Any:
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        return None
    reduced = {}
    for keyword, value in schema.items():
        if keyword in _ANNOTATIONS:
            continue
        reduce = _KEYWORDS.get(keyword)
        if reduce is None or (kept := reduce(value)) is None:
            return None
        reduced[keyword] = kept
    return reduced


def _reduce_each(schemas: Any) -> Any:
    if not isinstance(schemas, dict):
        return None
    reduced = {name: _reduce(schema) for name, schema in schemas.items()}
    return None if None in reduced.values() else reduced


def _reduce_all(schemas: Any) -> Any:
    if not isinstance(schemas, list):
        return None
    reduced = [_reduce(schema) for schema in schemas]
    return None if None in reduced else reduced


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and abs(value) <= _MAX_NUMBER else None


def _scalar(value: Any) -> Any:
    return value if isinstance(value, str | bool) else _number(value)


def _list_of(check: _Reduce) -> _Reduce:
    def reduce(values: Any) -> Any:
        good = isinstance(values, list) and all(check(one) is not None for one in values)
        return values if good else None

    return reduce


def _name_or_names(value: Any) -> Any:
    return value if isinstance(value, str) else _list_of(_scalar)(value)


_ANNOTATIONS = frozenset(
    {
        *("$schema", "$comment", "title", "description", "default", "example", "examples"),
        *("deprecated", "readOnly", "writeOnly"),
    }
)
"""Keywords that nothing is checked by."""

_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SIZES = ("Length", "Items", "Properties")

_KEYWORDS: Mapping[str, _Reduce] = {
    "type": _name_or_names,
    "enum": _list_of(_scalar),
    "const": _scalar,
    "properties": _reduce_each,
    "required": _list_of(_scalar),
    "additionalProperties": _reduce,
    "items": _reduce,
    "allOf": _reduce_all,
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys([bound + size for bound in ("min", "max") for size in _SIZES], _number),
}
