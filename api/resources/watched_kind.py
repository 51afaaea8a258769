"""A kind of resource in a store of the API: read from memory, written to Kubernetes.

**What was written is read**, whichever server took the write: a server answers a write when its
mark in Redis says so (``written_mark``), and reads from its cache when that is as far as the mark.
So reads also never go back, whichever servers they go to. A read costs one exchange with Redis,
which all reads of the moment share. It costs a list of the kind where Redis is away or has lost
the mark, or where the watch is behind: never an old answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from kubernetes.aio import client

from api.resources.kubernetes_calls import CALL_SECONDS, KubernetesCalls
from api.resources.written_mark import Mark, WrittenMark
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import JSON, MERGE_PATCH, ClusterApi, ClusterError, Conflict
from qiskit_runtime.cluster.watch import ResourceWatch
from qiskit_runtime.contract.resources.resource import API_VERSION, Manifest, is_name

T = TypeVar("T")

OPEN_SECONDS = 5.0
"""How long ``open`` waits for the first list; a read that comes earlier asks for one itself."""

LAG_SECONDS = 1.0
"""How long a read waits for the watch to deliver what others have written."""

logger = logging.getLogger(__name__)


class WatchedKind(Generic[T]):
    """Reads go through ``catch_up`` and then ``cache``; every write moves the servers' mark.

    ``plural`` names the kind in URLs, ``connect`` makes the client of the Kubernetes API. Calls
    raise as those of ``KubernetesCalls``.
    """

    def __init__(
        self,
        namespace: str,
        plural: str,
        cache: ResourceCache[T],
        redis_url: str,
        connect: Callable[[], Awaitable[client.ApiClient]],
    ) -> None:
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/{plural}"
        self._key = f"written:{namespace}:{plural}"
        self._redis_url = redis_url
        self._connect = connect
        self._trusted: tuple[int, str] | None = None
        self.cache = cache

    async def open(self) -> ClusterApi:
        """Connect, and keep the cache from now on; returns what other calls can be made by."""
        self._client = await self._connect()
        self._mark = WrittenMark(self._redis_url, self._key, self.cache)
        mark = await self._mark.ask()
        api = ClusterApi(self._client)
        self._calls = KubernetesCalls(api)
        self.watch = ResourceWatch(api, self._path, self.cache)
        self._watching = asyncio.create_task(self.watch.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self.watch.synced.wait(), OPEN_SECONDS)
            self._trust(mark)
        return api

    async def close(self) -> None:
        """Stop, and disconnect."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self._mark.close()
        await self._client.close()

    @property
    def is_ready(self) -> bool:
        """Return whether the watch is fresh."""
        return self.watch.is_fresh

    # Reads.

    async def catch_up(self) -> None:
        """See that the cache has all that was written, or shown by any server, before now.

        It holds when this returns, for reads that do not wait for anything before.

        Raises:
            StoreUnavailable: nobody can tell.
        """
        mark = await self._mark.ask()
        if mark is None or not await self._has_reached(mark):
            await self._list()
            self._trust(mark)
        if mark is not None:
            await self._mark.tell()

    async def fetch(self, name: str) -> Manifest | None:
        """The resource of this name as Kubernetes has it now, or None.

        Later reads of the cache, on any server, show this version or a newer one.
        """
        if not is_name(name):
            return None
        manifest = await self._calls.find("GET", f"{self._path}/{name}")
        if manifest is not None:
            self.cache.put(manifest)
        elif self.cache.holds(name):
            await self._list()
        await self._mark.tell()
        return manifest

    async def tell(self) -> None:
        """Publish how far this server's reads are, so that other servers' reads are as far."""
        await self._mark.tell()

    # Writes.

    async def create(self, manifest: Manifest) -> Manifest:
        """Create a resource; Conflict where there is one of its name."""
        return await self._take_up(await self._calls.call("POST", self._path, manifest))

    async def patch(self, name: str, patch: Manifest) -> Manifest | None:
        """Merge a patch into a resource; returns it as it is then, or None."""
        return await self._change("PATCH", name, patch, MERGE_PATCH)

    async def replace(self, manifest: Manifest) -> Manifest | None:
        """Put a resource in the place of the version that it was made from, or None.

        Conflict where that is not the newest any more.
        """
        return await self._change("PUT", manifest["metadata"]["name"], manifest, JSON)

    async def delete(self, name: str, uid: str) -> None:
        """Remove this resource, and by its ownership all it caused; fine if it is gone."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        # Where another one has its name by now, it is gone.
        with suppress(Conflict):
            await self._calls.find("DELETE", f"{self._path}/{name}", options)
        # The answer has no version; the watch has it.
        if not await self.cache.wait_until(lambda: not self.cache.holds(name, uid), LAG_SECONDS):
            await self._list()
        await self._tell_written()

    async def _change(
        self, method: str, name: str, body: Manifest, content_type: str
    ) -> Manifest | None:
        changed = await self._calls.find(method, f"{self._path}/{name}", body, content_type)
        return None if changed is None else await self._take_up(changed)

    async def _take_up(self, written: Manifest) -> Manifest:
        self.cache.put(written)
        await self._tell_written()
        return written

    async def _tell_written(self) -> None:
        if not await self._mark.tell_written():
            logger.warning("%s: other servers do not know of a write", self._key)

    # How far the cache is.

    async def _has_reached(self, mark: Mark) -> bool:
        if mark.origin != self._trusted:
            return False
        return await self.cache.wait_until(lambda: self.cache.version >= mark.version, LAG_SECONDS)

    async def _list(self) -> None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self.watch.list()
        except (ClusterError, TimeoutError) as error:
            logger.warning("GET %s: %s", self._path, error)
            raise StoreUnavailable("the Kubernetes API does not answer") from error

    def _trust(self, mark: Mark | None) -> None:
        """Note that the cache has all changes before this mark's origin: it was listed since."""
        if mark is None:
            return
        self._trusted = mark.origin
        if mark.version > self.cache.version:
            self._mark.disown(mark)
