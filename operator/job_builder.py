"""The Kubernetes objects of one RuntimeJob: its input Secret and its Job. Pure.

Everything about a pod that a platform team would ask about is in ``build_pod``.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from qiskit_runtime.contract.handover import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.resource import GROUP, VERSION

Manifest = dict[str, Any]

NAME_LABEL = f"{GROUP}/runtimejob"
"""On a Job and a pod: the name of the RuntimeJob that they run."""

RUNNER_UID = 65532
"""The runner image's user."""

INPUT_FOLDER = "/run/job"
"""Where a pod finds its hand-over."""

GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL of a pod: the runner's own ladder, and its record's tail."""

OVERTIME_SECONDS = 60
"""The runner keeps the time limit; this much later the cluster ends the Job by itself."""


@dataclass(frozen=True)
class RunnerSettings:
    """What every runner pod has."""

    image: str
    cpu_request: str = "250m"
    cpu_limit: str = "1"
    memory: str = "2Gi"
    scratch: str = "1Gi"


def build_owner(job: Manifest) -> Manifest:
    """The reference that makes a RuntimeJob own what it caused: deleting it removes all of it."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "RuntimeJob",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
    }


def build_metadata(job: Manifest) -> Manifest:
    """Name, label and owner of what runs a RuntimeJob. The name is deterministic: at most one."""
    uid_hash = hashlib.sha256(job["metadata"]["uid"].encode()).hexdigest()[:10]
    return {
        "name": f"{job['metadata']['name']}-{uid_hash}",
        "namespace": job["metadata"]["namespace"],
        "labels": {NAME_LABEL: job["metadata"]["name"]},
        "ownerReferences": [build_owner(job)],
    }


def build_input(job: Manifest, backend: Manifest) -> Manifest:
    """The Secret with the hand-over document."""
    spec = job["spec"]
    document = {
        "job_id": job["metadata"]["name"],
        "program": spec["programId"],
        "backend": backend,
        "max_execution_seconds": spec["maxExecutionSeconds"],
        "log_level": spec.get("logLevel", "WARNING"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": build_metadata(job),
        "immutable": True,
        "stringData": {JOB_FILE: json.dumps(document), PARAMS_FILE: spec.get("params", "{}")},
    }


def build_job(job: Manifest, runner: RunnerSettings) -> Manifest:
    """The Kubernetes Job: one pod, once."""
    metadata = build_metadata(job)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": job["spec"]["maxExecutionSeconds"] + OVERTIME_SECONDS,
            "ttlSecondsAfterFinished": 3600,
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": build_pod(metadata["name"], runner),
            },
        },
    }


def build_pod(secret: str, runner: RunnerSettings) -> Manifest:
    """The pod's spec: Pod Security's level ``restricted``, no token, no service links."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNNER_UID,
            "runAsGroup": RUNNER_UID,
            "fsGroup": RUNNER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(runner)],
        "volumes": [
            {"name": "job", "secret": {"secretName": secret, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {"sizeLimit": runner.scratch}},
        ],
    }


def _build_container(runner: RunnerSettings) -> Manifest:
    limits = {"memory": runner.memory, "ephemeral-storage": runner.scratch}
    return {
        "name": "runner",
        "image": runner.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--input", INPUT_FOLDER],
        "resources": {
            "requests": {**limits, "cpu": runner.cpu_request},
            "limits": {**limits, "cpu": runner.cpu_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "job", "mountPath": INPUT_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (the pod's own)
        ],
    }
