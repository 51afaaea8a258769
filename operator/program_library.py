"""Programs and backends that are resources of the cluster, beside those that are always there."""

from cluster_view import ClusterView
from qiskit_runtime.contract.backend import BackendSpec, find_backend


class ProgramLibrary:
    """What RuntimePrograms and RuntimeBackends say just now."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view

    def find_source(self, program: str) -> str | None:
        """The source of a RuntimeProgram; None where the runner's own library is asked."""
        resource = self._view.programs.get(program)
        return resource["spec"]["source"] if resource else None

    def find_backend(self, name: str) -> BackendSpec:
        """The backend of this name.

        Raises:
            UnknownBackend: there is none.
        """
        if resource := self._view.backends.get(name):
            return BackendSpec.model_validate({"description": "", **resource["spec"], "name": name})
        return find_backend(name)
