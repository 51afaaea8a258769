"""The backends of Kubernetes mode: the namespace's RuntimeBackends, kept by a watch."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from kubernetes.aio import client

from api.backendstore.base import BackendLibrary, join_backends
from api.jobstore.base import StoreUnavailable
from api.jobstore.kubernetes.job_resources import JobResources
from api.jobstore.kubernetes.resource_watch import ResourceWatch
from qiskit_runtime.cluster_api import ClusterApi
from qiskit_runtime.contract.backend import (
    PLURAL,
    BackendSpec,
    NotARuntimeBackend,
    UnknownBackend,
    parse_runtimebackend,
)
from qiskit_runtime.contract.resource import API_VERSION, is_name

Manifest = dict[str, Any]

OPEN_SECONDS = 5.0
"""How long ``open`` waits for the first list of backends; until it comes, listings are refused."""

logger = logging.getLogger(__name__)


class BackendResources(JobResources):
    """The calls: answered, given up or refused as those for jobs are."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        super().__init__(api, namespace)
        self.backends_path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"

    async def get_backend(self, name: str) -> Manifest | None:
        """The RuntimeBackend of this name, or None."""
        return await self._find("GET", f"{self.backends_path}/{name}")


class BackendCache:
    """RuntimeBackends by uid, as the watch tells them."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, BackendSpec | None]] = {}

    def all(self) -> list[BackendSpec]:
        """Every backend that is one."""
        return [backend for _, backend in self._known.values() if backend is not None]

    def put(self, manifest: Manifest) -> None:
        """Take up a RuntimeBackend that is new or has changed."""
        metadata, backend = manifest["metadata"], None
        try:
            backend = parse_runtimebackend(manifest)
        except NotARuntimeBackend as error:
            logger.warning("RuntimeBackend %s is left out: %s", metadata["name"], error)
        self._known[metadata["uid"]] = (int(metadata["resourceVersion"]), backend)

    def drop(self, manifest: Manifest) -> None:
        """Forget one that was deleted."""
        self._known.pop(manifest["metadata"]["uid"], None)

    def keep_only(self, uids: set[str], version: int) -> None:
        """Forget what a list of this version does not have."""
        for uid, (known, _) in list(self._known.items()):
            if uid not in uids and known <= version:
                del self._known[uid]


class KubernetesBackends(BackendLibrary):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(self, namespace: str, connect: Callable[[], Awaitable[client.ApiClient]]) -> None:
        self._namespace = namespace
        self._connect = connect
        self._cache = BackendCache()

    @property
    def is_ready(self) -> bool:
        return self._watch.is_fresh

    async def open(self) -> None:
        self._client = await self._connect()
        api = ClusterApi(self._client)
        self._resources = BackendResources(api, self._namespace)
        self._watch = ResourceWatch(api, self._resources.backends_path, self._cache)
        self._watching = asyncio.create_task(self._watch.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._watch.synced.wait(), OPEN_SECONDS)

    async def close(self) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._client.close()

    async def all(self) -> list[BackendSpec]:
        if not self._watch.synced.is_set():
            raise StoreUnavailable("the backends were not read from Kubernetes yet")
        return list(join_backends(self._cache.all()).values())

    async def get(self, name: str) -> BackendSpec:
        if backend := join_backends(self._cache.all()).get(name):
            return backend
        # It may have come a moment ago.
        manifest = await self._resources.get_backend(name) if is_name(name) else None
        if manifest is None:
            raise UnknownBackend(name)
        try:
            return parse_runtimebackend(manifest)
        except NotARuntimeBackend as error:
            raise UnknownBackend(name) from error
