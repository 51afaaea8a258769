"""Keeps the cache of one kind of resource: a list, then a watch that goes on where it broke off.

A watch can fall silent without breaking off, so the server is asked to end it each minute, and
one that is not ended in time is given up.
"""

import asyncio
import json
import logging
import math
import random
import time
from contextlib import aclosing
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import API_ERRORS, ClusterApi, describe_error
from qiskit_runtime.cluster.shared_call import SharedCall

Manifest = dict[str, Any]

SERVER_SECONDS = 60
"""After how long the API server is to end a watch."""

CLIENT_SECONDS = 75.0
"""After how long a watch that was not ended is given up: it is silent."""

FRESH_SECONDS = 90.0
"""For how long a cache is held to be true after something was heard."""

PAGE = 250
"""How many resources a list asks for at once; all at once would have to be held at once."""

RELIST_FAILURES = 3
"""After how many failures in a row the version is doubted, and all is listed anew."""

LONGEST_PAUSE = 10.0

_GONE = 410

logger = logging.getLogger(__name__)


class _WatchError(Exception):
    """The API server ended the watch with an error."""


class ResourceWatch:
    """Keeps ``cache`` as the resources at ``path`` are."""

    def __init__(self, api: ClusterApi, path: str, cache: ResourceCache[Any]) -> None:
        self._api = api
        self._path = path
        self._cache = cache
        self._version = ""
        self._heard = -math.inf
        self.list = SharedCall(self._list)
        """Ask Kubernetes for all resources as they are now; raises ``API_ERRORS``."""
        self.synced = asyncio.Event()
        """Set once all resources were listed."""

    @property
    def is_fresh(self) -> bool:
        """Whether the cache is complete, and something was heard of the API server lately."""
        return self.synced.is_set() and time.monotonic() - self._heard < FRESH_SECONDS

    async def run(self) -> None:
        """Keep the cache until cancelled."""
        failures = 0
        while True:
            try:
                if not self._version:
                    self._version = await self.list()
                begun = time.monotonic()
                await self._watch()
                # One that ends at once is no better than one that fails.
                failures = 0 if time.monotonic() - begun > 1 else failures + 1
            except (*API_ERRORS, _WatchError) as error:
                failures += 1
                self._note_failure(error, failures)
            except Exception:
                # Whatever one answer brings, the next may be good; a dead watch tells nobody.
                logger.exception("watching %s", self._path)
                failures += 1
                self._version = ""
            if failures:
                await asyncio.sleep(make_pause(failures))

    async def _list(self) -> str:
        uids = set[str]()
        query = {"limit": str(PAGE)}
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
        return str(version)

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(SERVER_SECONDS),
        }
        async with (
            asyncio.timeout(CLIENT_SECONDS),
            aclosing(self._api.stream(self._path, **query)) as pieces,
        ):
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
            case "ERROR" if manifest.get("code") == _GONE:
                raise ApiException(_GONE, "the watch's version is too old")
            case "ERROR":
                raise _WatchError(str(manifest)[:500])
        self._version = manifest["metadata"]["resourceVersion"]
        self._cache.advance(int(self._version))

    def _note_failure(self, error: Exception, failures: int) -> None:
        is_gone = isinstance(error, ApiException) and error.status == _GONE
        if is_gone or failures >= RELIST_FAILURES:
            self._version = ""
        if not is_gone:
            logger.warning("watching %s: %s", self._path, describe_error(error))


def make_pause(failures: int) -> float:
    """How long to wait after this many failures in a row; never the same for all who wait."""
    longest = min(LONGEST_PAUSE, 0.25 * 2.0**failures)
    return longest * random.uniform(0.5, 1)  # noqa: S311  (no secret)
