"""A job's parameters against the JSON Schema of its program: what does not match is never queued.

Used by the API (``api.params_check``). Parameters are plain JSON here; what they encode is decoded
in the program process alone. Whoever uploads a program writes its schema, so it is taken for
hostile: a pattern takes linear time, no reference leaves the schema or leads back to itself, and
what a check may cost is known before it begins. A check holds the interpreter's lock.

As a program (``python -m qiskit_runtime.params_schema``) it checks what is too much to wait for: it
reads the schema as a line of JSON, then the parameters, and writes their errors as JSON.
"""

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

from qiskit_runtime.contract.handover import SEED_PARAMETER
from qiskit_runtime.nearest import suggest

Place = tuple[str | int, ...]

MAX_SCHEMA_BYTES = 64 * 1024
"""A schema as JSON text."""

MAX_SCHEMA_NODES = 5000
"""The objects and lists of a schema, each as often as references lead to it."""

QUICK_COST = 2_000_000
"""Up to this (``count_cost``) a check takes a tenth of a second at the very worst."""

MAX_PATTERNS = 100
"""The patterns of a schema: each takes up to a tenth of a megabyte."""

MAX_MESSAGE_CHARACTERS = 300
"""An error repeats the value that is wrong: at most its beginning."""

CPU_SECONDS = 10
"""After how long a check in a process of its own is given up."""

_FEW_BYTES = 1 << 16
_MANY = 5
"""How many errors of small parameters are told; of large ones the first."""

_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 16)
_PATTERN_HINT = (
    " that takes linear time and little room (no look-around, back-reference or long repeat)"
)
_NAMING = (
    jsonschema_rs.ValidationErrorKind.AdditionalProperties,
    jsonschema_rs.ValidationErrorKind.PropertyNames,
    jsonschema_rs.ValidationErrorKind.Enum,
)
"""Errors of a name that is not among the known ones."""

_NOT_FOLLOWED = ("$dynamicRef", "$recursiveRef")


class SchemaInvalid(ValueError):
    """The schema can't be used; the text says why."""


@dataclass(frozen=True, slots=True)
class ParamsError:
    """What is wrong, and where: the keys and positions that lead there."""

    place: Place
    message: str

    def __str__(self) -> str:
        """As people read it: ``params.optimizer.maxiter: -3 is less than the minimum of 1``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return f"params{_shorten(''.join(steps))}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Checker:
    """A compiled schema, and how many nodes it has."""

    validator: jsonschema_rs.Validator
    schema: dict[str, Any]
    """As it was compiled: no reference is left in it."""
    nodes: int


def check_schema(schema: dict[str, Any]) -> None:
    """See that a schema can be used.

    Raises:
        SchemaInvalid: it is not valid, refers to what is not in it or to itself, has a pattern
            that takes more than linear time, or is too large.
    """
    _compile(_write(schema))


def count_cost(schema: dict[str, Any], size: int) -> int:
    """How much a check of so many bytes of parameters may cost: nodes of the schema times bytes.

    At the very worst 50 ns each.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    return _compile(_write(schema)).nodes * size


def validate(schema: dict[str, Any], params: Any, size: int) -> list[ParamsError]:
    """The first errors of parameters; ``size`` is that of their JSON text.

    A seed, which the runner takes for any program, need not be in the schema.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    checker = _compile(_write(schema))
    validator, params = checker.validator, _without_seed(schema, params)
    try:
        # To find all errors of a long list takes long, and one is enough.
        if size > _FEW_BYTES:
            validator.validate(params)
            return []
        errors = list(islice(validator.iter_errors(params), _MANY))
    except jsonschema_rs.ValidationError as error:
        errors = [error]
    except UnicodeEncodeError:
        return [ParamsError((), "they have half a character, which is no Unicode text")]
    # One hint is enough too, and is all that a hostile schema gets.
    hinted = next((error for error in errors if isinstance(error.kind, _NAMING)), None)
    return [
        _read(error, _hint(checker.schema, error) if error is hinted else "") for error in errors
    ]


def _without_seed(schema: dict[str, Any], params: Any) -> Any:
    """Parameters but for a seed that the schema does not name."""
    if not isinstance(params, dict) or type(params.get(SEED_PARAMETER)) is not int:
        return params
    properties = schema.get("properties")
    if isinstance(properties, dict) and SEED_PARAMETER in properties:
        return params
    return {name: value for name, value in params.items() if name != SEED_PARAMETER}


def main() -> None:
    """Check what comes on standard input, and end after ``CPU_SECONDS`` at the latest."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    schema, _, text = sys.stdin.buffer.read().partition(b"\n")
    errors = validate(json.loads(schema), json.loads(text), len(text))
    json.dump([(error.place, error.message) for error in errors], sys.stdout)


def _write(schema: dict[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)


@lru_cache(maxsize=32)
def _compile(text: str) -> _Checker:
    if len(text) > MAX_SCHEMA_BYTES:
        raise SchemaInvalid(
            f"it is {len(text)} bytes of JSON; at most {MAX_SCHEMA_BYTES} are taken"
        )
    schema = json.loads(text)
    if text.count('"pattern') > MAX_PATTERNS:
        raise SchemaInvalid(f"it has more than {MAX_PATTERNS} patterns")
    try:
        expanded, nodes = _expand(schema)
        validator = jsonschema_rs.validator_for(expanded, pattern_options=_PATTERNS, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        hint = _PATTERN_HINT if error.message.endswith('is not a "regex"') else ""
        raise SchemaInvalid(_shorten(_place_of(error) + error.message) + hint) from None
    except RecursionError:
        raise SchemaInvalid("it nests too deeply") from None
    except ValueError as error:
        raise SchemaInvalid(_shorten(str(error))) from None
    return _Checker(validator, expanded, nodes)


def _expand(schema: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The schema with what its references lead to in their places, and its number of nodes.

    The library that checks is given no reference: what it would make of one is its own affair.

    Raises:
        SchemaInvalid: a reference that is not ``#/...``, or that leads back to itself.
    """
    nodes = 0

    def expand(node: Any, on_the_way: frozenset[str]) -> Any:
        nonlocal nodes
        if not isinstance(node, dict | list):
            return node
        nodes += 1
        if nodes > MAX_SCHEMA_NODES:
            raise SchemaInvalid(f"its nodes, references followed, are over {MAX_SCHEMA_NODES}")
        if isinstance(node, list):
            return [expand(inner, on_the_way) for inner in node]
        if found := [key for key in _NOT_FOLLOWED if isinstance(node.get(key), str)]:
            raise SchemaInvalid(f"{found[0]} is not taken: use $ref, as '#/$defs/name'")
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {key: expand(inner, on_the_way) for key, inner in node.items()}
        if reference in on_the_way:
            raise SchemaInvalid("it refers to itself in a circle")
        target = expand(_resolve(schema, reference), on_the_way | {reference})
        beside = {key: expand(inner, on_the_way) for key, inner in node.items() if key != "$ref"}
        return {"allOf": [target, beside]} if beside else target

    kept = {key: inner for key, inner in schema.items() if key not in ("$defs", "definitions")}
    expanded = expand(kept, frozenset())
    return (expanded if isinstance(expanded, dict) else {"allOf": [expanded]}), nodes


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


def _read(error: jsonschema_rs.ValidationError, hint: str) -> ParamsError:
    steps = (step if isinstance(step, int) else step[:100] for step in error.instance_path)
    return ParamsError(tuple(steps), _shorten(error.message) + hint)


def _hint(schema: dict[str, Any], error: jsonschema_rs.ValidationError) -> str:
    """The name that was meant, where one is near that the schema knows."""
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=[name, *_]):
            return suggest(name, _known_properties(schema, error.schema_path[:-1]))
        case jsonschema_rs.ValidationErrorKind.PropertyNames(error=inner):
            return _hint(schema, inner)
        case jsonschema_rs.ValidationErrorKind.Enum(options=known):
            return suggest(error.instance, known) if isinstance(error.instance, str) else ""
    return ""


def _known_properties(schema: Any, path: Sequence[str | int]) -> list[str]:
    """The names that the object at a place in the schema may have."""
    for step in path:
        # A key that is a number is told as one: of the key 01 nothing leads back to it.
        schema = schema[int(step)] if isinstance(schema, list) else schema.get(str(step), {})
    return list(schema.get("properties", ()))


def _place_of(error: Exception) -> str:
    """Where in a schema its flaw is."""
    steps: Sequence[str | int] = getattr(error, "instance_path", ())
    return f"{'.'.join(map(str, steps))}: " if steps else ""


def _shorten(text: str) -> str:
    """The text's beginning and end: the end of an error says what was wanted."""
    if len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    return f"{text[:100]} [...] {text[-150:]}"


if __name__ == "__main__":
    main()
