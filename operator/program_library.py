"""Programs and backends that are resources of the cluster, beside those that are always there."""

from cluster_view import ClusterView
from qiskit_runtime.catalog import Catalog
from qiskit_runtime.contract.backend import BackendSpec, find_backend


class ProgramLibrary:
    """What RuntimePrograms and RuntimeBackends say just now."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._catalog = Catalog()

    def find_source(self, program: str) -> str | None:
        """The source of a RuntimeProgram; None where the runner's own library has it.

        Raises:
            UnknownProgram: nobody has it.
        """
        if resource := self._view.programs.get(program):
            return str(resource["spec"]["source"])
        self._catalog.get(program)
        return None

    def find_backend(self, name: str) -> BackendSpec:
        """The backend of this name.

        Raises:
            UnknownBackend: there is none.
        """
        if resource := self._view.backends.get(name):
            return BackendSpec.model_validate({"description": "", **resource["spec"], "name": name})
        return find_backend(name)
