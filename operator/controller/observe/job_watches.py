"""The watches of RuntimeJobs and of what runs them: they fill the view, and name what has changed.

kopf brings the kinds that people make a few of (``main``). Of these here there are thousands, ended
ones too, and kopf copies an object at each change, keeps a memory of it, and lists a kind in one
answer; its indexing takes a time that grows with the square of their number.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.resources.resource import JOB_LABEL, WARM_LABEL, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.host.backoff import Backoff

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Bounds of the seconds between two attempts to list what jobs run on."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The functions that are told of changes, by the name of a RuntimeJob or session, or a pod."""

    job: Callable[[str], None]
    session: Callable[[str], None]
    pool: Callable[[], None]
    pod: Callable[[Manifest], None]


@dataclass(slots=True)
class WatchedKind:
    """One kind as its watch keeps it (``watch.WatchedCache``): in ``cache``, by these three calls.

    ``forget`` gets the key of an object that went while nobody watched.
    """

    cache: ResourceCache[Any]
    put: Callable[[Manifest], None]
    drop: Callable[[Manifest], None]
    forget: Callable[[str], None]
    version: int = 0

    def keep_only(self, uids: set[str], version: int) -> None:
        """Forget the objects that a list of this version does not have."""
        for key, known in self.cache.observed():
            if known.uid not in uids and known.version <= version:
                self.forget(key)

    def clear(self) -> None:
        """Forget all: the cluster counts versions from the start again, as after a restore."""
        for key, _ in self.cache.observed():
            self.forget(key)
        self.version = 0

    def advance(self, version: int) -> None:
        """Note that all changes up to this version are known.

        The cache is not told: it goes on to take older versions of objects that it lacks, as the
        resync may find one that a watch has left out.
        """
        self.version = max(self.version, version)


class JobWatches:
    """The three watches of one namespace; ``complete`` is set once the view has all that is there.

    That is also what jobs run on: programs, backends and sessions, which kopf lists later.
    """

    def __init__(self, cluster: JobCluster, view: ClusterView, listeners: Listeners) -> None:
        self._cluster, self._view, self._tell = cluster, view, listeners
        self.complete = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._list_runnables()
        watches = self._cluster.make_watches(*self.make_kinds())
        async with asyncio.TaskGroup() as group:
            for watch in watches:
                group.create_task(watch.run())
            for watch in watches:
                await watch.synced.wait()
            self.complete.set()

    def make_kinds(self) -> tuple[WatchedKind, WatchedKind, WatchedKind]:
        """Return RuntimeJobs, Kubernetes Jobs and pods as their watches keep them."""
        view = self._view
        return (
            WatchedKind(
                view.runtimejobs, self.put_runtimejob, self.drop_runtimejob, self.forget_runtimejob
            ),
            WatchedKind(view.jobs, self.put_job, self.drop_job, self.forget_job),
            WatchedKind(view.pods, self.put_pod, self.drop_pod, self.forget_pod),
        )

    async def _list_runnables(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                await self._cluster.list_runnables(
                    self._view.programs.put, self._view.backends.put, self._view.sessions.put
                )
            except ClusterError as error:
                logger.warning("what jobs run on is not known yet: %s", error)
                await asyncio.sleep(backoff.next_seconds())
            else:
                return

    # RuntimeJobs.

    def put_runtimejob(self, manifest: Manifest) -> None:
        """Take up a RuntimeJob as it is now."""
        self._view.put_runtimejob(manifest)
        name = manifest["metadata"]["name"]
        self._tell_of_runtimejob(name, self._view.find_job(name))

    def drop_runtimejob(self, manifest: Manifest) -> None:
        """Forget a RuntimeJob that was deleted."""
        name = manifest["metadata"]["name"]
        known = self._view.find_job(name)
        self._view.runtimejobs.drop(manifest)
        self._tell_of_runtimejob(name, known)

    def forget_runtimejob(self, name: str) -> None:
        """Forget a RuntimeJob that is gone."""
        known = self._view.find_job(name)
        self._view.runtimejobs.discard(name)
        self._tell_of_runtimejob(name, known)

    def _tell_of_runtimejob(self, name: str, job: RuntimeJob | None) -> None:
        self._tell.job(name)
        if job is not None and (session := job.job.spec.session_id):
            self._tell.session(session)

    # Kubernetes Jobs.

    def put_job(self, manifest: Manifest) -> None:
        """Take up a Kubernetes Job as it is now."""
        self._view.put_job(manifest)
        self._tell_of_job(manifest)

    def drop_job(self, manifest: Manifest) -> None:
        """Forget a Kubernetes Job that was deleted."""
        self._view.drop_job(manifest)
        self._tell_of_job(manifest)

    def forget_job(self, name: str) -> None:
        """Forget a Kubernetes Job that is gone."""
        known = self._view.jobs.find(name)
        self._view.jobs.discard(name)
        self._tell.pool()
        if known is not None and known.runtimejob:
            self._tell.job(known.runtimejob)

    def _tell_of_job(self, manifest: Manifest) -> None:
        labels = manifest["metadata"].get("labels", {})
        if WARM_LABEL in labels:
            self._tell.pool()
        if runtimejob := labels.get(JOB_LABEL):
            self._tell.job(runtimejob)

    # Pods.

    def put_pod(self, manifest: Manifest) -> None:
        """Take up a runner's pod as it is now."""
        self._view.pods.put(manifest)
        self._tell_of_pod(manifest)

    def drop_pod(self, manifest: Manifest) -> None:
        """Forget a pod that was deleted."""
        self._tell_of_pod(manifest)
        self._view.drop_pod(manifest)

    def forget_pod(self, key: str) -> None:
        """Forget a pod that is gone, of the Kubernetes Job of this name."""
        known, run = self._view.pods.find(key), self._view.jobs.find(key)
        self._view.pods.discard(key)
        self._tell.pool()
        if runtimejob := (known and known.runtimejob) or (run and run.runtimejob):
            self._tell.job(runtimejob)

    def _tell_of_pod(self, manifest: Manifest) -> None:
        self._tell.pod(manifest)
        if runtimejob := self._view.name_job_of(manifest):
            self._tell.job(runtimejob)
