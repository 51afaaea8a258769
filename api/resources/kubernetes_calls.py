"""Calls to the Kubernetes API that clients wait for: answered or given up within seconds."""

import asyncio
import logging
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from api.store_errors import StorageFull, StoreUnavailable
from qiskit_runtime.cluster.client import (
    API_ERRORS,
    CONFLICT,
    JSON,
    NOT_FOUND,
    ClusterApi,
    describe_error,
    is_over_quota,
)

Manifest = dict[str, Any]

CALL_SECONDS = 4.0
"""After how long a call is given up."""

logger = logging.getLogger(__name__)


class NotThere(Exception):
    """There is no such object."""


class Conflict(Exception):
    """There is one of this name already, or another than was meant."""


class KubernetesCalls:
    """The calls. All raise ``StoreUnavailable`` where they are refused or not answered.

    Those that create raise ``StorageFull`` where a ResourceQuota is used up.
    """

    def __init__(self, api: ClusterApi) -> None:
        self._api = api

    async def find(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest | None:
        """Make a call; returns None where there is no such object."""
        try:
            return await self.call(method, path, body, content_type)
        except NotThere:
            return None

    async def call(
        self, method: str, path: str, body: Manifest | None = None, content_type: str = JSON
    ) -> Manifest:
        """Make a call; returns the answer's object.

        Raises:
            NotThere: there is no such object.
            Conflict: there is one already, or a newer version of it.
        """
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
