"""The programs and backends that jobs run on: the library's, and those that are resources.

The library's names are reserved: a RuntimeProgram of such a name is never run, and its status says
so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from controller.build.program import JobPlan, ParamsInvalid, ProgramSelection
from controller.settings import RunnerSettings, UnknownResourceClass
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.lifecycle import Reason, State, reject
from qiskit_runtime.contract.resources.backend import (
    BackendSpec,
    NotARuntimeBackend,
    UnknownBackend,
    find_backend,
    parse_runtimebackend,
)
from qiskit_runtime.contract.resources.program import name_source
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.runtimeprogram import (
    Acceptance,
    NotARuntimeProgram,
    parse_acceptance,
    parse_runtimeprogram,
    parse_source,
)

NOT_RUNNABLE = (UnknownBackend, UnknownProgram, ParamsInvalid)
"""The reasons for which a job can't be given to any pod."""


@dataclass(frozen=True, slots=True)
class WatchedProgram:
    """A RuntimeProgram; ``selection`` is None where it can't run, and ``error`` says why."""

    name: str
    is_deleted: bool
    selection: ProgramSelection | None
    error: str = ""
    acceptance: Acceptance | None = None
    """The condition that its status has."""


@dataclass(frozen=True, slots=True)
class WatchedBackend:
    """A RuntimeBackend; ``spec`` is None where it can't be used, and ``error`` says why."""

    name: str
    is_deleted: bool
    spec: BackendSpec | None
    error: str = ""


def parse_program(manifest: Manifest) -> WatchedProgram:
    """Parse a RuntimeProgram."""
    identity = _parse_identity(manifest)
    try:
        program, source = parse_runtimeprogram(manifest), parse_source(manifest)
    except NotARuntimeProgram as error:
        return WatchedProgram(*identity, None, str(error), parse_acceptance(manifest))
    metadata = program.metadata
    selection = ProgramSelection(
        metadata.version, source.file_name(program.id), source, metadata.spec.parameters
    )
    return WatchedProgram(*identity, selection, acceptance=parse_acceptance(manifest))


def parse_backend(manifest: Manifest) -> WatchedBackend:
    """Parse a RuntimeBackend."""
    identity = _parse_identity(manifest)
    try:
        return WatchedBackend(*identity, parse_runtimebackend(manifest))
    except NotARuntimeBackend as error:
        return WatchedBackend(*identity, None, str(error))


def _parse_identity(manifest: Manifest) -> tuple[str, bool]:
    metadata = manifest["metadata"]
    return metadata["name"], "deletionTimestamp" in metadata


class Runnables:
    """The programs and backends of the moment; ``programs`` and ``backends`` find resources.

    ``runner`` has the resource classes that a backend may name.
    """

    def __init__(
        self,
        programs: Callable[[str], WatchedProgram | None],
        backends: Callable[[str], WatchedBackend | None],
        runner: RunnerSettings,
    ) -> None:
        self._programs = programs
        self._backends = backends
        self._runner = runner
        self._catalog = Catalog()

    def plan(self, job: RuntimeJob) -> JobPlan:
        """Choose what a job that starts now runs.

        Raises:
            UnknownProgram, UnknownBackend: no program or backend has that name.
            ParamsInvalid: the program could not be called with the job's parameters.
        """
        backend = self._find_backend(job.job.spec.backend)
        program = self._choose_program(job)
        if isinstance(job.params, str):
            program.check_params(job.params)
        return JobPlan(program, backend)

    def is_reserved(self, name: str) -> bool:
        """Return whether the library has a program of this name."""
        try:
            self._catalog.get(name)
        except UnknownProgram:
            return False
        return True

    def judge(self, program: WatchedProgram) -> Acceptance:
        """Return the condition that a RuntimeProgram's status should have."""
        if self.is_reserved(program.name):
            return Acceptance.reserved(program.name)
        if program.selection is None:
            return Acceptance.invalid(program.error)
        return Acceptance.accepted()

    def _choose_program(self, job: RuntimeJob) -> ProgramSelection:
        """Choose the job's own program, else the library's, else a RuntimeProgram."""
        name = job.job.spec.program_id
        if job.program:
            # The API has compared its parameters already.
            file = name_source(name, PurePath(job.program.key).suffix)
            return ProgramSelection(job.job.spec.program_version, file)
        resource = None if self.is_reserved(name) else self._programs(name)
        if resource is None:
            metadata = self._catalog.get(name).metadata
            return ProgramSelection(metadata.version, schema=metadata.spec.parameters)
        if resource.selection is None:
            raise UnknownProgram(f"{name} that could run: {resource.error}")
        return resource.selection

    def _find_backend(self, name: str) -> BackendSpec:
        resource = self._backends(name)
        if resource is None:
            return find_backend(name)
        if resource.spec is None:
            raise UnknownBackend(f"{name} that could be used: {resource.error}")
        try:
            self._runner.of(resource.spec.resource_class or "")
        except UnknownResourceClass as error:
            words = f"{name} that could be used: spec.resourceClass: {error}"
            raise UnknownBackend(words) from error
        return resource.spec


def reject_job(error: Exception) -> State:
    """Return the state of a job that can't be given to any pod."""
    if isinstance(error, UnknownBackend):
        return reject(Reason.UNKNOWN_BACKEND, f"no backend is named {error}")
    if isinstance(error, UnknownProgram):
        return reject(Reason.UNKNOWN_PROGRAM, f"there is no program {error}")
    return reject(Reason.INVALID_PARAMS, str(error))
