"""The backends of Kubernetes mode: the namespace's RuntimeBackends, kept by a watch."""

from collections.abc import Awaitable, Callable

from kubernetes.aio import client

from api.backendstore.base import BackendLibrary, join_backends
from api.resources.watched_kind import WatchedKind
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.contract.resources.backend import (
    PLURAL,
    BackendSpec,
    UnknownBackend,
    parse_runtimebackend,
)


class KubernetesBackends(BackendLibrary):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(
        self,
        namespace: str,
        redis_url: str,
        connect: Callable[[], Awaitable[client.ApiClient]],
    ) -> None:
        cache = ResourceCache(parse_runtimebackend)
        self._kind = WatchedKind(namespace, PLURAL, cache, redis_url, connect)

    @property
    def is_ready(self) -> bool:
        return self._kind.is_ready

    async def open(self) -> None:
        await self._kind.open()

    async def close(self) -> None:
        await self._kind.close()

    async def all(self) -> list[BackendSpec]:
        await self._kind.catch_up()
        return list(join_backends(self._kind.cache.all()).values())

    async def get(self, name: str) -> BackendSpec:
        await self._kind.catch_up()
        if not (found := self._find(name)):
            # kubectl may have made it a moment ago.
            await self._kind.fetch(name)
            found = self._find(name)
        if not found:
            raise UnknownBackend(name)
        return found

    def _find(self, name: str) -> BackendSpec | None:
        return join_backends(self._kind.cache.all()).get(name)
