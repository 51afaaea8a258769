"""The Kubernetes objects of one RuntimeJob: its input, its Job, its record's Secrets. Pure.

Everything about a pod that a platform team would ask about is in ``build_pod``.
"""

import base64
import hashlib
import json
from typing import Any

from operator_settings import RunnerSettings
from qiskit_runtime.contract.handover import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.resource import API_VERSION, JOB_LABEL
from qiskit_runtime.contract.runtimejob import KIND
from qiskit_runtime.contract.stored_params import PARAMS_KEY, ParamsFrom
from qiskit_runtime.contract.stored_record import RECORD_KEY, split_record

Manifest = dict[str, Any]

RUNNER_UID = 65532
"""The runner image's user."""

INPUT_FOLDER = "/run/job"
"""Where a pod finds its hand-over."""

GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL of a pod: the runner's own ladder, and its record's tail."""

OVERTIME_SECONDS = 60
"""The runner keeps the time limit; this much later the cluster ends the Job by itself."""


def build_owner(job: Manifest) -> Manifest:
    """The reference that makes a RuntimeJob own what it caused: deleting it removes all of it."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
    }


def build_name(job: Manifest) -> str:
    """The name of what runs a RuntimeJob. It is deterministic: there is at most one."""
    uid_hash = hashlib.sha256(job["metadata"]["uid"].encode()).hexdigest()[:10]
    return f"{job['metadata']['name']}-{uid_hash}"


def build_metadata(job: Manifest, name: str | None = None) -> Manifest:
    """Name, label and owner of something that a RuntimeJob owns."""
    return {
        "name": name or build_name(job),
        "labels": {JOB_LABEL: job["metadata"]["name"]},
        "ownerReferences": [build_owner(job)],
    }


def build_input(job: Manifest, backend: Manifest, source: str | None = None) -> Manifest:
    """The Secret with the hand-over document.

    Beside it the parameters, where the resource itself holds them, and the program's source, where
    it is none of the library's.
    """
    spec = job["spec"]
    entry_file = f"{spec['programId']}.py"
    reference = spec.get("paramsFrom", {})
    document = {
        "job_id": job["metadata"]["name"],
        "program": spec["programId"] if source is None else f"{INPUT_FOLDER}/{entry_file}",
        "backend": backend,
        "max_execution_seconds": spec["maxExecutionSeconds"],
        "log_level": spec.get("logLevel", "WARNING"),
    }
    if "sha256" in reference:
        document["params_sha256"] = reference["sha256"]
    files = {JOB_FILE: json.dumps(document)}
    if not reference:
        files[PARAMS_FILE] = spec.get("params", "{}")
    if source is not None:
        files[entry_file] = source
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": build_metadata(job),
        "stringData": files,
    }


def build_record(job: Manifest, compressed: bytes) -> list[Manifest]:
    """The Secrets that hold the record of an ended job, in order."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": build_metadata(job, name),
            "data": {RECORD_KEY: base64.b64encode(part).decode()},
        }
        for name, part in split_record(build_name(job), compressed).items()
    ]


def build_job(job: Manifest, runner: RunnerSettings) -> Manifest:
    """The Kubernetes Job: one pod, once."""
    spec, metadata = job["spec"], build_metadata(job)
    # From its creation on, so that the time until it starts is in it.
    patience = spec["startDeadlineSeconds"] + spec["maxExecutionSeconds"] + OVERTIME_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": patience,
            "ttlSecondsAfterFinished": runner.keep_seconds,
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": build_pod(metadata["name"], find_params(job), runner),
            },
        },
    }


def find_params(job: Manifest) -> list[str]:
    """The Secrets that hold the parameters, in order; none where the resource itself does."""
    if reference := job["spec"].get("paramsFrom"):
        return ParamsFrom(reference["secretName"], size=reference.get("bytes", 0)).secret_names
    return []


def build_pod(secret: str, params: list[str], runner: RunnerSettings) -> Manifest:
    """The pod's spec: Pod Security's level ``restricted``, no token, no service links."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "imagePullSecrets": [{"name": name} for name in runner.pull_secrets],
        "nodeSelector": runner.node_selector,
        "tolerations": list(runner.tolerations),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": RUNNER_UID,
            "runAsGroup": RUNNER_UID,
            "fsGroup": RUNNER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_build_container(runner)],
        "volumes": [
            {
                "name": "job",
                "projected": {"defaultMode": 0o440, "sources": _build_sources(secret, params)},
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": runner.scratch}},
        ],
    }


def _build_sources(secret: str, params: list[str]) -> list[Manifest]:
    """The files of the hand-over: the document's Secret, and those of the parameters."""
    paths = [f"{PARAMS_FILE}.{number:03}" for number in range(len(params))]
    if len(params) == 1:
        paths = [PARAMS_FILE]
    parts = [
        {"secret": {"name": name, "items": [{"key": PARAMS_KEY, "path": path}]}}
        for name, path in zip(params, paths, strict=True)
    ]
    return [{"secret": {"name": secret}}, *parts]


def _build_container(runner: RunnerSettings) -> Manifest:
    limits = {"memory": runner.memory, "ephemeral-storage": runner.scratch}
    return {
        "name": "runner",
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
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
