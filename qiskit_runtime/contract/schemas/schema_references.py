"""A JSON Schema with what its references lead to in their places: the library that checks is given
none, as what it would make of one is its own affair. Used by ``params_schema``.
"""

from dataclasses import dataclass
from typing import Any

MAX_SCHEMA_NODES = 20_000
"""The values of a schema, each as often as references lead to it."""

_NOT_FOLLOWED = ("$dynamicRef", "$recursiveRef")
_ONLY_REFERRED_TO = ("$defs", "definitions")


class SchemaInvalid(ValueError):
    """The schema can't be used; the text says why."""


def expand(schema: dict[str, Any], most: int = MAX_SCHEMA_NODES) -> dict[str, Any]:
    """The schema without references, of at most so many nodes.

    Raises:
        SchemaInvalid: a reference that is not ``#/...``, or that leads back to itself; or there
            are more nodes, or they nest too deeply.
    """
    kept = {key: inner for key, inner in schema.items() if key not in _ONLY_REFERRED_TO}
    try:
        expanded = _Expansion(schema, most).expand(kept, frozenset())
    except RecursionError:
        raise SchemaInvalid("it nests too deeply") from None
    return expanded if isinstance(expanded, dict) else {"allOf": [expanded]}


@dataclass(slots=True)
class _Expansion:
    """One expansion of a schema, and how many nodes it has come to."""

    schema: dict[str, Any]
    most: int
    nodes: int = 0

    def expand(self, node: Any, on_the_way: frozenset[str]) -> Any:
        if not isinstance(node, dict | list):
            return node
        # Scalars too: a reference to an object of many copies each of them.
        self.nodes += 1 + len(node)
        if self.nodes > self.most:
            raise SchemaInvalid(f"its nodes, references followed, are over {self.most}")
        if isinstance(node, list):
            return [self.expand(inner, on_the_way) for inner in node]
        if found := [key for key in _NOT_FOLLOWED if isinstance(node.get(key), str)]:
            raise SchemaInvalid(f"{found[0]} is not taken: use $ref, as '#/$defs/name'")
        if isinstance(reference := node.get("$ref"), str):
            return self._follow(node, reference, on_the_way)
        return {key: self.expand(inner, on_the_way) for key, inner in node.items()}

    def _follow(self, node: dict[str, Any], reference: str, on_the_way: frozenset[str]) -> Any:
        if reference in on_the_way:
            raise SchemaInvalid("it refers to itself in a circle")
        target = self.expand(_resolve(self.schema, reference), on_the_way | {reference})
        rest = {key: inner for key, inner in node.items() if key != "$ref"}
        return {"allOf": [target, self.expand(rest, on_the_way)]} if rest else target


def _resolve(schema: dict[str, Any], reference: str) -> Any:
    """What a reference leads to.

    Raises:
        SchemaInvalid: it leads out of the schema, or to nothing.
    """
    shown = f"$ref {reference[:100]!r}"
    path, _, pointer = reference.partition("#")
    if path or "%" in pointer or (pointer and not pointer.startswith("/")):
        raise SchemaInvalid(f"{shown}: only references within it are taken, as '#/$defs/name'")
    node: Any = schema
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise SchemaInvalid(f"{shown} leads to nothing") from None
    return node
