"""The question of ``run`` before it replaces a program on the server with another file's.

A program's later edits go up without a question: a small file of this user's keeps, for each
server and program, which path was uploaded last and its digest. Where the server has something
else, the upload would replace another program.
"""

import ast
import base64
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from api.cli.drawing import printable
from api.cli.screen import Screen
from qiskit_runtime.client import BadProgram, ProgramInfo
from qiskit_runtime.client.program_files import LocalProgram
from qiskit_runtime.contract.resources.program import MODULE_SUFFIX, ProgramSource

MAX_ORIGINS = 1000
"""How many uploads are remembered: the latest."""


class Origins:
    """The paths that the programs of the server at ``url`` were uploaded from, by this user.

    A file that can't be read or written is as one without entries: the command asks once more.
    """

    def __init__(self, url: str, file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self._file = file or _state_folder() / "uploads.json"

    def has(self, program_id: str, path: Path, source: ProgramSource) -> bool:
        """Return whether ``source`` was the last upload of this program from this path."""
        return self._read().get(self._key(program_id)) == [str(path), source.sha256]

    def note(self, program_id: str, local: LocalProgram) -> None:
        """Remember an upload; the first of several paths with the same source stays."""
        entries = self._read()
        key, entry = self._key(program_id), [str(local.path), local.source.sha256]
        if key in entries and entries[key][1:] == entry[1:]:
            return
        kept = list(({key: entry} | {k: v for k, v in entries.items() if k != key}).items())
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(dict(kept[:MAX_ORIGINS])), encoding="utf-8")
            draft.replace(self._file)

    def _key(self, program_id: str) -> str:
        return f"{self._url} {program_id}"

    def _read(self) -> dict[str, list[str]]:
        try:
            entries = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return {key: entry for key, entry in entries.items() if isinstance(entry, list)}


def confirm_replacement(known: ProgramInfo, local: LocalProgram, screen: Screen) -> None:
    """Show which program ``local`` replaces, and ask on a terminal whether it shall.

    Raises:
        BadProgram: the answer was no.
    """
    kept, program_id = kept_source(known), known.id
    about = printable(_first_line(kept) or known.description.partition("\n")[0])
    screen.note(
        f"{program_id} on the server is another program: {json.dumps(about, ensure_ascii=False)}"
        f" (version {printable(known.version)}, {kept.version});"
        f" {local.path} replaces it ({local.source.version})",
        style="yellow",
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if not click.confirm("Replace it?", default=False, err=True):
        raise BadProgram(f"{program_id} was not replaced: --name gives yours a name of its own")


def kept_source(known: ProgramInfo) -> ProgramSource:
    """Return the source of a program as the server has it."""
    return ProgramSource(base64.b64decode(known.fields["data"]))


def _first_line(source: ProgramSource) -> str:
    """Return the first line of a module's docstring; empty without one, or for an archive."""
    if source.suffix != MODULE_SUFFIX:
        return ""
    try:
        docstring = ast.get_docstring(ast.parse(source.data))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return (docstring or "").partition("\n")[0]


def _state_folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "qiskit-runtime"
