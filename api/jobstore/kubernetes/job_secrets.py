"""The Secrets with jobs' parameters and records, of one namespace."""

import base64
import binascii

from api.resources.kubernetes_calls import KubernetesCalls
from qiskit_runtime.cluster.client import ClusterApi
from qiskit_runtime.contract.resources.resource import Manifest


class JobSecrets:
    """The calls for them; they fail as all of ``KubernetesCalls`` do."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        self._calls = KubernetesCalls(api)
        self._path = f"/api/v1/namespaces/{namespace}/secrets"

    async def create(self, manifest: Manifest) -> None:
        """Create a Secret; Conflict where there is one of its name."""
        await self._calls.call("POST", self._path, manifest)

    async def get(self, name: str) -> Manifest | None:
        """The Secret of this name, or None."""
        return await self._calls.find("GET", f"{self._path}/{name}")

    async def read(self, name: str, key: str) -> bytes | None:
        """What a Secret holds under this key, or None."""
        secret = await self.get(name)
        try:
            return base64.b64decode(secret["data"][key]) if secret else None
        except (KeyError, TypeError, binascii.Error):
            return None
