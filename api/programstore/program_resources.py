"""What the store of programs asks of the Kubernetes API: RuntimePrograms of one namespace."""

from typing import Any

from api.jobstore.kubernetes.job_resources import Conflict, JobResources
from qiskit_runtime.cluster_api import ClusterApi
from qiskit_runtime.contract.resource import API_VERSION
from qiskit_runtime.contract.runtimeprogram import PLURAL

Manifest = dict[str, Any]


class ProgramResources(JobResources):
    """The calls: answered, given up or refused as those for jobs are."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        super().__init__(api, namespace)
        self.programs_path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"

    async def get_program(self, name: str) -> Manifest | None:
        """The RuntimeProgram of this name, or None."""
        return await self._find("GET", f"{self.programs_path}/{name}")

    async def create_program(self, manifest: Manifest) -> Manifest:
        """Create a RuntimeProgram; Conflict where there is one of its name."""
        return await self._call("POST", self.programs_path, manifest)

    async def replace_program(self, manifest: Manifest) -> Manifest | None:
        """Put a RuntimeProgram in the place of the version that it was made from, or None.

        Conflict where that is not the newest any more.
        """
        name = manifest["metadata"]["name"]
        return await self._find("PUT", f"{self.programs_path}/{name}", manifest)

    async def delete_program(self, name: str, uid: str) -> None:
        """Remove this RuntimeProgram; fine if it is gone."""
        options = {"preconditions": {"uid": uid}}
        try:
            await self._find("DELETE", f"{self.programs_path}/{name}", options)
        except Conflict:
            # Another one has its name by now.
            return
