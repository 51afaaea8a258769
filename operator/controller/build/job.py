"""The Kubernetes objects of one RuntimeJob: its input, its Job, its record's Secrets. Pure.

Everything about a pod that a platform team would ask about is in ``build_pod``.
"""

import base64
import hashlib
import json
from pathlib import PurePath
from typing import Any

from controller.build.program import ProgramSelection
from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.program import name_source
from qiskit_runtime.contract.resources.resource import API_VERSION, JOB_LABEL
from qiskit_runtime.contract.resources.runtimejob import KIND
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY, ParamsFrom
from qiskit_runtime.contract.resources.stored_record import RECORD_KEY, split_record
from qiskit_runtime.contract.wire.job_input import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.wire.verdict import MAX_VERSION_CHARACTERS

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


def build_input(
    job: Manifest, backend: Manifest, program: ProgramSelection, image: str, pod: str
) -> Manifest:
    """The Secret with the hand-over document, which no other pod than ``pod`` takes.

    Beside it the parameters, where the resource itself holds them, and the program's source, where
    it is neither the library's nor brought along. ``image`` is the runner's.
    """
    spec = job["spec"]
    reference = spec.get("paramsFrom", {})
    document = {
        "job_id": job["metadata"]["name"],
        "pod": pod,
        "program": f"{INPUT_FOLDER}/{program.file}" if program.file else spec["programId"],
        "backend": backend,
        "max_execution_seconds": spec["maxExecutionSeconds"],
        "log_level": spec.get("logLevel", "WARNING"),
        "versions": _build_versions(spec, program, image),
    }
    if "sha256" in reference:
        document["params_sha256"] = reference["sha256"]
    files = {JOB_FILE: json.dumps(document).encode()}
    if not reference:
        files[PARAMS_FILE] = spec.get("params", "{}").encode()
    if program.source is not None:
        files[program.file] = program.source.data
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": build_metadata(job),
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }


def _build_versions(spec: Manifest, program: ProgramSelection, image: str) -> dict[str, str]:
    """What the runner can't know of itself, for the job's status."""
    digest = program.source.sha256 if program.source else spec.get("programFrom", {}).get("sha256")
    versions = {
        "program": program.version,
        "source": f"sha256:{digest[:12]}" if digest else "",
        # Its end tells one from another.
        "image": image[-MAX_VERSION_CHARACTERS:],
    }
    return {name: version for name, version in versions.items() if version}


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
                "spec": build_pod(_build_sources(job), runner),
            },
        },
    }


def find_params(job: Manifest) -> list[str]:
    """The Secrets that hold the parameters, in order; none where the resource itself does."""
    if reference := job["spec"].get("paramsFrom"):
        return ParamsFrom(reference["secretName"], size=reference.get("bytes", 0)).secret_names
    return []


def build_pod(sources: list[Manifest], runner: RunnerSettings) -> Manifest:
    """The pod's spec: Pod Security's level ``restricted``, no token, no service links.

    ``sources`` are what its input is put together from.
    """
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        **_build_isolation(runner),
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
                "projected": {"defaultMode": 0o440, "sources": sources},
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": runner.scratch}},
        ],
    }


def _build_isolation(runner: RunnerSettings) -> Manifest:
    """What a platform team has chosen beside the level ``restricted``; empty by default."""
    chosen = {
        "runtimeClassName": runner.runtime_class_name,
        "priorityClassName": runner.priority_class_name,
    }
    fields: Manifest = {name: value for name, value in chosen.items() if value}
    return fields if runner.host_users else {**fields, "hostUsers": False}


def _build_sources(job: Manifest) -> list[Manifest]:
    """The files of the hand-over: the document's Secret, and those of the parameters.

    The first of these has the program too, where the job brings its own.
    """
    params = find_params(job)
    paths = [f"{PARAMS_FILE}.{number:03}" for number in range(len(params))]
    if len(params) == 1:
        paths = [PARAMS_FILE]
    parts: list[Manifest] = [
        {"secret": {"name": name, "items": [{"key": PARAMS_KEY, "path": path}]}}
        for name, path in zip(params, paths, strict=True)
    ]
    if parts and (own := job["spec"].get("programFrom")):
        file = name_source(job["spec"]["programId"], PurePath(own["key"]).suffix)
        parts[0]["secret"]["items"].append({"key": own["key"], "path": file})
    return [{"secret": {"name": build_name(job)}}, *parts]


def _build_container(runner: RunnerSettings) -> Manifest:
    limits = {"memory": runner.memory, "ephemeral-storage": runner.scratch}
    return {
        "name": "runner",
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
        "args": ["--input", INPUT_FOLDER, "--pod", "$(POD_NAME)"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
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
