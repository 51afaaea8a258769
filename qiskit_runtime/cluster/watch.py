"""The watch that keeps a cache of one kind: a list, then a watch that resumes where it broke off.

A watch can fall silent without breaking off, so the server is asked to end it each minute, and
one that is not ended in time is given up.
"""

import asyncio
import json
import logging
import math
import time
from typing import Protocol

from qiskit_runtime.cluster.client import (
    PAGE,
    ClusterApi,
    ClusterError,
    Expired,
    NotFound,
    make_error,
)
from qiskit_runtime.cluster.shared_call import SharedCall
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.host.backoff import Backoff

SERVER_SECONDS = 60
"""After how long the API server is to end a watch."""

CLIENT_SECONDS = 75.0
"""After how long a watch that was not ended is given up as silent."""

FRESH_SECONDS = 90.0
"""For how long a cache counts as fresh after a list, an event, or the end of a good watch."""

RELIST_FAILURES = 3
"""After how many failures in a row the version is doubted, and all is listed again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Bounds of the seconds between attempts."""

logger = logging.getLogger(__name__)


class WatchedCache(Protocol):
    """A cache as a watch keeps it; its calls are described at ``cache.ResourceCache``."""

    version: int

    def put(self, manifest: Manifest) -> None:
        """Take up a version of an object."""

    def drop(self, manifest: Manifest) -> None:
        """Remove an object that was deleted."""

    def keep_only(self, uids: set[str], version: int) -> None:
        """Remove the objects that a list of this version does not have."""

    def clear(self) -> None:
        """Remove all."""

    def advance(self, version: int) -> None:
        """Note that all changes up to this version are known."""


class ResourceWatch:
    """Keeps ``cache`` equal to the objects at ``path`` that have the ``label``, if it names one."""

    def __init__(self, api: ClusterApi, path: str, cache: WatchedCache, *, label: str = "") -> None:
        self._api = api
        self._path = path
        self._cache = cache
        self._selector = {"labelSelector": label} if label else {}
        self._version = ""
        self._heard = -math.inf
        self._opened = math.inf
        self.list = SharedCall(self._list)
        """List all objects into the cache; raises ClusterError."""
        self.synced = asyncio.Event()
        """Set once all objects were listed."""
        self.answered = asyncio.Event()
        """Set once they were, or the API server has said that it knows no such kind."""

    @property
    def is_fresh(self) -> bool:
        """Return whether the cache is complete and its watch has shown a sign of life lately."""
        return self.synced.is_set() and time.monotonic() - self._heard < FRESH_SECONDS

    async def run(self) -> None:
        """Keep the cache until cancelled."""
        try:
            await self._run()
        finally:
            await self.list.cancel()

    async def _run(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            self._opened = math.inf
            try:
                if not self._version:
                    self._version = await self.list()
                await self._watch()
                if self._note_end(backoff):
                    continue
                # A watch that ends at once is no better than one that fails.
            except ClusterError as error:
                # It may have been a good one until now, which a proxy has cut off, say.
                self._note_end(backoff)
                self._note_failure(error, backoff.failures + 1)
            except TimeoutError as error:
                # A silent watch has failed, however long it was open.
                self._note_failure(error, backoff.failures + 1)
            except Exception:
                # Whatever one answer brings, the next may be good, and nobody would notice the end
                # of this task.
                logger.exception("watching %s", self._path)
                self._version = ""
            await asyncio.sleep(backoff.next_seconds())

    def _note_end(self, backoff: Backoff) -> bool:
        """Return whether the watch that is over was a good one: answered, and not ended at once.

        The API server was there until now, then, and the pauses begin anew.
        """
        is_good = time.monotonic() - self._opened > 1
        if is_good:
            self._heard = time.monotonic()
            backoff.reset()
        return is_good

    async def _list(self) -> str:
        uids = set[str]()
        query = {"limit": str(PAGE), **self._selector}
        known = self._cache.version
        while True:
            page = await self._api.call("GET", self._path, query=query)
            version = int(page["metadata"]["resourceVersion"])
            if version < known:
                self._cache.clear()
                known = 0
            for manifest in page["items"]:
                self._cache.put(manifest)
                uids.add(manifest["metadata"]["uid"])
            if not (rest := page["metadata"].get("continue")):
                break
            query["continue"] = rest
        self._cache.keep_only(uids, version)
        self._cache.advance(version)
        self._heard = time.monotonic()
        self.synced.set()
        self.answered.set()
        return str(version)

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(SERVER_SECONDS),
            **self._selector,
        }
        async with (
            asyncio.timeout(CLIENT_SECONDS),
            self._api.open_stream(self._path, **query) as pieces,
        ):
            # This is no sign of life: a watch that will be silent is opened as well.
            self._opened = time.monotonic()
            rest = b""
            async for piece in pieces:
                self._heard = time.monotonic()
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, event: Manifest) -> None:
        manifest = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self._cache.put(manifest)
            case "DELETED":
                self._cache.drop(manifest)
            case "ERROR":
                raise make_error(manifest.get("code", 0), "the watch ended", str(manifest))
        self._version = manifest["metadata"]["resourceVersion"]
        self._cache.advance(int(self._version))

    def _note_failure(self, error: Exception, failures: int) -> None:
        if isinstance(error, NotFound):
            self.answered.set()
        is_expired = isinstance(error, Expired)
        if is_expired or failures >= RELIST_FAILURES:
            self._version = ""
        if not is_expired:
            logger.warning("watching %s: %s", self._path, str(error) or "it is silent")
