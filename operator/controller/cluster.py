"""The operator's calls to the Kubernetes API: RuntimeJobs and what runs them, in one namespace."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from operator import itemgetter

from qiskit_runtime.cluster.client import (
    MERGE_PATCH,
    METADATA_ONLY,
    PAGE,
    ClusterApi,
    Conflict,
    Unanswered,
)
from qiskit_runtime.cluster.watch import ResourceWatch, WatchedCache
from qiskit_runtime.contract.resources.backend import PLURAL as BACKENDS
from qiskit_runtime.contract.resources.resource import (
    API_VERSION,
    JOB_LABEL,
    WARM_LABEL,
    Manifest,
    is_name,
)
from qiskit_runtime.contract.resources.runtimejob import PLURAL, RuntimeJob
from qiskit_runtime.contract.resources.runtimeprogram import PLURAL as PROGRAMS
from qiskit_runtime.contract.resources.runtimesession import PLURAL as SESSIONS
from qiskit_runtime.contract.resources.runtimesession import RuntimeSession


class JobCluster:
    """The calls. All raise what ``ClusterApi.call`` raises.

    ``logs`` is a connection of its own: each running job holds one of its sockets.
    """

    def __init__(self, api: ClusterApi, logs: ClusterApi, namespace: str) -> None:
        self._api = api
        self._logs = logs
        core = f"/api/v1/namespaces/{namespace}"
        self._pods, self._secrets, self._events = (
            f"{core}/pods",
            f"{core}/secrets",
            f"{core}/events",
        )
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        resources = f"/apis/{API_VERSION}/namespaces/{namespace}"
        self._runtimejobs, self._programs = f"{resources}/{PLURAL}", f"{resources}/{PROGRAMS}"
        self._sessions, self._backends = f"{resources}/{SESSIONS}", f"{resources}/{BACKENDS}"

    def make_watches(self, *kinds: WatchedCache) -> list[ResourceWatch]:
        """Return the watches of RuntimeJobs, Kubernetes Jobs, pods, programs, backends, sessions.

        Of Kubernetes Jobs and pods they are those of RuntimeJobs, and those that wait for one.
        """
        watched = (
            (self._runtimejobs, ""),
            (self._jobs, JOB_LABEL),
            (self._pods, JOB_LABEL),
            (self._programs, ""),
            (self._backends, ""),
            (self._sessions, ""),
        )
        return [
            ResourceWatch(self._api, path, kind, label=label)
            for (path, label), kind in zip(watched, kinds, strict=True)
        ]

    async def get_runtimejob(self, name: str) -> Manifest | None:
        """Return the RuntimeJob of this name, or None."""
        return await self._api.find("GET", f"{self._runtimejobs}/{name}")

    async def get_job(self, name: str) -> Manifest | None:
        """Return the Kubernetes Job of this name, or None."""
        return await self._api.find("GET", f"{self._jobs}/{name}")

    async def find_jobs(self, selector: str) -> list[Manifest]:
        """Return the Kubernetes Jobs that this label selector chooses."""
        return await self._list(self._jobs, selector)

    async def find_pods(self, job: str) -> list[Manifest]:
        """Return the pods of the Kubernetes Job of this name, the newest first."""
        pods = await self._list(self._pods, f"job-name={job}")
        made = [(pod["metadata"]["creationTimestamp"], pod) for pod in pods]
        return [pod for _, pod in sorted(made, key=itemgetter(0), reverse=True)]

    async def find_warm(self) -> tuple[list[Manifest], list[Manifest]]:
        """Return the Kubernetes Jobs that were started ahead, claimed or not, and their pods."""
        return await self.find_jobs(WARM_LABEL), await self._list(self._pods, WARM_LABEL)

    async def _list(self, path: str, selector: str) -> list[Manifest]:
        found = await self._api.call("GET", path, query={"labelSelector": selector})
        items: list[Manifest] = found["items"]
        return items

    async def find_secret(self, name: str) -> Manifest | None:
        """Return the Secret of this name, or None."""
        return await self._api.find("GET", f"{self._secrets}/{name}")

    async def create_secret(self, manifest: Manifest) -> Manifest | None:
        """Create a Secret; returns None if there is one of its name."""
        try:
            return await self._api.call("POST", self._secrets, manifest)
        except Conflict:
            return None

    async def has_pod(self, name: str) -> bool:
        """Return whether there is a pod of this name."""
        return await self._api.find("GET", f"{self._pods}/{name}") is not None

    async def list_versions(self) -> dict[str, tuple[str, int]]:
        """Return by UID the RuntimeJob that an object is or belongs to, and its version."""
        versions: dict[str, tuple[str, int]] = {}
        async for metadata in self._list_metadata(self._runtimejobs):
            versions[metadata["uid"]] = (metadata["name"], int(metadata["resourceVersion"]))
        for path in (self._jobs, self._pods):
            async for metadata in self._list_metadata(path, labelSelector=JOB_LABEL):
                name = metadata["labels"][JOB_LABEL]
                versions[metadata["uid"]] = (name, int(metadata["resourceVersion"]))
        return versions

    async def _list_metadata(self, path: str, **query: str) -> AsyncIterator[Manifest]:
        """Yield the metadata of a kind's objects, a page in memory at a time.

        Those of one job's objects are 8 KB of text, and ten times as much as Python's objects.
        """
        query["limit"] = str(PAGE)
        while True:
            found = await self._api.call("GET", path, accept=METADATA_ONLY, query=dict(query))
            # An empty list of metadata is null.
            for item in found["items"] or ():
                yield item["metadata"]
            if not (rest := found.get("metadata", {}).get("continue")):
                return
            query["continue"] = rest

    async def create_job(self, manifest: Manifest) -> tuple[Manifest, bool]:
        """Create a Kubernetes Job; if one of its name and owner is there already, return that.

        Returns:
            The Job, and whether it was created by this call.
        """
        try:
            return await self._api.call("POST", self._jobs, manifest), True
        except Conflict:
            job = await self.get_job(manifest["metadata"]["name"])
            if job is None or not _same_owner(job, manifest):
                raise
            return job, False

    async def claim_job(self, name: str, claim: Manifest) -> Manifest:
        """Make a Kubernetes Job a RuntimeJob's, if it is still of the version that was seen.

        Returns:
            The Job as it is now, also where an answer was lost and it is this RuntimeJob's already.

        Raises:
            Conflict: it has changed since.
        """
        path = f"{self._jobs}/{name}"
        try:
            return await self._api.call("PATCH", path, claim, content_type=MERGE_PATCH)
        except Unanswered:
            job = await self.get_job(name)
            if job is None or not _same_owner(job, claim):
                raise
            return job

    async def delete_idle_job(self, name: str, uid: str, version: int) -> None:
        """Delete a Kubernetes Job that nobody has claimed.

        Raises:
            Conflict: it has changed since it was seen.
        """
        as_seen = {"uid": uid, "resourceVersion": str(version)}
        body = {"propagationPolicy": "Background", "preconditions": as_seen}
        await self._api.find("DELETE", f"{self._jobs}/{name}", body)

    async def put_secret(self, manifest: Manifest) -> None:
        """Create a Secret, or replace the one of its name."""
        if await self.create_secret(manifest) is None:
            await self._api.call("PUT", f"{self._secrets}/{manifest['metadata']['name']}", manifest)

    async def write_status(self, job: RuntimeJob, status: Manifest) -> Manifest:
        """Write status fields, if the RuntimeJob is still the one that was read.

        Returns:
            The RuntimeJob as it is now.

        Raises:
            Conflict: it has changed since.
        """
        body = {"metadata": {"resourceVersion": str(job.version)}, "status": status}
        path = f"{self._runtimejobs}/{job.name}/status"
        return await self._api.call("PATCH", path, body, content_type=MERGE_PATCH)

    async def write_program_status(self, name: str, status: Manifest) -> Manifest:
        """Write status fields of a RuntimeProgram; returns it as it is now."""
        path = f"{self._programs}/{name}/status"
        body = {"status": status}
        return await self._api.call("PATCH", path, body, content_type=MERGE_PATCH)

    async def get_program(self, name: str) -> Manifest | None:
        """Return the RuntimeProgram of this name, or None."""
        return await self._get_named(self._programs, name)

    async def get_backend(self, name: str) -> Manifest | None:
        """Return the RuntimeBackend of this name, or None."""
        return await self._get_named(self._backends, name)

    async def get_session(self, name: str) -> Manifest | None:
        """Return the RuntimeSession of this name, or None."""
        return await self._get_named(self._sessions, name)

    async def _get_named(self, path: str, name: str) -> Manifest | None:
        # A RuntimeJob may name anything, ../secrets/x too.
        return await self._api.find("GET", f"{path}/{name}") if is_name(name) else None

    async def write_session_status(self, session: RuntimeSession, status: Manifest) -> Manifest:
        """Write status fields, if the RuntimeSession is still the one that was read.

        Returns:
            The RuntimeSession as it is now.

        Raises:
            Conflict: it has changed since.
        """
        body = {"metadata": {"resourceVersion": str(session.version)}, "status": status}
        path = f"{self._sessions}/{session.name}/status"
        return await self._api.call("PATCH", path, body, content_type=MERGE_PATCH)

    async def delete_session(self, session: RuntimeSession) -> None:
        """Delete a RuntimeSession; its jobs stay."""
        only_this = {"preconditions": {"uid": session.uid}}
        await self._api.find("DELETE", f"{self._sessions}/{session.name}", only_this)

    async def annotate(self, name: str, annotations: dict[str, str]) -> Manifest:
        """Set annotations of a RuntimeJob; returns it as it is now."""
        body = {"metadata": {"annotations": annotations}}
        path = f"{self._runtimejobs}/{name}"
        return await self._api.call("PATCH", path, body, content_type=MERGE_PATCH)

    async def delete_pod(self, name: str) -> None:
        """Delete a pod: its runner gets SIGTERM."""
        await self._api.find("DELETE", f"{self._pods}/{name}")

    async def delete_job(self, name: str) -> None:
        """Delete a Kubernetes Job and its pod."""
        await self._api.find("DELETE", f"{self._jobs}/{name}", {"propagationPolicy": "Background"})

    async def delete_secret(self, name: str, uid: str = "") -> None:
        """Delete a Secret; with a UID, that one alone of all that have had the name."""
        only_this = {"preconditions": {"uid": uid}} if uid else None
        await self._api.find("DELETE", f"{self._secrets}/{name}", only_this)

    async def delete_runtimejob(self, job: RuntimeJob) -> None:
        """Delete a RuntimeJob, and by its ownership all that it caused."""
        only_this = {"preconditions": {"uid": job.uid}}
        await self._api.find("DELETE", f"{self._runtimejobs}/{job.name}", only_this)

    async def create_event(self, manifest: Manifest) -> None:
        """Create an Event, for ``kubectl describe``."""
        await self._api.call("POST", self._events, manifest)

    def open_log(self, pod: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the pod's log, from its first byte until its container has ended."""
        return self._logs.open_stream(f"{self._pods}/{pod}/log", follow="true")


def _same_owner(one: Manifest, other: Manifest) -> bool:
    owners = [manifest["metadata"].get("ownerReferences", []) for manifest in (one, other)]
    uids = [[owner["uid"] for owner in found] for found in owners]
    return bool(uids[0]) and uids[0] == uids[1]
