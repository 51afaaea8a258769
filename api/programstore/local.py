"""The programs of local mode: files in the data folder, which a job store holds the lock of.

``programs/<id>/program.json`` is an uploaded program and names its source, the file beside it
that is called by its digest. A change writes the source first, then replaces ``program.json``:
that is the moment in which it counts, so a killed server has the program as it was or as it is.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import refusing
from api.jobstore.local.files import own_folder, read_plain, replace_file, sync_folder
from api.programstore.base import (
    PinnedProgram,
    ProgramChange,
    ProgramExists,
    ProgramStore,
    check_number,
    describe_taken,
    make_program,
)
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.limits import MAX_SOURCE_BYTES
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramMetadata,
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
    """What a program's file says."""

    program: Program
    source: str
    """The name of the source's file: its digest and suffix."""


class LocalProgramStore(ProgramStore):
    """Open it after the job store over the same folder."""

    def __init__(self, folder: DataFolder, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._folder = folder
        self._entries: dict[str, _Entry] = {}
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        self._entries = {entry.program.id: entry for entry in self._load_all()}

    async def close(self) -> None:
        pass

    async def all(self) -> list[Program]:
        own = {name: entry.program for name, entry in self._entries.items()}
        found = own | {program.id: program for program in self._catalog.all()}
        return [found[name] for name in sorted(found)]

    async def get(self, program_id: str) -> Program:
        # A folder's program that came after an uploaded one of its name is what jobs would run.
        if program := self._in_catalog(program_id):
            return program
        return self._own(program_id).program

    async def pin(self, program_id: str) -> PinnedProgram:
        program = await self.get(program_id)
        if not program.is_uploaded:
            return PinnedProgram(program, None)
        # Nothing changes it meanwhile: there is no other task between these lines.
        return PinnedProgram(program, self._read(self._own(program_id)))

    async def create(self, metadata: ProgramMetadata, source: ProgramSource) -> Program:
        program = make_program(metadata)
        async with self._changing:
            with suppress(UnknownProgram):
                raise ProgramExists(describe_taken(await self.get(program.id)))
            check_number(len(self._entries))
            damaged = self._folder.programs / program.id / _ENTRY
            if damaged.exists() or damaged.is_symlink():
                raise ProgramExists(
                    f"name: {damaged} can't be read, and is left alone; take another name,"
                    " or remove it"
                )
            await self._save(PinnedProgram(program, source))
        return program

    async def update(self, program_id: str, change: ProgramChange) -> Program:
        async with self._changing:
            entry = self._find_changeable(program_id)
            after = change.apply(entry.program, self._read(entry))
            await self._save(after)
        return after.program

    async def delete(self, program_id: str) -> None:
        async with self._changing:
            name = self._find_changeable(program_id).program.id
            with refusing(), suppress(FileNotFoundError):
                self._folder.scratch.discard(self._folder.programs / name)
            del self._entries[name]
            with refusing():
                await asyncio.to_thread(sync_folder, self._folder.programs)

    def _own(self, program_id: str) -> _Entry:
        try:
            return self._entries[program_id.lower()]
        except KeyError:
            raise UnknownProgram(program_id) from None

    def _find_changeable(self, program_id: str) -> _Entry:
        if self._in_catalog(program_id) or program_id.lower() not in self._entries:
            raise self._find_outside(program_id)
        return self._own(program_id)

    # Files.

    def _read(self, entry: _Entry) -> ProgramSource:
        path = self._folder.programs / entry.program.id / entry.source
        try:
            return _read_source(path)
        except (OSError, SourceInvalid) as error:
            raise StoreUnavailable(
                f"the source of program {entry.program.id} can't be read: {error}"
            ) from error

    async def _save(self, pinned: PinnedProgram) -> None:
        program, source = pinned.program, pinned.source
        assert source is not None, "an uploaded program has one"
        entry = _Entry(program=program, source=f"{source.sha256}{source.suffix}")
        folder = self._folder.programs / program.id

        def write() -> None:
            replace_file(own_folder(folder) / entry.source, source.data)
            sync_folder(folder.parent)
            replace_file(folder / _ENTRY, entry.model_dump_json().encode())

        with refusing():
            await asyncio.to_thread(write)
        self._entries[program.id] = entry
        _sweep(folder, {_ENTRY, entry.source})

    def _load_all(self) -> Iterator[_Entry]:
        """The programs that are there. What is damaged is left alone, with a warning."""
        try:
            with os.scandir(self._folder.programs) as entries:
                names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return
        for name in names:
            path = self._folder.programs / name / _ENTRY
            try:
                yield _load(path)
            except FileNotFoundError:
                if path.exists():
                    logger.warning("%s is left alone: its source is gone", path)
            except (OSError, ValueError) as error:
                logger.warning("%s is left alone: %s", path, error)


def _load(path: Path) -> _Entry:
    entry = _Entry.model_validate_json(read_plain(path, _MAX_ENTRY_BYTES))
    if entry.program.id != path.parent.name or not is_name(entry.program.id):
        # A copy of a program's folder: it would be written to the other one.
        raise ValueError(f"it is the file of program {entry.program.id}")
    if not entry.program.is_uploaded or Path(entry.source).name != entry.source:
        raise ValueError("it names a file elsewhere")
    _read_source(path.with_name(entry.source))
    return entry


def _read_source(path: Path) -> ProgramSource:
    source = ProgramSource(read_plain(path, MAX_SOURCE_BYTES))
    if source.sha256 != path.stem:
        raise SourceInvalid("it is not what was uploaded")
    return source


def _sweep(folder: Path, kept: set[str]) -> None:
    """Remove what no program names any more; what can't be removed does no harm."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name not in kept:
                remove_tree(path)
