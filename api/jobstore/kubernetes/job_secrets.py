"""The Secrets with jobs' parameters and records, of one namespace."""

import base64
import binascii

from api.resources.kubernetes_calls import KubernetesCalls
from qiskit_runtime.cluster.client import ClusterApi
from qiskit_runtime.contract.resources.resource import Manifest


class JobSecrets:
    """The calls; they raise as those of ``KubernetesCalls``."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        self._calls = KubernetesCalls(api)
        self._path = f"/api/v1/namespaces/{namespace}/secrets"

    async def create(self, manifest: Manifest) -> None:
        """Create a Secret; Conflict where one of its name exists."""
        await self._calls.call("POST", self._path, manifest)

    async def get(self, name: str) -> Manifest | None:
        """Return the Secret of this name, or None."""
        return await self._calls.find("GET", f"{self._path}/{name}")

    async def read(self, name: str, key: str) -> bytes | None:
        """Return the value of a Secret's key, or None."""
        secret = await self.get(name)
        try:
            return base64.b64decode(secret["data"][key]) if secret else None
        except (KeyError, TypeError, binascii.Error):
            return None
