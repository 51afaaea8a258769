"""What the store asks of the Kubernetes API: RuntimeJobs and Secrets of one namespace.

Every call is answered or given up within ``CALL_SECONDS``: clients wait for it.
"""

import asyncio
import base64
import binascii
import logging
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from api.jobstore.base import StorageFull, StoreUnavailable
from qiskit_runtime.cluster_api import (
    API_ERRORS,
    CONFLICT,
    JSON,
    MERGE_PATCH,
    NOT_FOUND,
    ClusterApi,
    describe_error,
    is_over_quota,
)
from qiskit_runtime.contract.resource import API_VERSION
from qiskit_runtime.contract.runtimejob import PLURAL

Manifest = dict[str, Any]

CALL_SECONDS = 4.0
"""After how long a call is given up."""

logger = logging.getLogger(__name__)


class NotThere(Exception):
    """There is no such object."""


class Conflict(Exception):
    """There is one of this name already, or another than was meant."""


class JobResources:
    """The calls. All raise ``StoreUnavailable`` where they are refused or not answered.

    Those that create raise ``StorageFull`` where a ResourceQuota is used up.
    """

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        self._api = api
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self.jobs_path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"

    async def get_job(self, name: str) -> Manifest | None:
        """The RuntimeJob of this name, or None."""
        return await self._find("GET", f"{self.jobs_path}/{name}")

    async def create_job(self, manifest: Manifest) -> Manifest:
        """Create a RuntimeJob; Conflict where there is one of its name."""
        return await self._call("POST", self.jobs_path, manifest)

    async def request_cancel(self, name: str) -> Manifest | None:
        """Ask for a RuntimeJob to be cancelled; returns it as it is then, or None."""
        patch = {"spec": {"cancelRequested": True}}
        return await self._find("PATCH", f"{self.jobs_path}/{name}", patch, MERGE_PATCH)

    async def delete_job(self, name: str, uid: str) -> None:
        """Remove this RuntimeJob, and by its ownership all it caused; fine if it is gone."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._find("DELETE", f"{self.jobs_path}/{name}", options)
        except Conflict:
            # Another one has its name by now.
            return

    async def create_secret(self, manifest: Manifest) -> None:
        """Create a Secret; Conflict where there is one of its name."""
        await self._call("POST", self._secrets, manifest)

    async def get_secret(self, name: str) -> Manifest | None:
        """The Secret of this name, or None."""
        return await self._find("GET", f"{self._secrets}/{name}")

    async def read_secret(self, name: str, key: str) -> bytes | None:
        """What a Secret holds under this key, or None."""
        secret = await self.get_secret(name)
        try:
            return base64.b64decode(secret["data"][key]) if secret else None
        except (KeyError, TypeError, binascii.Error):
            return None

    async def _find(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest | None:
        try:
            return await self._call(method, path, body, content_type)
        except NotThere:
            return None

    async def _call(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._api.call(method, path, body, content_type=content_type)
        except ApiException as error:
            if error.status == NOT_FOUND:
                raise NotThere(path) from error
            if error.status == CONFLICT:
                raise Conflict(path) from error
            logger.warning("%s %s was refused: %s", method, path, describe_error(error))
            if is_over_quota(error):
                raise StorageFull(
                    "the namespace's ResourceQuota has no room: DELETE jobs that nobody needs any"
                    " more, or wait until their time is over"
                ) from error
            raise StoreUnavailable(
                f"the Kubernetes API refused: {error.status} {error.reason}"
            ) from error
        except API_ERRORS as error:
            logger.warning("%s %s was not answered: %r", method, path, error)
            raise StoreUnavailable("the Kubernetes API does not answer") from error
