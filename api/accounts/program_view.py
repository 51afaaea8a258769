"""The programs that a caller may see: the library's, the public ones, those of its instances.

Ids are one namespace for all, so a name that another instance has taken is refused, whether its
program can be seen or not. That is all that is told of it.
"""

from api.accounts.caller import Caller
from api.programstore.base import (
    ProgramChange,
    ProgramExists,
    ProgramLibrary,
    ProgramReadOnly,
    ResolvedProgram,
    describe_foreign,
)
from qiskit_runtime.contract.catalog import UnknownProgram
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance
from qiskit_runtime.contract.resources.program import (
    Program,
    ProgramMetadata,
    ProgramSource,
    make_program_id,
)


def view_programs(library: ProgramLibrary, caller: Caller) -> ProgramLibrary:
    """Return the library as the caller sees it."""
    return library if caller.is_only_tenant else VisiblePrograms(library, caller)


class VisiblePrograms(ProgramLibrary):
    """A library without what is private to instances that the caller may not use."""

    def __init__(self, library: ProgramLibrary, caller: Caller) -> None:
        self._library, self._caller = library, caller

    @property
    def is_ready(self) -> bool:
        return self._library.is_ready

    async def all(self) -> list[Program]:
        return [program for program in await self._library.all() if self._shows(program)]

    async def get(self, program_id: str) -> Program:
        program = await self._library.get(program_id)
        if not self._shows(program):
            raise UnknownProgram(program_id)
        return program

    async def resolve(self, program_id: str) -> ResolvedProgram:
        resolved = await self._library.resolve(program_id)
        if not self._shows(resolved.program):
            raise UnknownProgram(program_id)
        return resolved

    async def create(
        self,
        metadata: ProgramMetadata,
        source: ProgramSource,
        instance: Instance = DEFAULT_INSTANCE,
    ) -> Program:
        try:
            return await self._library.create(metadata, source, instance)
        except ProgramExists:
            program_id = make_program_id(metadata.name)
            if self._owns(await self._library.get(program_id)):
                raise
            raise ProgramExists(describe_foreign(program_id)) from None

    async def update(self, program_id: str, change: ProgramChange) -> Program:
        await self._check_owner(program_id)
        return await self._library.update(program_id, change)

    async def delete(self, program_id: str) -> None:
        await self._check_owner(program_id)
        await self._library.delete(program_id)

    async def _check_owner(self, program_id: str) -> None:
        if not self._owns(program := await self.get(program_id)):
            raise ProgramReadOnly(
                f"program {program.id} belongs to another instance, which alone may change it"
            )

    def _shows(self, program: Program) -> bool:
        return program.metadata.is_public or self._owns(program)

    def _owns(self, program: Program) -> bool:
        """Return whether it is the caller's to change, or nobody's: the store refuses that."""
        return not program.is_uploaded or self._caller.sees(program.instance)
