"""Calls to the Kubernetes API that clients wait for: answered or given up within seconds."""

import asyncio
import logging

from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.cluster.client import (
    JSON,
    ClusterApi,
    ClusterError,
    Conflict,
    NotFound,
    QuotaExceeded,
    Refused,
)
from qiskit_runtime.contract.resources.resource import Manifest

CALL_SECONDS = 4.0
"""After how long a call is given up."""

logger = logging.getLogger(__name__)


class KubernetesCalls:
    """The calls, with the errors of the stores.

    All raise ``StoreUnavailable`` where they are refused or not answered; those that create raise
    ``StorageFull`` where a ResourceQuota is used up.
    """

    def __init__(self, api: ClusterApi) -> None:
        self._api = api

    async def find(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest | None:
        """Make a call and return the answer's object; None where the object does not exist."""
        try:
            return await self.call(method, path, body, content_type)
        except NotFound:
            return None

    async def call(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest:
        """Make a call and return the answer's object.

        Raises:
            NotFound: the object does not exist.
            Conflict: it exists already, or in a newer version.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._api.call(method, path, body, content_type=content_type)
        except (NotFound, Conflict):
            raise
        except QuotaExceeded as error:
            logger.warning("%s %s was refused: %s", method, path, error)
            raise StorageFull(
                "the namespace's ResourceQuota has no room: DELETE jobs that nobody needs any"
                " more, or wait until their time is over"
            ) from error
        except Refused as error:
            logger.warning("%s %s was refused: %s", method, path, error)
            raise StoreUnavailable(
                f"the Kubernetes API refused: {error.status} {error.reason}"
            ) from error
        except (ClusterError, TimeoutError) as error:
            logger.warning("%s %s was not answered: %r", method, path, error)
            raise StoreUnavailable("the Kubernetes API does not answer") from error
