"""The resources of one kind in a namespace as they were last seen. Polls are answered from here.

``resource_watch`` keeps it; ``watched_kind`` adds what the API server answered to this server's
own calls. Versions are those of Kubernetes (``resourceVersion``), integers that count the changes
of all resources of a kind (KEP-5504).
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Manifest = dict[str, Any]
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """A resource in one version; ``value`` is None where it is malformed."""

    uid: str
    version: int
    value: T | None


class ResourceCache(Generic[T]):
    """Resources by their names; ``parse`` reads a manifest, or raises ValueError."""

    def __init__(self, parse: Callable[[Manifest], T]) -> None:
        self._parse = parse
        self._seen: dict[str, Seen[T]] = {}
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self._moved = asyncio.Event()
        self.version = 0
        """All changes up to this one are known."""
        self.newest = 0
        """The newest change that reads may show; what others have to know to show no less."""

    def find(self, name: str) -> T | None:
        """The resource of this name."""
        seen = self._seen.get(name)
        return seen.value if seen else None

    def all(self) -> list[T]:
        """Every resource that is not malformed."""
        return [seen.value for seen in self._seen.values() if seen.value is not None]

    def holds(self, name: str, uid: str | None = None) -> bool:
        """Whether there is a resource of this name, malformed or not, and with this uid."""
        seen = self._seen.get(name)
        return seen is not None and uid in (None, seen.uid)

    def put(self, manifest: Manifest) -> None:
        """Take up a version of a resource, unless it is old news."""
        metadata = manifest["metadata"]
        name, uid, version = metadata["name"], metadata["uid"], int(metadata["resourceVersion"])
        known = self._seen.get(name)
        # Up to self.version all is known: what is missing was deleted since.
        if version <= self.version or (known and version <= known.version):
            return
        try:
            value = self._parse(manifest)
        except ValueError as error:
            value = None
            if known is None or known.uid != uid or known.value is not None:
                logger.warning("%s %s is left out: %s", manifest.get("kind", ""), name, error)
        self._seen[name] = Seen(uid, version, value)
        self.newest = max(self.newest, version)
        self._tell(name)

    def drop(self, manifest: Manifest) -> None:
        """Forget a resource that was deleted. Another one of its name is left alone."""
        metadata = manifest["metadata"]
        self.newest = max(self.newest, int(metadata["resourceVersion"]))
        if self.holds(metadata["name"], metadata["uid"]):
            del self._seen[metadata["name"]]
            self._tell(metadata["name"])

    def keep_only(self, uids: set[str], version: int) -> None:
        """Forget what a list of this version does not have."""
        gone = [
            name
            for name, seen in self._seen.items()
            if seen.uid not in uids and seen.version <= version
        ]
        for name in gone:
            # Its deletion has an unknown version of at most this one.
            self.newest = max(self.newest, version)
            del self._seen[name]
            self._tell(name)

    def clear(self) -> None:
        """Forget all: the cluster's count of versions began anew, as after a restored backup."""
        names = list(self._seen)
        self._seen.clear()
        self.version = self.newest = 0
        for name in names:
            self._tell(name)

    def advance(self, version: int) -> None:
        """Note that all changes up to this version are known."""
        if version > self.version:
            self.version = version
            self._moved.set()
            self._moved = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until it holds, for at most so long; returns whether it does."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    @contextmanager
    def listening(self, name: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` at each change of the resource of this name."""
        self._listeners.setdefault(name, set()).add(wake)
        try:
            yield
        finally:
            self._listeners[name].discard(wake)
            if not self._listeners[name]:
                del self._listeners[name]

    def _tell(self, name: str) -> None:
        for wake in self._listeners.get(name, ()):
            wake()
