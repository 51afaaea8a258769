"""What kopf has told of the cluster: RuntimeJobs and what runs them, as they were last seen.

``main`` and the reconciler keep it; nothing here is asked of the API server. It is complete before
the first job is looked at, because kopf lists all kinds before it calls the first handler.
"""

from dataclasses import dataclass, field
from typing import Any

from qiskit_runtime.contract.resource import JOB_LABEL

Manifest = dict[str, Any]

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
    """The objects of one namespace, each by the name of its RuntimeJob or its own."""

    runtimejobs: dict[str, Manifest] = field(default_factory=dict)
    jobs: dict[str, Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    programs: dict[str, Manifest] = field(default_factory=dict)
    backends: dict[str, Manifest] = field(default_factory=dict)

    def see(self, name: str) -> Seen:
        """All that is known of this RuntimeJob."""
        runtimejob = self.runtimejobs.get(name)
        uid = runtimejob["metadata"]["uid"] if runtimejob else ""
        job = self.jobs.get(name)
        if job is not None and not _is_owned_by(job, uid):
            job = None
        return Seen(runtimejob, job, self.pods.get(name))

    def versions(self, name: str) -> set[str]:
        """The versions of what is known of this RuntimeJob."""
        kinds = (self.runtimejobs, self.jobs, self.pods)
        return {kind[name]["metadata"]["resourceVersion"] for kind in kinds if name in kind}

    def put(self, kind: dict[str, Manifest], name: str, manifest: Manifest) -> None:
        """Take up a newer version; an older one, which a slow watch may bring, changes nothing."""
        known = kind.get(name)
        if known is None or _version(known) <= _version(manifest) or not _is_same(known, manifest):
            kind[name] = manifest

    def drop(self, kind: dict[str, Manifest], name: str, manifest: Manifest) -> None:
        """Forget an object that was deleted, unless another of its name has come."""
        known = kind.get(name)
        if known is not None and _is_same(known, manifest):
            del kind[name]


def is_final(runtimejob: Manifest) -> bool:
    """Whether a RuntimeJob has ended."""
    return runtimejob.get("status", {}).get("phase") in _FINAL


def job_label(manifest: Manifest) -> str:
    """The RuntimeJob's name that a Job or pod bears."""
    label: str = manifest["metadata"]["labels"][JOB_LABEL]
    return label


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
