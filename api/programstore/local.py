"""The store of programs in local mode: files in the data folder, whose lock a job store holds.

``programs/<id>/program.json`` is an uploaded program and names its source, a file in the same
folder whose name is its digest. A change writes the source first, then replaces ``program.json``:
only then it counts, so a killed server leaves the program as it was or as it is to be.
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import disk_errors_as_unavailable
from api.jobstore.local.files import load_entries, own_folder, read_plain, replace_file, sync_folder
from api.programstore.base import (
    ProgramChange,
    ProgramExists,
    ProgramStore,
    ResolvedProgram,
    describe_taken,
)
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.limits import MAX_SOURCE_BYTES, WHOLE
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramSource,
    SourceInvalid,
)
from qiskit_runtime.contract.resources.resource import is_name
from qiskit_runtime.host.left_behind import remove_tree

_ENTRY = "program.json"

_MAX_ENTRY_BYTES = 16 << 20
"""More than any metadata that was taken: schemas are bounded before they come here."""

logger = logging.getLogger(__name__)


class _Entry(BaseModel):
    """The content of a program's file."""

    program: Program
    source: str
    """The name of the source's file: its digest and suffix."""


class LocalProgramStore(ProgramStore):
    """Open it after the job store over the same folder."""

    def __init__(self, folder: DataFolder, catalog: Catalog, share_percent: int = WHOLE) -> None:
        super().__init__(catalog, share_percent)
        self._folder = folder
        self._entries: dict[str, _Entry] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        self._entries = {
            entry.program.id: entry for entry in load_entries(self._folder.programs, _ENTRY, _load)
        }

    async def close(self) -> None:
        pass

    async def _all_uploaded(self) -> list[Program]:
        return [entry.program for entry in self._entries.values()]

    async def _get_uploaded(self, program_id: str) -> Program:
        return self._find(program_id).program

    async def _resolve_uploaded(self, program_id: str) -> ResolvedProgram:
        # No other task runs between these calls, so nothing changes the program meanwhile.
        entry = self._find(program_id)
        return ResolvedProgram(entry.program, self._read(entry))

    async def _create(self, program: Program, source: ProgramSource) -> Program:
        name = program.id
        async with self._changing:
            if name in self._entries:
                raise ProgramExists(describe_taken(name))
            self._check_number(await self._all_uploaded(), program.instance)
            damaged = self._folder.programs / name / _ENTRY
            if damaged.exists() or damaged.is_symlink():
                raise ProgramExists(
                    f"name: {damaged} can't be read, and is left alone; take another name,"
                    " or remove it"
                )
            await self._save(ResolvedProgram(program, source))
        return program

    async def _update(self, program_id: str, change: ProgramChange) -> Program:
        async with self._changing:
            entry = self._find(program_id)
            after = change.apply(entry.program, self._read(entry))
            await self._save(after)
        return after.program

    async def _delete(self, program_id: str) -> None:
        async with self._changing:
            name = self._find(program_id).program.id
            with disk_errors_as_unavailable(), suppress(FileNotFoundError):
                self._folder.scratch.discard(self._folder.programs / name)
            del self._entries[name]
            with disk_errors_as_unavailable():
                await asyncio.to_thread(sync_folder, self._folder.programs)

    def _find(self, program_id: str) -> _Entry:
        try:
            return self._entries[program_id.lower()]
        except KeyError:
            raise UnknownProgram(program_id) from None

    # Files.

    def _read(self, entry: _Entry) -> ProgramSource:
        path = self._folder.programs / entry.program.id / entry.source
        try:
            return _read_source(path)
        except (OSError, SourceInvalid) as error:
            raise StoreUnavailable(
                f"the source of program {entry.program.id} can't be read: {error}"
            ) from error

    async def _save(self, new: ResolvedProgram) -> None:
        program, source = new.program, new.source
        assert source is not None, "an uploaded program has one"
        entry = _Entry(program=program, source=f"{source.sha256}{source.suffix}")
        folder = self._folder.programs / program.id

        def write() -> None:
            replace_file(own_folder(folder) / entry.source, source.data)
            sync_folder(folder.parent)
            replace_file(folder / _ENTRY, entry.model_dump_json().encode())

        with disk_errors_as_unavailable():
            await asyncio.to_thread(write)
        self._entries[program.id] = entry
        _sweep(folder, {_ENTRY, entry.source})


def _load(path: Path) -> _Entry:
    entry = _Entry.model_validate_json(read_plain(path, _MAX_ENTRY_BYTES))
    if entry.program.id != path.parent.name or not is_name(entry.program.id):
        # A copy of a program's folder: it would be written to the other one.
        raise ValueError(f"it is the file of program {entry.program.id}")
    if not entry.program.is_uploaded or Path(entry.source).name != entry.source:
        raise ValueError("it names a file elsewhere")
    try:
        _read_source(path.with_name(entry.source))
    except FileNotFoundError:
        raise ValueError("its source is gone") from None
    return entry


def _read_source(path: Path) -> ProgramSource:
    source = ProgramSource(read_plain(path, MAX_SOURCE_BYTES))
    if source.sha256 != path.stem:
        raise SourceInvalid("it is not what was uploaded")
    return source


def _sweep(folder: Path, kept: set[str]) -> None:
    """Remove the files that no program names any more; one that can't be removed does no harm."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name not in kept:
                remove_tree(path)
