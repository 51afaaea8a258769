"""The check of a job's parameters by its program's JSON Schema, before the job is queued.

Used by the API (``api.params_check``) and the operator. Parameters are plain JSON here; only the
program process decodes what they encode. Users write the schemas of their programs, so a schema
may be hostile: a pattern takes linear time, and no reference leaves the schema or leads back to
itself. A check holds the interpreter's lock and can't be stopped: while other requests wait, only
what ``is_quick`` is checked, with yes or no; all else is for a process that has limits.
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
"""The size of a schema as JSON text."""

MAX_PATTERNS = 100
"""The patterns of a schema: each takes up to a tenth of a megabyte."""

MAX_MESSAGE_CHARACTERS = 300
"""The length of an error: it repeats the beginning of the value that is wrong."""

QUICK_BYTES = 64 * 1024
"""The size of parameters that may be checked while other requests wait."""

_QUICK_COST = 2_000_000
"""A linear schema's nodes times bytes of parameters: at most 10 ns each, of the worst kinds."""

_MANY = 5
"""The most errors that are reported."""

_LONG_NUMBER = re.compile(r"(?<!\d)\d{300}")
"""An integer so long that its arithmetic takes time in the square of its digits."""

_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 16)
_PATTERN_HINT = (
    " that takes linear time and little room (no look-around, back-reference or long repeat)"
)
_NAMING = (
    jsonschema_rs.ValidationErrorKind.AdditionalProperties,
    jsonschema_rs.ValidationErrorKind.PropertyNames,
    jsonschema_rs.ValidationErrorKind.Enum,
)
"""Errors about a name that is not among the known ones."""


@dataclass(frozen=True, slots=True)
class ParamsError:
    """An error in parameters, and its place: the keys and positions that lead there."""

    place: Place
    message: str

    def __str__(self) -> str:
        """Return a sentence: ``params.optimizer.maxiter: -3 is less than the minimum of 1``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)
        return f"params{_shorten(''.join(steps))}: {self.message}"


@dataclass(frozen=True, slots=True)
class _Checker:
    """A compiled schema, and the number of its nodes."""

    validator: jsonschema_rs.Validator
    schema: dict[str, Any]
    """The schema as it was compiled, with no reference left in it."""
    nodes: int


def check_schema(schema: dict[str, Any]) -> None:
    """See that a schema can be used.

    Raises:
        SchemaInvalid: it is not valid, refers to what is not in it or to itself, has a pattern
            that takes more than linear time, or is too large.
    """
    _compile(schema)


def is_quick(schema: dict[str, Any], text: str) -> bool:
    """Return whether ``matches`` takes a few milliseconds at most, for any such text.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    if len(text) > QUICK_BYTES or _LONG_NUMBER.search(text):
        return False
    checker = _compile_linear(_write(schema))
    return checker is not None and checker.nodes * len(text) <= _QUICK_COST


def matches(schema: dict[str, Any], params: Any) -> bool:
    """Return whether parameters match a linear schema.

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
    """Return a list of the first error of parameters by a linear schema; empty without errors.

    Raises:
        SchemaInvalid: the schema can't be used.
    """
    checker = _compile_linear(_write(schema))
    assert checker is not None, "is_quick was asked"
    return _find_first(checker, _without_seed(schema, params))


def find_errors(schema: dict[str, Any], params: Any) -> Iterator[list[ParamsError]]:
    """Yield ever better lists of errors: one that says there are some, the first, the first few.

    To describe errors may take a thousand times as long as to find that there are some, and any
    amount of memory. So this is for a process with limits: if one is met, the newest answer holds.
    A valid text has one answer, an empty list.

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
    # One hint is enough; more would cost time for a hostile schema.
    hinted = next((error for error in errors if isinstance(error.kind, _NAMING)), None)
    return [
        _read(error, _hint(checker.schema, error) if error is hinted else "") for error in errors
    ]


def _without_seed(schema: dict[str, Any], params: Any) -> Any:
    """Return parameters without the seed, which any program may be given, if no property has it."""
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
    """Return the checker of a linear schema; None if it is not linear."""
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
    """Return a suggestion, if a name that the schema knows is near the wrong one."""
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=[name, *_]):
            return suggest(name, _known_properties(schema, error.schema_path[:-1]))
        case jsonschema_rs.ValidationErrorKind.PropertyNames(error=inner):
            return _hint(schema, inner)
        case jsonschema_rs.ValidationErrorKind.Enum(options=known):
            return suggest(error.instance, known) if isinstance(error.instance, str) else ""
    return ""


def _known_properties(schema: Any, path: Sequence[str | int]) -> list[str]:
    """Return the names of the properties of the object at a place in the schema."""
    for step in path:
        # A key of digits comes as a number; keys such as 01 can't be found again.
        schema = schema[int(step)] if isinstance(schema, list) else schema.get(str(step), {})
    return list(schema.get("properties", ()))


def _place_of(error: Exception) -> str:
    """Return the place of a flaw in a schema, as a prefix of the message."""
    steps: Sequence[str | int] = getattr(error, "instance_path", ())
    return f"{'.'.join(map(str, steps))}: " if steps else ""


def _shorten(text: str) -> str:
    """Return the text's beginning and end: the end of an error has what was expected."""
    if len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    return f"{text[:100]} [...] {text[-150:]}"
