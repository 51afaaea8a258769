"""The RuntimeJobs of a namespace as they were last seen. Polls are answered from here.

``resource_watch`` keeps it; the store adds what the API server answered to its own writes, so that
a client's next read sees them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qiskit_runtime.contract.runtimejob import NotARuntimeJob, RuntimeJob, parse_runtimejob

Manifest = dict[str, Any]

TOMBSTONE_SECONDS = 600.0
"""For how long a deleted job is remembered, so that no answer under way brings it back."""

logger = logging.getLogger(__name__)


class JobCache:
    """Jobs by their names; a newer version is never replaced by an older one."""

    def __init__(self) -> None:
        self._jobs: dict[str, RuntimeJob] = {}
        self._tombstones: dict[str, float] = {}
        self._malformed: set[str] = set()
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    def find(self, name: str) -> RuntimeJob | None:
        """The job of this name."""
        return self._jobs.get(name)

    def newest_first(self) -> list[RuntimeJob]:
        """All jobs, in the order of listings."""
        return sorted(self._jobs.values(), key=_age, reverse=True)

    @property
    def count(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    @property
    def stored_bytes(self) -> int:
        """What all jobs' parameters and records take of the storage budget."""
        return sum(found.stored_bytes for found in self._jobs.values())

    def put(self, manifest: Manifest) -> None:
        """Take up a version of a job, unless it is an old one or no job."""
        uid = manifest["metadata"]["uid"]
        try:
            found = parse_runtimejob(manifest)
        except NotARuntimeJob as error:
            if uid not in self._malformed:
                logger.warning("RuntimeJob %s is left out: %s", manifest["metadata"]["name"], error)
            self._malformed.add(uid)
            return
        known = self._jobs.get(found.job.id)
        if uid in self._tombstones or (known and _version(known) >= _version(found)):
            return
        self._jobs[found.job.id] = found
        self._tell(found.job.id)

    def drop(self, manifest: Manifest) -> None:
        """Forget a job that was deleted, for good: older news of it change nothing."""
        metadata = manifest["metadata"]
        self.bury(metadata["name"], metadata["uid"])

    def bury(self, name: str, uid: str) -> None:
        """The same by name and uid. Another job of its name is left alone."""
        now = time.monotonic()
        # In the order in which they came; the oldest go.
        while self._tombstones:
            oldest = next(iter(self._tombstones))
            if now - self._tombstones[oldest] < TOMBSTONE_SECONDS:
                break
            del self._tombstones[oldest]
        self._tombstones.setdefault(uid, now)
        self._malformed.discard(uid)
        known = self._jobs.get(name)
        if known and known.uid == uid:
            del self._jobs[name]
            self._tell(name)

    def keep_only(self, uids: set[str], version: int) -> None:
        """Forget the jobs that a list of this version does not have."""
        for name, known in list(self._jobs.items()):
            if known.uid not in uids and _version(known) <= version:
                self.bury(name, known.uid)

    @contextmanager
    def listening(self, name: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake`` at each change of the job of this name."""
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


def _version(found: RuntimeJob) -> int:
    return int(found.resource_version)


def _age(found: RuntimeJob) -> tuple[int, str]:
    return found.job.sequence, found.job.id
