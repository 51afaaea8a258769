"""What kopf has told of the cluster: RuntimeJobs and what runs them, as they were last seen.

``main`` and the reconciler keep it; nothing here is asked of the API server. It is complete before
the first job is looked at, because kopf lists all kinds before it calls the first handler.
"""

from dataclasses import dataclass, field
from typing import Any

from controller.build.job import build_name
from controller.observe.pod_state import is_deleted, never_ran
from qiskit_runtime.contract.resources.resource import JOB_LABEL

Manifest = dict[str, Any]

Versions = dict[str, tuple[str, int]]
"""By uid: the name of the RuntimeJob that an object is or belongs to, and its version."""

_JOB_NAME = "batch.kubernetes.io/job-name"

_FINAL = ("Completed", "Failed", "Cancelled")


@dataclass(frozen=True, slots=True)
class Seen:
    """A RuntimeJob, the Kubernetes Job that runs it and its pod; None where there is none."""

    runtimejob: Manifest | None
    job: Manifest | None
    pod: Manifest | None

    @property
    def was_started(self) -> bool:
        """Whether there is or was a Kubernetes Job of it."""
        status = self.runtimejob.get("status", {}) if self.runtimejob else {}
        return self.job is not None or "jobName" in status


@dataclass(slots=True)
class ClusterView:
    """The objects of one namespace by their names; a pod by that of its Kubernetes Job.

    That follows from the RuntimeJob's uid: one that was deleted and made again has another, and
    never takes its predecessor's pod for its own.
    """

    runtimejobs: dict[str, Manifest] = field(default_factory=dict)
    jobs: dict[str, Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    programs: dict[str, Manifest] = field(default_factory=dict)
    backends: dict[str, Manifest] = field(default_factory=dict)
    unused: dict[str, set[str]] = field(default_factory=dict)
    """By Kubernetes Job: the names of its pods that are gone and never started anything."""

    def see(self, name: str) -> Seen:
        """All that is known of this RuntimeJob."""
        runtimejob = self.runtimejobs.get(name)
        uid = runtimejob["metadata"]["uid"] if runtimejob else ""
        if runtimejob is None:
            return Seen(None, None, None)
        run = build_name(runtimejob)
        job = self.jobs.get(run)
        if job is not None and not _is_owned_by(job, uid):
            job = None
        return Seen(runtimejob, job, self.pods.get(run))

    def versions(self) -> Versions:
        """The versions of all that is known of RuntimeJobs."""
        found = {
            job["metadata"]["uid"]: (name, _version(job)) for name, job in self.runtimejobs.items()
        }
        for manifest in (*self.jobs.values(), *self.pods.values()):
            found[manifest["metadata"]["uid"]] = (job_label(manifest), _version(manifest))
        return found

    def replace(
        self, name: str, runtimejob: Manifest | None, job: Manifest | None, pod: Manifest | None
    ) -> None:
        """Take up what the API server answered of a RuntimeJob; what it did not name is gone."""
        there = [found for found in (runtimejob, job, pod) if found is not None]
        uids = {found["metadata"]["uid"] for found in there}
        for kind in (self.runtimejobs, self.jobs, self.pods):
            for key, known in list(kind.items()):
                of = key if kind is self.runtimejobs else job_label(known)
                if of == name and known["metadata"]["uid"] not in uids:
                    del kind[key]
        if runtimejob is not None:
            self.put(self.runtimejobs, name, trim(runtimejob))
        if job is not None:
            self.put(self.jobs, job["metadata"]["name"], trim(job))
        if pod is not None:
            self.put(self.pods, pod_key(pod), trim(pod))

    def put(self, kind: dict[str, Manifest], name: str, manifest: Manifest) -> None:
        """Take up a newer version; an older one, which a slow watch may bring, changes nothing.

        Nor does another of its name that is being deleted: it was there before.
        """
        known = kind.get(name)
        if known is None:
            kind[name] = manifest
        elif _is_same(known, manifest):
            if _version(known) <= _version(manifest):
                kind[name] = manifest
        elif not is_deleted(manifest):
            kind[name] = manifest

    def drop(self, kind: dict[str, Manifest], name: str, manifest: Manifest) -> None:
        """Forget an object that was deleted, unless another of its name has come."""
        known = kind.get(name)
        if known is not None and _is_same(known, manifest):
            del kind[name]

    def drop_job(self, name: str, job: Manifest) -> None:
        """Forget a Kubernetes Job that was deleted, and what its pods have come to."""
        self.drop(self.jobs, name, job)
        self.unused.pop(name, None)

    def drop_pod(self, pod: Manifest) -> None:
        """Forget a pod that was deleted; remember where it is sure that it never started.

        Of one that was on a node, the kubelet must have said that it is over.
        """
        key = pod_key(pod)
        known = self.pods.get(key, pod)
        is_over = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
        if (is_over or "nodeName" not in pod["spec"]) and never_ran(pod) and never_ran(known):
            self.unused.setdefault(key, set()).add(pod["metadata"]["name"])
        self.drop(self.pods, key, pod)


def is_final(runtimejob: Manifest) -> bool:
    """Whether a RuntimeJob has ended."""
    return runtimejob.get("status", {}).get("phase") in _FINAL


def job_label(manifest: Manifest) -> str:
    """The RuntimeJob's name that a Job or pod bears."""
    label: str = manifest["metadata"]["labels"][JOB_LABEL]
    return label


def pod_key(pod: Manifest) -> str:
    """The name of the Kubernetes Job that a pod is of."""
    key: str = pod["metadata"]["labels"].get(_JOB_NAME, "")
    return key


def trim(manifest: Manifest) -> Manifest:
    """What of a manifest is looked at here: a thousand of them are kept."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    status = {key: value for key, value in manifest.get("status", {}).items() if key != "result"}
    trimmed = {**manifest, "metadata": metadata, "status": status}
    if is_final(manifest):
        trimmed["spec"] = {key: value for key, value in manifest["spec"].items() if key != "params"}
    return trimmed


def _version(manifest: Manifest) -> int:
    return int(manifest["metadata"]["resourceVersion"])


def _is_same(one: Manifest, other: Manifest) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])


def _is_owned_by(manifest: Manifest, uid: str) -> bool:
    owners = manifest["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == uid for owner in owners)
