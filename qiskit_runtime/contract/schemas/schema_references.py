"""The expansion of a JSON Schema: references are replaced by their targets.

The library that checks gets no references, so nothing depends on its reading of them. Used by
``params_schema``.
"""

from dataclasses import dataclass
from typing import Any

MAX_SCHEMA_NODES = 20_000
"""The most values of a schema, each counted as often as references lead to it."""

_NOT_FOLLOWED = ("$dynamicRef", "$recursiveRef")
_ONLY_REFERRED_TO = ("$defs", "definitions")


class SchemaInvalid(ValueError):
    """The schema can't be used; the text has the reason."""


def expand(schema: dict[str, Any], most: int = MAX_SCHEMA_NODES) -> dict[str, Any]:
    """Return the schema without references, of at most so many nodes.

    Raises:
        SchemaInvalid: a reference is not ``#/...``, or leads back to itself; or there are more
            nodes, or they nest too deeply.
    """
    kept = {key: inner for key, inner in schema.items() if key not in _ONLY_REFERRED_TO}
    try:
        expanded = _Expansion(schema, most).expand(kept, frozenset())
    except RecursionError:
        raise SchemaInvalid("it nests too deeply") from None
    return expanded if isinstance(expanded, dict) else {"allOf": [expanded]}


@dataclass(slots=True)
class _Expansion:
    """An expansion of a schema, with the number of its nodes so far."""

    schema: dict[str, Any]
    most: int
    nodes: int = 0

    def expand(self, node: Any, on_the_way: frozenset[str]) -> Any:
        if not isinstance(node, dict | list):
            return node
        # Scalars count too: a reference to an object with many of them copies each.
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
    """Return the target of a reference.

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
