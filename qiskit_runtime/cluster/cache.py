"""A cache of the objects of one kind in a namespace, each in the newest version observed.

``watch`` fills it, for the API, which answers polls from it, and for the operator.
Versions are those of Kubernetes (``resourceVersion``), integers that count the changes of all
objects of a kind (KEP-5504).
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from qiskit_runtime.contract.resources.resource import Manifest

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observed(Generic[T]):
    """A version of an object; ``value`` is None where it could not be parsed."""

    uid: str
    version: int
    is_deleted: bool
    """Its deletion was requested; another object of its key may come."""
    value: T | None

    def is_replaced_by(self, uid: str, version: int, *, is_deleted: bool) -> bool:
        """Return whether this other version of an object of the same key is shown from now on."""
        if uid != self.uid and is_deleted != self.is_deleted:
            # A predecessor on its way out changes still, but its successor is the one in use.
            return self.is_deleted
        return version > self.version


def read_name(manifest: Manifest) -> str:
    """Return the object's name."""
    name: str = manifest["metadata"]["name"]
    return name


class ResourceCache(Generic[T]):
    """Objects by their keys.

    ``parse`` makes a value of a manifest; one that it raises an error for is kept as malformed.
    ``make_key`` gives the key of an object, its name as a rule. ``group_of`` names the group that
    an object belongs to, if any: those of one are found without a look at all the others.
    ``swapped`` is called with an object as it was and as it is now, for totals; None is one that
    does not exist.
    """

    def __init__(
        self,
        parse: Callable[[Manifest], T],
        make_key: Callable[[Manifest], str] = read_name,
        group_of: Callable[[T], str] = lambda _: "",
        swapped: Callable[[T | None, T | None], None] = lambda *_: None,
    ) -> None:
        self._parse = parse
        self.make_key = make_key
        self._group_of = group_of
        self._swapped = swapped
        self._observed: dict[str, Observed[T]] = {}
        self._groups: dict[str, dict[str, T]] = {}
        """By group: its objects by their keys."""
        self._listeners: dict[str, set[Callable[[], None]]] = {}
        self._moved = asyncio.Event()
        self.version = 0
        """All changes up to this version are known; 0 where nobody can say so."""
        self.newest = 0
        """The newest change that a read may show: other servers have to reach it as well."""

    def find(self, key: str) -> T | None:
        """Return the object of this key; None where it does not exist or is malformed."""
        observed = self._observed.get(key)
        return observed.value if observed else None

    def all(self) -> list[T]:
        """Return every object that is not malformed."""
        return [one.value for one in self._observed.values() if one.value is not None]

    def group(self, name: str) -> list[T]:
        """Return the objects of a group."""
        return list(self._groups.get(name, {}).values())

    def observed(self) -> list[tuple[str, Observed[T]]]:
        """Return every object with its key, malformed ones too."""
        return list(self._observed.items())

    def holds(self, key: str, uid: str | None = None) -> bool:
        """Return whether an object of this key, and of this uid, exists, malformed or not."""
        observed = self._observed.get(key)
        return observed is not None and uid in (None, observed.uid)

    def put(self, manifest: Manifest) -> None:
        """Take up a version of an object. One that is older than what is known changes nothing."""
        metadata, key = manifest["metadata"], self.make_key(manifest)
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        is_deleted = "deletionTimestamp" in metadata
        known = self._observed.get(key)
        # Up to self.version all is known: an object that is missing was deleted since.
        if version <= self.version:
            return
        if known and not known.is_replaced_by(uid, version, is_deleted=is_deleted):
            return
        value, error = self._try_parse(manifest)
        if error and (known is None or known.uid != uid or known.value is not None):
            kind, name = manifest.get("kind", ""), metadata["name"]
            words = error if isinstance(error, ValueError) else repr(error)
            logger.warning("%s %s is left out: %s", kind, name, words)
        self._swap(key, known.value if known else None, value)
        self._observed[key] = Observed(uid, version, is_deleted, value)
        self.newest = max(self.newest, version)
        self._notify(key)

    def read(self, manifest: Manifest) -> T | None:
        """Return the object that a manifest describes; None where it is malformed."""
        return self._try_parse(manifest)[0]

    def _try_parse(self, manifest: Manifest) -> tuple[T | None, Exception | None]:
        try:
            return self._parse(manifest), None
        except Exception as error:  # noqa: BLE001  (whatever it is, it must not hold up the others)
            return None, error

    def drop(self, manifest: Manifest) -> None:
        """Remove an object that was deleted. Another one of its key stays."""
        metadata, key = manifest["metadata"], self.make_key(manifest)
        self.newest = max(self.newest, int(metadata["resourceVersion"]))
        self.discard(key, metadata["uid"])

    def discard(self, key: str, uid: str | None = None) -> None:
        """Remove the object of this key, if it has this uid; None is any."""
        if self.holds(key, uid):
            self._swap(key, self._observed[key].value, None)
            del self._observed[key]
            self._notify(key)

    def _swap(self, key: str, known: T | None, value: T | None) -> None:
        self._swapped(known, value)
        before = self._group_of(known) if known is not None else ""
        after = self._group_of(value) if value is not None else ""
        if before and before != after:
            del self._groups[before][key]
            if not self._groups[before]:
                del self._groups[before]
        if after and value is not None:
            self._groups.setdefault(after, {})[key] = value

    def keep_only(self, uids: set[str], version: int) -> None:
        """Remove the objects that a list of this version does not have."""
        for key, observed in self.observed():
            if observed.uid not in uids and observed.version <= version:
                # Its deletion has an unknown version of at most this one.
                self.newest = max(self.newest, version)
                self.discard(key)

    def clear(self) -> None:
        """Remove all: the cluster counts versions from the start again, as after a restore."""
        self.version = self.newest = 0
        for key in list(self._observed):
            self.discard(key)

    def advance(self, version: int) -> None:
        """Note that all changes up to this version are known."""
        if version > self.version:
            self.version = version
            self._moved.set()
            self._moved = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds, for at most so long; return whether it does."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True

    @contextmanager
    def listening(self, key: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` at each change of the object of this key."""
        self._listeners.setdefault(key, set()).add(wake)
        try:
            yield
        finally:
            self._listeners[key].discard(wake)
            if not self._listeners[key]:
                del self._listeners[key]

    def _notify(self, key: str) -> None:
        for wake in self._listeners.get(key, ()):
            wake()
