"""The interface of every store of programs, in local mode and on Kubernetes.

The routes know only this. A store has the programs that users uploaded and those of a catalog (the
library's and the folders'), which are read-only. The catalog's names are reserved: an upload of
such a name is refused, and a program that got the name in another way (a folder that came later, a
RuntimeProgram that kubectl made) is not seen. One behaviour suite (``tests/programstore``) holds
every implementation to this.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from api.store_errors import StorageFull
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.limits import MAX_VERSION_CHARACTERS, WHOLE, take_share
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramMetadata,
    ProgramSource,
    make_program_id,
)

FIRST_VERSION = "1"
"""The version of a program that was just uploaded."""

MAX_PROGRAMS = 200
"""Uploaded programs of one server: 50 MiB of sources, which the cluster's etcd holds and the
operator's memory."""

_LAST_NUMBER = re.compile(r"(\d+)\Z")


class ProgramExists(Exception):
    """The id of a new program is taken or reserved; the text says by what."""


class ProgramChanged(Exception):
    """The program has another version than the request names: its id, and the version it has."""


class ProgramUnusable(Exception):
    """The program exists, but its source can't run; the text says why."""


class ProgramReadOnly(Exception):
    """The program is not an uploaded one, so it can't be changed; the text says so."""


class SourceNotKept(LookupError):
    """The program is not an uploaded one: its source is not for clients."""


@dataclass(frozen=True, slots=True)
class ResolvedProgram:
    """A program and its source, of one version.

    ``source`` is None where the program is the catalog's: the runner has it already.
    """

    program: Program
    source: ProgramSource | None


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """A change of a program: fields of ``ProgramMetadata`` without the version, and the source."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    source: ProgramSource | None = None

    def apply(self, program: Program, source: ProgramSource) -> ResolvedProgram:
        """Return the program after this change, made now. A new source counts its version up."""
        after = self.source or source
        fields = dict(self.fields)
        if after.sha256 != source.sha256:
            fields["version"] = count_up(program.metadata.version)
        metadata = _with_cost(program.metadata.model_copy(update=fields))
        changed = {"metadata": metadata, "updated": datetime.now(UTC)}
        return ResolvedProgram(program.model_copy(update=changed), after)


class ProgramLibrary(ABC):
    """Finds programs, and keeps those that are uploaded: what routes know of a store.

    Capital letters in ids count as small ones. Methods that take one raise ``UnknownProgram``
    where there is no such program, and those that change one ``ProgramReadOnly`` where it is not
    an uploaded one. All may raise ``StoreUnavailable`` (``api.store_errors``).
    """

    @property
    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether reads here are up to date, for a load balancer's probe."""

    @abstractmethod
    async def all(self) -> list[Program]:
        """Return every program, by id. From memory."""

    @abstractmethod
    async def get(self, program_id: str) -> Program:
        """Return one program, from memory where it is known there."""

    @abstractmethod
    async def resolve(self, program_id: str) -> ResolvedProgram:
        """Return a program and its source, of one and the same version, for a new job to run."""

    async def read_source(self, program_id: str) -> ProgramSource | None:
        """Return an uploaded program's source; None where the program is the catalog's."""
        return (await self.resolve(program_id)).source

    @abstractmethod
    async def create(
        self,
        metadata: ProgramMetadata,
        source: ProgramSource,
        instance: Instance = DEFAULT_INSTANCE,
    ) -> Program:
        """Keep a new program of an instance. Its id is made of its name, its version is the first.

        Raises:
            NameUnusable: no id can be made of the name.
            ProgramExists: a program has this id already, or it is reserved.
            StorageFull: ``MAX_PROGRAMS`` exist already, or the instance's share of them.
        """

    @abstractmethod
    async def update(self, program_id: str, change: ProgramChange) -> Program:
        """Change an uploaded program, all at once or not at all. Its id stays."""

    @abstractmethod
    async def delete(self, program_id: str) -> None:
        """Remove an uploaded program. Jobs that were posted for it run all the same."""


class ProgramStore(ProgramLibrary):
    """A library of its own: opened and closed with the server, over the programs of a catalog.

    ``share_percent`` of ``MAX_PROGRAMS`` is the most of one instance.
    """

    def __init__(self, catalog: Catalog, share_percent: int = WHOLE) -> None:
        self._catalog, self._share_percent = catalog, share_percent

    @property
    def is_ready(self) -> bool:
        return True

    @abstractmethod
    async def open(self) -> None:
        """Load the programs that exist."""

    @abstractmethod
    async def close(self) -> None:
        """Stop."""

    async def all(self) -> list[Program]:
        uploaded = {program.id: program for program in await self._all_uploaded()}
        found = uploaded | {program.id: program for program in self._catalog.all()}
        return [found[name] for name in sorted(found)]

    async def get(self, program_id: str) -> Program:
        return self._find_reserved(program_id) or await self._get_uploaded(program_id)

    async def resolve(self, program_id: str) -> ResolvedProgram:
        if program := self._find_reserved(program_id):
            return ResolvedProgram(program, None)
        return await self._resolve_uploaded(program_id)

    async def create(
        self,
        metadata: ProgramMetadata,
        source: ProgramSource,
        instance: Instance = DEFAULT_INSTANCE,
    ) -> Program:
        program = make_program(metadata, instance)
        if self._find_reserved(program.id):
            raise ProgramExists(describe_reserved(program.id))
        return await self._create(program, source)

    async def update(self, program_id: str, change: ProgramChange) -> Program:
        self._check_changeable(program_id)
        return await self._update(program_id, change)

    async def delete(self, program_id: str) -> None:
        self._check_changeable(program_id)
        await self._delete(program_id)

    # Uploaded programs, whose names are not reserved.

    @abstractmethod
    async def _all_uploaded(self) -> list[Program]: ...

    @abstractmethod
    async def _get_uploaded(self, program_id: str) -> Program: ...

    @abstractmethod
    async def _resolve_uploaded(self, program_id: str) -> ResolvedProgram: ...

    @abstractmethod
    async def _create(self, program: Program, source: ProgramSource) -> Program: ...

    @abstractmethod
    async def _update(self, program_id: str, change: ProgramChange) -> Program: ...

    @abstractmethod
    async def _delete(self, program_id: str) -> None: ...

    def _find_reserved(self, program_id: str) -> Program | None:
        """Return the catalog's program of this id, which no uploaded one replaces."""
        try:
            return self._catalog.get(program_id)
        except UnknownProgram:
            return None

    def _check_number(self, uploaded: Collection[Program], instance: Instance) -> None:
        """Raise StorageFull where an instance's next program is one too many."""
        own = sum(program.instance == instance for program in uploaded)
        most = take_share(MAX_PROGRAMS, self._share_percent)
        if len(uploaded) >= MAX_PROGRAMS:
            raise StorageFull(
                f"there are {len(uploaded)} uploaded programs, and at most {MAX_PROGRAMS} are kept:"
                " delete some"
            )
        if self._share_percent < WHOLE and own >= most:
            raise StorageFull(
                f"instance {instance.name}: {own} programs are uploaded, and at most {most} of"
                f" {MAX_PROGRAMS} may be (RUNTIME_INSTANCE_SHARE_PERCENT): delete some"
            )

    def _check_changeable(self, program_id: str) -> None:
        if program := self._find_reserved(program_id):
            raise ProgramReadOnly(
                f"program {program.id} is of this server's library or folders:"
                " only uploaded programs can be changed or deleted"
            )


def make_program(metadata: ProgramMetadata, instance: Instance = DEFAULT_INSTANCE) -> Program:
    """Return a new program of this metadata, with its id, its first version and its times.

    Raises:
        NameUnusable: no id can be made of its name.
    """
    now = datetime.now(UTC)
    first = _with_cost(metadata.model_copy(update={"version": FIRST_VERSION}))
    return Program(
        id=make_program_id(metadata.name),
        metadata=first,
        instance=instance,
        created=now,
        updated=now,
    )


def _with_cost(metadata: ProgramMetadata) -> ProgramMetadata:
    """Set the cost to the time limit, as the clients of 2021 to 2023 mean it."""
    return metadata.model_copy(update={"cost": metadata.max_execution_time})


def count_up(version: str) -> str:
    """Return the next version: the last number is one more, or a number is appended."""
    if found := _LAST_NUMBER.search(version):
        following = version[: found.start()] + str(int(found[1]) + 1)
    else:
        following = f"{version}.1" if version else FIRST_VERSION
    return following if len(following) <= MAX_VERSION_CHARACTERS else FIRST_VERSION


def describe_taken(program_id: str) -> str:
    """Return why an uploaded program's id is taken, and what helps."""
    return (
        f"name: there is a program {program_id} already; PUT /programs/{program_id}/data"
        " changes its source"
    )


def describe_foreign(program_id: str) -> str:
    """Return why an id is taken where it is another instance's, which may keep it private."""
    return f"name: {program_id} is taken on this server; take another name"


def describe_reserved(program_id: str) -> str:
    """Return why an id is reserved, and what helps."""
    return (
        f"name: {program_id} is reserved: it is a program of this server's library or folders;"
        " take another name"
    )
