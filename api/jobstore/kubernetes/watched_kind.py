"""One kind of resource as a store of the API has it: a connection, and a view that a watch keeps.

The stores of programs and of backends use it; that of jobs has more beside its watch.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kubernetes.aio import client

from api.jobstore.base import StoreUnavailable
from api.jobstore.kubernetes.resource_watch import ResourceWatch, View
from qiskit_runtime.cluster_api import ClusterApi
from qiskit_runtime.contract.resource import API_VERSION

OPEN_SECONDS = 5.0
"""How long ``open`` waits for the first list; until it comes, listings are refused."""


class WatchedKind:
    """``connect`` makes the client of the Kubernetes API; ``plural`` names the kind in URLs."""

    def __init__(
        self,
        namespace: str,
        plural: str,
        view: View,
        connect: Callable[[], Awaitable[client.ApiClient]],
    ) -> None:
        self.path = f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"
        self._plural = plural
        self._view = view
        self._connect = connect

    async def open(self) -> ClusterApi:
        """Connect, and keep the view from now on; returns what calls can be made by."""
        self._client = await self._connect()
        api = ClusterApi(self._client)
        self.watch = ResourceWatch(api, self.path, self._view)
        self._watching = asyncio.create_task(self.watch.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.watch.synced.wait(), OPEN_SECONDS)
        return api

    async def close(self) -> None:
        """Stop, and disconnect."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._client.close()

    def check_complete(self) -> None:
        """See that the view has been complete once.

        Raises:
            StoreUnavailable: it has not.
        """
        if not self.watch.synced.is_set():
            raise StoreUnavailable(f"the {self._plural} were not read from Kubernetes yet")
