"""The watched objects of one namespace, parsed, each in the newest version that was seen.

``main`` fills it from kopf's watches, and the operator adds the answers of its own calls. It is
complete before the first job is reconciled, because kopf lists all kinds before it calls the first
handler. Nothing here asks the API server.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from controller.observe.objects import KubernetesJob, Pod
from controller.observe.parse import parse_job, parse_pod
from controller.observe.runnables import (
    WatchedBackend,
    WatchedProgram,
    parse_backend,
    parse_program,
)
from qiskit_runtime.contract.resources.resource import Manifest
from qiskit_runtime.contract.resources.runtimejob import (
    NotARuntimeJob,
    RuntimeJob,
    is_final_status,
    parse_runtimejob,
)

Versions = dict[str, tuple[str, int]]
"""By UID: the name of the RuntimeJob that an object is or belongs to, and the object's version."""

logger = logging.getLogger(__name__)


class Watched(Protocol):
    """The properties of any object that is watched."""

    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def is_deleted(self) -> bool: ...


T = TypeVar("T", bound=Watched)


class WatchedKind(Generic[T]):
    """The objects of one kind, by a key of theirs."""

    def __init__(
        self, parse: Callable[[Manifest], T], key: Callable[[T], str] = lambda one: one.name
    ) -> None:
        self._parse = parse
        self._key = key
        self._objects: dict[str, T] = {}

    def get(self, key: str) -> T | None:
        """Return the object of this key."""
        return self._objects.get(key)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects.values()))

    def put(self, manifest: Manifest) -> T:
        """Take up a newer version; an older one, which a slow watch may bring, changes nothing.

        Nor does another object of the same key that is being deleted: it is a predecessor.
        """
        found = self._parse(manifest)
        key = self._key(found)
        known = self._objects.get(key)
        is_newer = (
            known is None
            or (known.uid == found.uid and known.version <= found.version)
            or (known.uid != found.uid and not found.is_deleted)
        )
        if is_newer:
            self._objects[key] = found
        return found

    def drop(self, manifest: Manifest) -> T:
        """Forget an object that was deleted, unless another one of its key has come."""
        found = self._parse(manifest)
        self.discard(found)
        return found

    def discard(self, found: T) -> None:
        """Forget an object."""
        known = self._objects.get(self._key(found))
        if known is not None and known.uid == found.uid:
            del self._objects[self._key(found)]


@dataclass(frozen=True, slots=True)
class MalformedJob:
    """A RuntimeJob that the CRD of this version would not admit: it is left alone."""

    name: str
    uid: str
    version: int
    is_deleted: bool
    error: str


class ClusterView:
    """The objects of one namespace by their names; a pod by that of its Kubernetes Job.

    The Job's name follows from the RuntimeJob's UID: a job that was deleted and made again has
    another Job, and never takes its predecessor's pod for its own.

    ``on_started`` is called with the name of each RuntimeJob that is seen to have been started and
    not to have ended.
    """

    def __init__(self, on_started: Callable[[str], None] = lambda _: None) -> None:
        self._on_started = on_started
        self.runtimejobs: WatchedKind[RuntimeJob | MalformedJob] = WatchedKind(_parse_runtimejob)
        self.jobs: WatchedKind[KubernetesJob] = WatchedKind(parse_job)
        self.pods: WatchedKind[Pod] = WatchedKind(parse_pod, lambda pod: pod.job_name)
        self.programs: WatchedKind[WatchedProgram] = WatchedKind(parse_program)
        self.backends: WatchedKind[WatchedBackend] = WatchedKind(parse_backend)
        self.unused_pods: dict[str, set[str]] = {}
        """By Kubernetes Job: the names of its pods that are gone and never started anything."""

    def find_job(self, name: str) -> RuntimeJob | None:
        """Return the RuntimeJob of this name; None also where it is malformed."""
        found = self.runtimejobs.get(name)
        return found if isinstance(found, RuntimeJob) else None

    def is_malformed(self, name: str) -> bool:
        """Return whether there is a RuntimeJob of this name that can't be read."""
        return isinstance(self.runtimejobs.get(name), MalformedJob)

    def all_jobs(self) -> list[RuntimeJob]:
        """Return every RuntimeJob that is not malformed."""
        return [job for job in self.runtimejobs if isinstance(job, RuntimeJob)]

    def find_run(self, job: RuntimeJob) -> tuple[KubernetesJob | None, Pod | None]:
        """Return the Kubernetes Job and the pod that run a RuntimeJob."""
        run = self.jobs.get(job.run_name)
        is_own = run is not None and job.uid in run.owners
        return run if is_own else None, self.pods.get(job.run_name)

    def was_started(self, job: RuntimeJob) -> bool:
        """Return whether there is or was a Kubernetes Job of it."""
        return bool(job.job_name) or self.find_run(job)[0] is not None

    def put_runtimejob(self, manifest: Manifest) -> None:
        """Take up a RuntimeJob as it is now."""
        self._note_start(self.runtimejobs.put(_trim(manifest)).name)

    def put_job(self, manifest: Manifest) -> None:
        """Take up a Kubernetes Job as it is now."""
        self._note_start(self.jobs.put(manifest).runtimejob)

    def _note_start(self, name: str) -> None:
        job = self.find_job(name)
        if job is not None and not job.is_final and self.was_started(job):
            self._on_started(name)

    def drop_job(self, manifest: Manifest) -> None:
        """Forget a Kubernetes Job that was deleted, and which of its pods never started."""
        self.unused_pods.pop(self.jobs.drop(manifest).name, None)

    def drop_pod(self, manifest: Manifest) -> None:
        """Forget a pod that was deleted; remember it if it is certain that it never started."""
        pod = parse_pod(manifest)
        known = self.pods.get(pod.job_name) or pod
        if pod.is_known_unused and known.never_ran:
            self.unused_pods.setdefault(pod.job_name, set()).add(pod.name)
        self.pods.discard(pod)

    def versions(self) -> Versions:
        """Return the versions of all that is known of RuntimeJobs."""
        found = {job.uid: (job.name, job.version) for job in self.runtimejobs}
        for one in (*self.jobs, *self.pods):
            found[one.uid] = (one.runtimejob, one.version)
        return found

    def replace(
        self, name: str, runtimejob: Manifest | None, job: Manifest | None, pod: Manifest | None
    ) -> None:
        """Take up the API server's answers for a RuntimeJob; an object without answer is gone."""
        there = {found["metadata"]["uid"] for found in (runtimejob, job, pod) if found is not None}
        known = self.runtimejobs.get(name)
        if known is not None and known.uid not in there:
            self.runtimejobs.discard(known)
        for run in self.jobs:
            if run.runtimejob == name and run.uid not in there:
                self.jobs.discard(run)
        for runner in self.pods:
            if runner.runtimejob == name and runner.uid not in there:
                self.pods.discard(runner)
        if runtimejob is not None:
            self.put_runtimejob(runtimejob)
        if job is not None:
            self.put_job(job)
        if pod is not None:
            self.pods.put(pod)


def _parse_runtimejob(manifest: Manifest) -> RuntimeJob | MalformedJob:
    try:
        return parse_runtimejob(manifest)
    except NotARuntimeJob as error:
        metadata = manifest["metadata"]
        name, is_deleted = metadata["name"], "deletionTimestamp" in metadata
        logger.warning("runtimejob %s is left alone: %s", name, error)
        version = int(metadata["resourceVersion"])
        return MalformedJob(name, metadata["uid"], version, is_deleted, str(error))


def _trim(runtimejob: Manifest) -> Manifest:
    """Drop the long texts that the operator never reads: about 1,000 jobs are cached."""
    status = {key: value for key, value in runtimejob.get("status", {}).items() if key != "result"}
    spec = runtimejob.get("spec", {})
    if is_final_status(status):
        spec = {key: value for key, value in spec.items() if key != "params"}
    return {**runtimejob, "spec": spec, "status": status}
