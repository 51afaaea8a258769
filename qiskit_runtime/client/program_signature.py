"""A program's description and parameters, read from its syntax tree: it is never imported here.

The parameters of its ``main`` become a JSON Schema, by their annotations and defaults.
"""

import ast
import json
from dataclasses import dataclass, field
from typing import Any

from qiskit_runtime.contract.wire.job_input import ENTRY_POINT

_POSITIONAL = 2
"""The backend and the messenger; what follows them are a job's parameters."""

_TYPES = {
    "int": "integer",
    "float": "number",
    "str": "string",
    "bool": "boolean",
    "list": "array",
    "dict": "object",
    "None": "null",
}
"""JSON's name of each annotation that says something; any other one takes anything."""


class SyntaxFlaw(ValueError):
    """The source is no Python, or has no ``main``; the text has file, line and the line's text."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A program's description, and its parameters' schema; None where main is made elsewhere."""

    description: str = ""
    parameters: dict[str, Any] | None = field(default=None)


def parse(text: str, file: str) -> ast.Module:
    """Return the syntax tree.

    Raises:
        SyntaxFlaw: it is no Python.
    """
    try:
        return ast.parse(text, file)
    except SyntaxError as error:
        line = (error.text or "").rstrip()
        shown = f"\n    {line.strip()}" if line else ""
        raise SyntaxFlaw(f"{file}:{error.lineno or 0}: {error.msg}{shown}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxFlaw(f"{file}: {error or 'it nests too deeply'}") from None


def outline(text: str, file: str) -> Outline:
    """Return a program's description, and its parameters' schema.

    Raises:
        SyntaxFlaw: it is no Python, or has no ``main``.
    """
    module = parse(text, file)
    description = read_description(module)
    for statement in module.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == ENTRY_POINT:
            return Outline(description, read_parameters(statement))
    # It may be imported from a module next to it, or made by a decorator.
    if any(_binds_main(node) for node in ast.walk(module)):
        return Outline(description)
    made_async = (node.name for node in module.body if isinstance(node, ast.AsyncFunctionDef))
    if ENTRY_POINT in made_async:
        raise SyntaxFlaw(f"{file}: {ENTRY_POINT} is async, and is called without await")
    raise SyntaxFlaw(f"{file}: it has no function {ENTRY_POINT}(backend, user_messenger, **params)")


def read_description(node: ast.Module | ast.FunctionDef) -> str:
    """Return the first paragraph of a docstring on one line; empty without one."""
    paragraph = (ast.get_docstring(node) or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _binds_main(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(names=names):
            return any((alias.asname or alias.name) in (ENTRY_POINT, "*") for alias in names)
        case ast.Name(id=name, ctx=ast.Store()):
            return name == ENTRY_POINT
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name == ENTRY_POINT
    return False


def read_parameters(function: ast.FunctionDef) -> dict[str, Any]:
    """Return the JSON Schema of a function's parameters after the backend and the messenger."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    first_default = len(positional) - len(given.defaults)
    defaults: dict[str, ast.expr | None] = {
        argument.arg: given.defaults[at - first_default] if at >= first_default else None
        for at, argument in enumerate(positional)
    } | {
        argument.arg: default
        for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    }
    params = positional[_POSITIONAL:] + given.kwonlyargs
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.arg: _read_one(one.annotation, defaults[one.arg]) for one in params},
        "required": [one.arg for one in params if defaults[one.arg] is None],
    }
    if given.kwarg is None:
        schema["additionalProperties"] = False
    return schema


def _read_one(annotation: ast.expr | None, default: ast.expr | None) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    kinds = _read_types(annotation) if annotation else None
    has_value, value = _read_value(default)
    if kinds:
        if has_value and value is None and "null" not in kinds:
            kinds = [*kinds, "null"]
        schema["type"] = kinds[0] if len(kinds) == 1 else kinds
    if has_value:
        schema["default"] = value
    return schema


def _read_types(annotation: ast.expr) -> list[str] | None:
    """Return JSON's types of an annotation; None where it says nothing that JSON knows."""
    match annotation:
        case ast.Name(id=name) if name in _TYPES:
            return [_TYPES[name]]
        case ast.Constant(value=None):
            return ["null"]
        case ast.Subscript(value=ast.Name(id="list" | "dict" as name)):
            return [_TYPES[name]]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = _read_types(left), _read_types(right)
            return None if None in sides else [*(sides[0] or []), *(sides[1] or [])]
        case ast.Constant(value=str(text)):
            # An annotation in quotes.
            try:
                return _read_types(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
    return None


def _read_value(default: ast.expr | None) -> tuple[bool, Any]:
    """Return whether JSON can say a default, and its value."""
    if default is None:
        return False, None
    try:
        value = ast.literal_eval(default)
        return True, json.loads(json.dumps(value, allow_nan=False))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None
