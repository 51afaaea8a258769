"""A job's parameters against the JSON Schema of its program: what does not match is never queued.

Used by the API (``api.params_check``) and the operator. Parameters are plain JSON here; what they
encode is decoded in the program process alone. Whoever uploads a program writes its schema, so it
is taken for hostile: a pattern takes linear time, and no reference leaves the schema or leads back
to itself. A check holds the interpreter's lock and can't be stopped: where others wait, only what
``is_quick`` is checked, and only yes or no is asked; all else is for a process that has limits.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.contract.schemas.linear_schema import count_nodes, find_linear, is_linear
from qiskit_runtime.contract.schemas.schema_references import SchemaInvalid, expand
from qiskit_runtime.contract.wire.job_input import SEED_PARAMETER

__all__ = [
    "ParamsError",
    "SchemaInvalid",
    "check_schema",
    "find_errors",
    "find_first_error",
    "is_linear",
    "is_quick",
    "matches",
]

Place = tuple[str | int, ...]

MAX_SCHEMA_BYTES = 64 * 1024
"""A schema as JSON text."""

MAX_PATTERNS = 100
"""The patterns of a schema: each takes up to a tenth of a megabyte."""

MAX_MESSAGE_CHARACTERS = 300
"""An error repeats the value that is wrong: at most its beginning."""

QUICK_BYTES = 64 * 1024
"""Parameters that may be checked where others wait."""

_QUICK_COST = 2_000_000
"""A linear schema's nodes times bytes of parameters: at most 10 ns each, of the worst kinds."""

_MANY = 5
"""How many errors are told."""

_LONG_NUMBER = re.compile(r"(?<!\d)\d{300}")
"""No machine number: its arithmetic takes as long as it has digits, squared."""

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
    _compile(schema)


def is_quick(schema: dict[str, Any], text: str) -> bool:
    """Whether ``matches`` takes a few milliseconds at most, whatever the parameters' text says.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    if len(text) > QUICK_BYTES or _LONG_NUMBER.search(text):
        return False
    checker = _compile_linear(_write(schema))
    return checker is not None and checker.nodes * len(text) <= _QUICK_COST


def matches(schema: dict[str, Any], params: Any) -> bool:
    """Whether parameters match a linear schema.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    checker = _compile_linear(_write(schema))
    assert checker is not None, "is_quick was asked"
    try:
        return checker.validator.is_valid(_without_seed(schema, params))
    except UnicodeEncodeError:
        return False


def find_first_error(schema: dict[str, Any], params: Any) -> list[ParamsError]:
    """The first error of parameters by a linear schema, in a list; an empty one without errors.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    checker = _compile_linear(_write(schema))
    assert checker is not None, "is_quick was asked"
    return _find_first(checker, _without_seed(schema, params))


def find_errors(schema: dict[str, Any], params: Any) -> Iterator[list[ParamsError]]:
    """The errors of parameters, told better and better: that there are any, the first, some.

    To tell errors may take a thousand times as long as to know of them, and any amount of memory.
    So this is for a process with limits: where one is met, the newest answer holds. The first is
    empty where there are none.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    checker = _compile(schema)
    validator, params = checker.validator, _without_seed(schema, params)
    try:
        if validator.is_valid(params):
            yield []
            return
    except UnicodeEncodeError:
        yield _find_first(checker, params)
        return
    yield [ParamsError((), "they do not match the program's JSON Schema")]
    yield _find_first(checker, params)
    yield _read_all(checker, list(islice(validator.iter_errors(params), _MANY)))


def _find_first(checker: _Checker, params: Any) -> list[ParamsError]:
    try:
        checker.validator.validate(params)
    except jsonschema_rs.ValidationError as error:
        return _read_all(checker, [error])
    except UnicodeEncodeError:
        return [ParamsError((), "they have half a character, which is no Unicode text")]
    return []


def _read_all(
    checker: _Checker, errors: Sequence[jsonschema_rs.ValidationError]
) -> list[ParamsError]:
    # One hint is enough, and is all that a hostile schema gets.
    hinted = next((error for error in errors if isinstance(error.kind, _NAMING)), None)
    return [
        _read(error, _hint(checker.schema, error) if error is hinted else "") for error in errors
    ]


def _without_seed(schema: dict[str, Any], params: Any) -> Any:
    """Parameters but for a seed, which the runner takes for any program, if the schema has none."""
    if not isinstance(params, dict) or type(params.get(SEED_PARAMETER)) is not int:
        return params
    properties = schema.get("properties")
    if isinstance(properties, dict) and SEED_PARAMETER in properties:
        return params
    return {name: value for name, value in params.items() if name != SEED_PARAMETER}


def _write(schema: dict[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)


@lru_cache(maxsize=32)
def _compile_linear(text: str) -> _Checker | None:
    """The checker of a linear schema; None where it is not linear."""
    schema = find_linear(json.loads(text))
    if schema is None:
        return None
    return _make_checker(schema)


def _compile(schema: dict[str, Any]) -> _Checker:
    text = _write(schema)
    if len(text) > MAX_SCHEMA_BYTES:
        raise SchemaInvalid(
            f"it is {len(text)} bytes of JSON; at most {MAX_SCHEMA_BYTES} are taken"
        )
    if text.count('"pattern') > MAX_PATTERNS:
        raise SchemaInvalid(f"it has more than {MAX_PATTERNS} patterns")
    return _make_checker(expand(schema))


def _make_checker(schema: dict[str, Any]) -> _Checker:
    try:
        validator = jsonschema_rs.validator_for(schema, pattern_options=_PATTERNS, offline=True)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        hint = _PATTERN_HINT if error.message.endswith('is not a "regex"') else ""
        raise SchemaInvalid(_shorten(_place_of(error) + error.message) + hint) from None
    except ValueError as error:
        raise SchemaInvalid(_shorten(str(error))) from None
    return _Checker(validator, schema, count_nodes(schema))


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
