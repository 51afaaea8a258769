"""The backends of Kubernetes mode: the namespace's RuntimeBackends, kept by a watch."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes.aio import client

from api.backendstore.base import BackendLibrary, join_backends
from api.jobstore.kubernetes.job_resources import JobResources
from api.jobstore.kubernetes.watched_kind import WatchedKind
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
        self._cache = BackendCache()
        self._kind = WatchedKind(namespace, PLURAL, self._cache, connect)

    @property
    def is_ready(self) -> bool:
        return self._kind.watch.is_fresh

    async def open(self) -> None:
        self._resources = BackendResources(await self._kind.open(), self._namespace)

    async def close(self) -> None:
        await self._kind.close()

    async def all(self) -> list[BackendSpec]:
        self._kind.check_complete()
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
