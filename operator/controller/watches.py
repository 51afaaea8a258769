"""The watches of all kinds: what they bring goes into the view, and whoever it concerns is told.

``main`` runs them. kopf would watch too, and is too slow for thousands of jobs, ended ones among
them: it copies an object at each change, keeps a memory of it, and lists a kind in one answer; its
index takes a time that grows with the square of the number of objects.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from controller.observe.objects import KubernetesJob, Pod
from controller.warm_pool import WarmPool
from controller.workers import Workers
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.watch import WatchedCache
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob

T = TypeVar("T")


@dataclass(slots=True)
class KindInView(Generic[T]):
    """One kind as its watch keeps it (``watch.WatchedCache``): in ``cache``, by these three calls.

    ``forget`` gets the key of an object that went while nobody watched. ``tell`` gets the key of
    an object that has come, changed or gone, and the object; None is one that can't be read.
    ``is_resynced`` says that a resync repairs what a watch has left out.
    """

    restored: asyncio.Event
    """Set when the versions count from the start again, as after a restore from a backup."""
    is_resynced: bool
    cache: ResourceCache[T]
    take: Callable[[Manifest], None]
    lose: Callable[[Manifest], None]
    forget: Callable[[str], None]
    tell: Callable[[str, T | None], None]
    version: int = 0

    def put(self, manifest: Manifest) -> None:
        """Take up a version of an object."""
        self.take(manifest)
        key = self.cache.make_key(manifest)
        self.tell(key, self.cache.find(key))

    def drop(self, manifest: Manifest) -> None:
        """Remove an object that was deleted."""
        known = self.cache.read(manifest)
        self.lose(manifest)
        self.tell(self.cache.make_key(manifest), known)

    def keep_only(self, uids: set[str], version: int) -> None:
        """Remove the objects that a list of this version does not have."""
        for key, known in self.cache.observed():
            if known.uid not in uids and known.version <= version:
                self.forget(key)
                self.tell(key, known.value)

    def clear(self) -> None:
        """Note that the cluster was restored: this view is of another one."""
        self.restored.set()
        self.version = 0

    def advance(self, version: int) -> None:
        """Note that all changes up to this version are known.

        The cache takes no older version of an object that it lacks then: it was deleted. The one of
        a resynced kind is not told, as the resync may find what the watch has left out.
        """
        self.version = max(self.version, version)
        if not self.is_resynced:
            self.cache.advance(version)


class ClusterRestored(Exception):
    """The cluster was restored from a backup: what the view has is of another one."""


class ClusterWatches:
    """The watches of one namespace; ``complete`` is set once the view has all that is there.

    Until then the workers of jobs, sessions and the pool are held: a step that knows half of the
    cluster would decide wrongly.
    """

    def __init__(
        self,
        cluster: JobCluster,
        view: ClusterView,
        jobs: Workers,
        sessions: Workers,
        programs: Workers,
        pool: WarmPool,
    ) -> None:
        self._cluster, self._view = cluster, view
        self._jobs, self._sessions, self._programs = jobs, sessions, programs
        self._pool = pool
        self.complete, self._restored = asyncio.Event(), asyncio.Event()
        for workers in (jobs, sessions, pool.workers):
            workers.hold()

    async def run(self) -> None:
        """Watch until cancelled.

        Raises:
            ExceptionGroup: the cluster was restored from a backup, so that the operator has to
                start again: a step would be taken by what was.
        """
        watches = self._cluster.make_watches(*self.make_kinds())
        async with asyncio.TaskGroup() as group:
            for watch in watches:
                group.create_task(watch.run())
            for watch in watches:
                await watch.answered.wait()
            self.complete.set()
            await self._begin()
            await self._restored.wait()
            raise ClusterRestored("the cluster counts its versions from the start again")

    async def _begin(self) -> None:
        """Take the first steps: of jobs that have not ended, and in their order, before others."""
        if self._pool.is_on:
            self._pool.wake()
        await self._pool.workers.release()
        await self._jobs.release(self._view.find_place)
        await self._sessions.release()

    def make_kinds(self) -> tuple[WatchedCache, ...]:
        """Return all kinds as their watches keep them, in the order of ``make_watches``."""
        view = self._view
        jobs, runs, pods = view.runtimejobs, view.jobs, view.pods
        resynced: Sequence[tuple[Any, ...]] = (
            (jobs, view.put_runtimejob, jobs.drop, jobs.discard, self._tell_of_job),
            (runs, view.put_job, view.drop_job, view.forget_job, self._tell_of_run),
            (pods, pods.put, view.drop_pod, pods.discard, self._tell_of_pod),
        )
        others: Sequence[tuple[ResourceCache[Any], Callable[[str, Any], None]]] = (
            (view.programs, lambda name, _: self._programs.enqueue(name)),
            (view.backends, lambda *_: None),
            (view.sessions, self._tell_of_session),
        )
        return (
            *(KindInView(self._restored, True, *one) for one in resynced),
            *(
                KindInView(self._restored, False, kind, kind.put, kind.drop, kind.discard, tell)
                for kind, tell in others
            ),
        )

    def _tell_of_job(self, name: str, job: RuntimeJob | None) -> None:
        self._jobs.enqueue(name)
        if job is not None and (session := job.job.spec.session_id):
            self._sessions.enqueue(session)

    def _tell_of_run(self, _: str, run: KubernetesJob | None) -> None:
        if run is None:
            return
        if run.template_digest:
            self._pool.wake()
        if run.runtimejob:
            self._jobs.enqueue(run.runtimejob)

    def _tell_of_pod(self, _: str, pod: Pod | None) -> None:
        if pod is None:
            return
        self._pool.note_pod(pod)
        if name := self._view.name_job_of(pod):
            self._jobs.enqueue(name)

    def _tell_of_session(self, name: str, _: object) -> None:
        self._sessions.enqueue(name)
        self._pool.note_session()
