"""Programs and backends that are resources of the cluster, beside those that are always there."""

from pathlib import PurePath
from typing import Any

from controller.build.program import ProgramSelection
from controller.observe.cluster_view import ClusterView
from qiskit_runtime.contract.catalog import Catalog, UnknownProgram
from qiskit_runtime.contract.resources.backend import (
    BackendSpec,
    NotARuntimeBackend,
    UnknownBackend,
    find_backend,
    parse_runtimebackend,
)
from qiskit_runtime.contract.resources.program import name_source
from qiskit_runtime.contract.resources.runtimeprogram import (
    NotARuntimeProgram,
    parse_runtimeprogram,
    parse_source,
)

Manifest = dict[str, Any]


class ProgramLibrary:
    """What RuntimePrograms and RuntimeBackends say just now."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._catalog = Catalog()

    def choose_program(self, spec: Manifest) -> ProgramSelection:
        """The program of a job that starts now: its own, a RuntimeProgram, or the library's.

        Raises:
            UnknownProgram: nobody has it.
        """
        name = spec["programId"]
        if own := spec.get("programFrom"):
            # The API has compared its parameters already.
            return ProgramSelection(
                spec.get("programVersion", ""), name_source(name, PurePath(own["key"]).suffix)
            )
        if resource := self._view.programs.get(name):
            try:
                program, source = parse_runtimeprogram(resource), parse_source(resource)
            except NotARuntimeProgram as error:
                raise UnknownProgram(f"{name} that could run: {error}") from error
            metadata = program.metadata
            return ProgramSelection(
                metadata.version, source.file_name(name), source, metadata.spec.parameters
            )
        metadata = self._catalog.get(name).metadata
        return ProgramSelection(metadata.version, schema=metadata.spec.parameters)

    def find_backend(self, name: str) -> BackendSpec:
        """The backend of this name.

        Raises:
            UnknownBackend: there is none.
        """
        if resource := self._view.backends.get(name):
            try:
                return parse_runtimebackend(resource)
            except NotARuntimeBackend as error:
                raise UnknownBackend(f"{name} that could be used: {error}") from error
        return find_backend(name)
