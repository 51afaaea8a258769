"""What every store of programs does, in local mode and on Kubernetes; the routes know only this.

A store's own programs are those that users uploaded, beside those of a catalog (the library's and
the folders'), which are read-only. One behaviour suite (``tests/programstore``) holds every
implementation to the words below.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.store_errors import StorageFull
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramMetadata,
    ProgramSource,
    make_program_id,
)

FIRST_VERSION = "1"
"""The version of a program that was just uploaded."""

MAX_VERSION_LENGTH = 64

MAX_PROGRAMS = 200
"""Uploaded programs of one server: 50 MiB of sources, which the cluster's etcd holds and the
operator's memory."""

_LAST_NUMBER = re.compile(r"(\d+)\Z")


class ProgramExists(Exception):
    """The id of a new program is taken; the text says by what."""


class ProgramChanged(Exception):
    """The program is of another version than was asked for: its id, and the version it has."""


class ProgramUnusable(Exception):
    """The program is there, and its source is none that could run; the text says why."""


class ProgramReadOnly(Exception):
    """The program is not an uploaded one; the text says so."""


class SourceNotKept(LookupError):
    """The program is there, and not an uploaded one: its source is not for clients."""


@dataclass(frozen=True, slots=True)
class PinnedProgram:
    """A program and its source as they are in one moment.

    ``source`` is None where the program is the library's or a folder's: a job finds it there.
    """

    program: Program
    source: ProgramSource | None


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """What is to change: fields of ``ProgramMetadata`` but the version, and the source or not."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    source: ProgramSource | None = None

    def apply(self, program: Program, source: ProgramSource) -> PinnedProgram:
        """A program as it is after it, changed now. A new source counts its version up."""
        after = self.source or source
        fields = dict(self.fields)
        if after.sha256 != source.sha256:
            fields["version"] = count_up(program.metadata.version)
        metadata = _with_cost(program.metadata.model_copy(update=fields))
        changed = {"metadata": metadata, "updated": datetime.now(UTC)}
        return PinnedProgram(program.model_copy(update=changed), after)


class ProgramStore(ABC):
    """Finds programs, and keeps those that are uploaded.

    Ids are found whatever their capital letters. Methods that take one raise ``UnknownProgram``
    where there is no such program, and those that change one ``ProgramReadOnly`` where it is not
    an uploaded one. All may raise ``StoreUnavailable`` (``api.jobstore.base``).
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def is_ready(self) -> bool:
        """Whether what is read here is the truth, for those who send clients to this server."""
        return True

    @abstractmethod
    async def open(self) -> None:
        """Take up the programs that are there."""

    @abstractmethod
    async def close(self) -> None:
        """Stop."""

    @abstractmethod
    async def all(self) -> list[Program]:
        """Every program, by id. From memory."""

    @abstractmethod
    async def get(self, program_id: str) -> Program:
        """One program. From memory, where it is there."""

    @abstractmethod
    async def pin(self, program_id: str) -> PinnedProgram:
        """A program and its source, of one and the same version: what a new job is to run."""

    async def read_source(self, program_id: str) -> ProgramSource | None:
        """An uploaded program's source; None where it is the library's or a folder's."""
        return (await self.pin(program_id)).source

    @abstractmethod
    async def create(self, metadata: ProgramMetadata, source: ProgramSource) -> Program:
        """Keep a new program. Its id is made of its name, and it is of the first version.

        Raises:
            NameUnusable: there is nothing in the name that an id could be made of.
            ProgramExists: a program has this id already.
            StorageFull: there are ``MAX_PROGRAMS`` already.
        """

    @abstractmethod
    async def update(self, program_id: str, change: ProgramChange) -> Program:
        """Change an uploaded program, all at once or not at all. Its id stays."""

    @abstractmethod
    async def delete(self, program_id: str) -> None:
        """Forget an uploaded program. Jobs that were posted for it run all the same."""

    def _in_catalog(self, name: str) -> Program | None:
        try:
            return self._catalog.get(name)
        except UnknownProgram:
            return None

    def _find_outside(self, program_id: str) -> ProgramReadOnly | UnknownProgram:
        """The error of who would change a program that is not among the uploaded ones."""
        if program := self._in_catalog(program_id):
            return ProgramReadOnly(
                f"program {program.id} is of this server's library or folders:"
                " only uploaded programs can be changed or deleted"
            )
        return UnknownProgram(program_id)


def check_number(count: int) -> None:
    """See that one more program may be kept.

    Raises:
        StorageFull: there are as many as there may be.
    """
    if count >= MAX_PROGRAMS:
        raise StorageFull(
            f"there are {count} uploaded programs, and at most {MAX_PROGRAMS} are kept: delete some"
        )


def make_program(metadata: ProgramMetadata) -> Program:
    """A new program of this metadata: its id, its first version, its times.

    Raises:
        NameUnusable: no id can be made of its name.
    """
    now = datetime.now(UTC)
    first = _with_cost(metadata.model_copy(update={"version": FIRST_VERSION}))
    return Program(id=make_program_id(metadata.name), metadata=first, created=now, updated=now)


def _with_cost(metadata: ProgramMetadata) -> ProgramMetadata:
    """An uploaded program's cost is its time limit, as the clients of 2021 to 2023 mean it."""
    return metadata.model_copy(update={"cost": metadata.max_execution_time})


def count_up(version: str) -> str:
    """The next version: its last number is one more; one that ends in none gets a number."""
    if found := _LAST_NUMBER.search(version):
        following = version[: found.start()] + str(int(found[1]) + 1)
    else:
        following = f"{version}.1" if version else FIRST_VERSION
    return following if len(following) <= MAX_VERSION_LENGTH else FIRST_VERSION


def describe_taken(program: Program) -> str:
    """Why a program's id is taken, and what helps."""
    if program.is_uploaded:
        return (
            f"name: there is a program {program.id} already; PUT /programs/{program.id}/data"
            " changes its source"
        )
    return f"name: {program.id} is a program of this server's library or folders; take another"
