"""Uploads of programs: a file, a folder or a function becomes what the server has.

Imported by an upload alone: the metadata are checked by the server's own models, which need
pydantic.
"""

import base64
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qiskit_runtime.client.calls import Calls
from qiskit_runtime.client.errors import NOT_FOUND, BadProgram, NameTaken, ProgramDiffers, Refused
from qiskit_runtime.client.models import Change, ProgramInfo, UploadedProgram
from qiskit_runtime.client.program_files import LocalProgram, read_program
from qiskit_runtime.client.program_function import read_function
from qiskit_runtime.client.steps import Flow
from qiskit_runtime.contract.resources.program import NameUnusable, make_program_id

Source = str | Path | Callable[..., Any] | LocalProgram
"""A file, a folder, a function, or a program that was read before."""

MayReplace = bool | Callable[[ProgramInfo, LocalProgram], None]
"""True replaces another program of the same name, False refuses; a function is called with both
programs and may raise."""


def read_source(source: Source, changes: Mapping[str, Any]) -> LocalProgram:
    """Return the program that is to be uploaded; ``changes`` go over its own metadata.

    Raises:
        BadProgram: no program there could run.
    """
    if isinstance(source, LocalProgram):
        local = source
    else:
        if isinstance(source, str | Path):
            local = read_program(Path(source))
        else:
            local = read_function(source)
        for warning in local.warnings:
            warnings.warn(warning, stacklevel=3)
    local.fields.update({name: value for name, value in changes.items() if value is not None})
    return local


def upload(calls: Calls, local: LocalProgram, may_replace: MayReplace) -> Flow[UploadedProgram]:
    """Have the server keep this program as it is here.

    Raises:
        BadProgram: no id can be made of its name.
        NameTaken: it is that of a program of the server's own.
        ProgramDiffers: there is another one, and it may not be replaced.
    """
    fields, source = local.fields, local.source.data
    known = yield from _find_program(calls, _make_id(fields["name"]))
    if known is None:
        made = yield from calls.create_program(fields, source)
        return UploadedProgram(made, Change.UPLOADED)
    if "data" not in known.fields:
        raise NameTaken(known.id)
    if _is_same(known.fields, fields, source):
        return UploadedProgram(known, Change.UNCHANGED)
    if may_replace is False:
        raise ProgramDiffers(known.id)
    if may_replace is not True:
        may_replace(known, local)
    changed = yield from calls.replace_program(known.id, fields, source)
    return UploadedProgram(changed, Change.UPDATED)


def _make_id(name: str) -> str:
    try:
        return make_program_id(name)
    except NameUnusable as error:
        raise BadProgram(f"name: {name!r}: {error}") from None


def _find_program(calls: Calls, program_id: str) -> Flow[ProgramInfo | None]:
    try:
        return (yield from calls.program(program_id))
    except Refused as error:
        if error.status != NOT_FOUND:
            raise
        return None


def _is_same(known: Mapping[str, Any], fields: Mapping[str, Any], source: bytes) -> bool:
    """Return whether the server has this program; metadata that are not given stay as they are."""
    wanted = {**fields, "data": base64.b64encode(source).decode()}
    return all(known.get(key) == value for key, value in wanted.items())
