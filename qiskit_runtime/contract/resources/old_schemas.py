"""The translation of what metadata of 2021 calls a schema into JSON Schema. Pure.

Its authors wrote type names of Python or of prose (``int``, ``Bool``, ``dictionary``), which
JSON Schema refuses, lists of ``{name, type, required}``, and ``"required": true`` at a property.
The API, the command line and the catalog translate a program's ``spec`` by ``translate``.
"""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

Schema = dict[str, Any]

MAX_WARNINGS = 20
"""The translations of one schema that have a warning each; another counts the rest."""

_MEANINGS = {
    "integer": ("int", "integer", "long", "int32", "int64"),
    "number": ("float", "double", "real", "number", "numeric", "decimal", "float64"),
    "string": ("str", "string", "text"),
    "boolean": ("bool", "boolean"),
    "object": ("dict", "dictionary", "object", "map", "mapping"),
    "array": ("list", "array", "tuple", "sequence"),
    "null": ("none", "nonetype", "null"),
}
"""JSON's types, and the names that plainly mean each of them, in small letters. ``ndarray``,
``set`` and ``complex`` are not among them: such values travel as encoded objects."""

_JSON_TYPE = {name: kind for kind, names in _MEANINGS.items() for name in names}

_EITHER = re.compile(r"\s*(?:\||/|,|\bor\b)\s*")
"""The separators in a list of alternative types."""

_ELEMENTS = re.compile(r"\[.*\]\Z|\(.*\)\Z|\sof\s.*\Z", re.DOTALL)
"""The description of a container's elements: ``list[int]``, ``List of floats``."""

_INNERMOST = re.compile(r"\[[^\[\]]*\]")
_WRAPPED = re.compile(r"(?:typing\.)?(optional|union)\[(.*)\]", re.DOTALL)
"""``Optional[int]`` and ``Union[int, str]``, in small letters."""

_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords that hold schemas by name: a property may be called ``type``."""

_DATA = ("enum", "const", "default", "examples", "example")
"""Keywords that hold values, and no schemas."""


@dataclass
class _Translation:
    """The translation of one schema; ``warnings`` lists its changes for the author."""

    warnings: list[str] = field(default_factory=list)

    def schema(self, schema: Schema, place: str) -> Schema:
        """Return a schema with JSON's type names, and lists of required properties."""
        made = {key: self._keyword(key, value, place) for key, value in schema.items()}
        if "type" in schema:
            made |= self._type(made.pop("type"), f"{place}.type")
        return self._require(made, place)

    def _keyword(self, key: str, value: Any, place: str) -> Any:
        if key in _DATA:
            return value
        if key in _BY_NAME and isinstance(value, dict):
            inner = f"{place}.{key}"
            return {name: self._inner(one, f"{inner}.{name}") for name, one in value.items()}
        return self._inner(value, f"{place}.{key}")

    def _inner(self, value: Any, place: str) -> Any:
        if isinstance(value, list):
            return [self._inner(one, f"{place}[{at}]") for at, one in enumerate(value)]
        return self.schema(value, place) if isinstance(value, dict) else value

    def _type(self, named: Any, place: str) -> Schema:
        """Return the keyword ``type`` translated, or nothing if JSON has no such type.

        A misspelt name of JSON's stays: the check of schemas refuses it.
        """
        names = named if isinstance(named, list) else [named]
        if not names or not all(isinstance(name, str) for name in names):
            return {"type": named}
        if all(name in _MEANINGS for name in names):
            return {"type": named}
        kinds = [kind for name in names for kind in _read_type(name)]
        shown = repr(named)[:100]
        if any(_is_misspelt(name) for name in names):
            return {"type": named}
        if None in kinds:
            self.warnings.append(f"{place}: {shown} is no type of JSON, so any value is taken")
            return {}
        distinct = list(dict.fromkeys(kinds))
        kind = distinct[0] if len(distinct) == 1 else distinct
        self.warnings.append(f"{place}: {shown} is read as {kind!r}")
        return {"type": kind}

    def _require(self, schema: Schema, place: str) -> Schema:
        """Move ``"required": true`` of a property into the list of its object."""
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return schema
        marked = {
            name: one["required"]
            for name, one in properties.items()
            if isinstance(one, dict) and isinstance(one.get("required"), bool)
        }
        if not marked or not isinstance(schema.get("required", []), list):
            return schema
        self.warnings += [
            f"{place}.properties.{name}.required: moved into {place}.required" for name in marked
        ]
        names = [*schema.get("required", []), *(name for name in marked if marked[name])]
        plain = {
            name: {key: value for key, value in one.items() if key != "required"}
            if name in marked
            else one
            for name, one in properties.items()
        }
        return schema | {"properties": plain, "required": list(dict.fromkeys(names))}


def translate(schema: Schema, place: str) -> tuple[Schema, list[str]]:
    """Return a schema as JSON Schema has it, and a warning for each thing that was changed.

    ``place`` is where the schema stands, for the warnings: at most ``MAX_WARNINGS``, and a last one
    that counts the rest. A schema that needs no change is returned unchanged, and so is one that
    nests too deeply, which the check of schemas refuses.
    """
    translation = _Translation()
    try:
        made = translation.schema(schema, place)
    except RecursionError:
        return schema, []
    warnings = translation.warnings[:MAX_WARNINGS]
    if len(translation.warnings) > MAX_WARNINGS:
        warnings.append(f"{place}: and {len(translation.warnings) - MAX_WARNINGS} more like these")
    return (made if warnings else schema), warnings


def list_to_schema(described: list[Any]) -> Schema:
    """Return the JSON Schema of a list of ``{name, description, type, required}``."""
    named = [entry for entry in described if isinstance(entry, dict) and "name" in entry]
    return {
        "type": "object",
        "properties": {
            str(entry["name"]): {key: entry[key] for key in ("description", "type") if key in entry}
            for entry in named
        },
        "required": [str(entry["name"]) for entry in named if entry.get("required")],
    }


def _read_type(name: str) -> list[str | None]:
    """Return JSON's types of a name such as ``Bool`` or ``int or None``; None: unknown."""
    plain = name.strip().lower()
    if wrapped := _WRAPPED.fullmatch(plain):
        # The elements' types don't matter here, and have commas of their own.
        inner = _INNERMOST.sub("", wrapped[2])
        return _read_type(inner) + (["null"] if wrapped[1] == "optional" else [])
    plain = _ELEMENTS.sub("", plain)
    return [_JSON_TYPE.get(part.removesuffix("s")) for part in _EITHER.split(plain)]


def _is_misspelt(name: str) -> bool:
    """Return whether an unknown name is nearly one of JSON's, as ``objet``."""
    plain = name.strip().lower()
    return None in _read_type(plain) and bool(get_close_matches(plain[:32], _MEANINGS, 1, 0.85))
