"""Which JSON Schemas are cheap to check whatever the parameters are. Pure; for API and operator.

A check holds the interpreter's lock and can't be stopped. So only what is on a short list is
checked where others wait: keywords whose cost is known to be at most the schema's size times the
parameters'. Nothing is estimated of the others (patterns, formats, ``uniqueItems``, ``multipleOf``,
``anyOf`` and the like).
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
    """Whether a check by this schema costs at most its size times that of the parameters.

    Such a check is asked for one error at most, as to tell them all may cost more.
    """
    return find_linear(schema) is not None


def find_linear(schema: dict[str, Any]) -> dict[str, Any] | None:
    """The schema with its references followed and without its annotations; None if not linear."""
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
    """The values of a schema."""
    if isinstance(schema, dict):
        return 1 + sum(map(count_nodes, schema.values()))
    return 1 + sum(map(count_nodes, schema)) if isinstance(schema, list) else 1


class _NotLinear(Exception):
    """A keyword's cost may not be linear."""


def _reduce(schema: Any) -> Any:
    """A schema without annotations."""
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
"""Keywords that nothing is checked by."""

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
"""What is checked, each with what returns its value without annotations."""
