"""A program that is a function of the user's, made ready to be uploaded as a module.

The module is the function's source, so all that the function uses must be within it.
"""

import ast
import builtins
import inspect
import symtable
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qiskit_runtime.client.errors import BadProgram
from qiskit_runtime.client.program_files import LocalProgram
from qiskit_runtime.client.program_signature import read_description, read_parameters
from qiskit_runtime.contract.resources.program import ProgramSource, SourceInvalid
from qiskit_runtime.contract.wire.job_input import ENTRY_POINT


def read_function(function: Callable[..., Any]) -> LocalProgram:
    """Return the program that calls this function as its ``main``.

    Raises:
        BadProgram: its source can't be read, or is not all that it needs.
    """
    text = _read_source(function)
    node = _find_definition(text, _name(function))
    if not isinstance(node, ast.FunctionDef):
        raise BadProgram(f"{_name(function)}: a plain function is needed: def, not async or lambda")
    if not _takes_backend_and_messenger(node.args):
        raise BadProgram(
            f"{node.name}: its first two parameters are the backend and the messenger, by position"
        )
    if outside := sorted(_find_outside_names(text)):
        raise BadProgram(
            f"{node.name} uses {', '.join(outside)} from outside of it: import or define that"
            " within the function, or upload the file"
        )
    if node.name != ENTRY_POINT:
        text += f"\n\n{ENTRY_POINT} = {node.name}\n"
    fields = {
        "name": node.name,
        "description": read_description(node),
        "spec": {"parameters": read_parameters(node)},
    }
    try:
        source = ProgramSource(text.encode())
    except SourceInvalid as error:
        raise BadProgram(f"{node.name}: {error}") from None
    return LocalProgram(Path(inspect.getsourcefile(function) or ""), fields, source, 1)


def _read_source(function: Callable[..., Any]) -> str:
    """Return a function's source as it would stand in a module of its own."""
    name = _name(function)
    if not inspect.isfunction(function):
        raise BadProgram(f"{name}: a function is needed, not {type(function).__name__}")
    if function.__name__ == "<lambda>":
        raise BadProgram("a lambda has no source of its own: write it as a function with def")
    if hasattr(function, "__wrapped__"):
        raise BadProgram(f"{name} is decorated, so it is not what its source says: upload the file")
    if function.__code__.co_freevars:
        used = ", ".join(function.__code__.co_freevars)
        raise BadProgram(f"{name} uses {used} of the function around it: make that a parameter")
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        raise BadProgram(
            f"the source of {name} can't be read: functions that were typed into an interpreter"
            " have none; write it to a file"
        ) from None
    # An indented function keeps its lines: texts in it may go over several.
    return f"if True:\n{source}" if source[:1].isspace() else source


def _takes_backend_and_messenger(arguments: ast.arguments) -> bool:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    is_method = names[:1] in (["self"], ["cls"])
    return not is_method and (len(names) > 1 or arguments.vararg is not None)


def _find_definition(text: str, name: str) -> ast.stmt:
    """Return the statement that defines the function."""
    try:
        first = ast.parse(text).body[0]
    except SyntaxError as error:
        raise BadProgram(f"the source of {name} can't be read alone: {error.msg}") from None
    return first.body[0] if isinstance(first, ast.If) else first


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", repr(function))


def _find_outside_names(text: str) -> Iterator[str]:
    """Yield the names that the source uses and does not define, builtins aside."""
    module = symtable.symtable(text, "<program>", "exec")
    defined = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned()}
    defined |= {child.get_name() for child in module.get_children()} | set(dir(builtins))
    defined |= {"__file__", *_find_assigned_globals(module)}
    yield from {name for name in _find_global_names(module) if name not in defined}


def _find_assigned_globals(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        for symbol in child.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                yield symbol.get_name()
        yield from _find_assigned_globals(child)


def _find_global_names(table: symtable.SymbolTable) -> Iterator[str]:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (is_module or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _find_global_names(child)
