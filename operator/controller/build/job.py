"""The Kubernetes objects of one RuntimeJob: its input, its Job, its record's Secrets. Pure.

All that a platform team would ask about a pod is in ``build_pod``.
"""

import base64
import json
from pathlib import PurePath

from controller.build.program import JobPlan, ProgramSelection
from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.program import name_source
from qiskit_runtime.contract.resources.resource import JOB_LABEL, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY
from qiskit_runtime.contract.resources.stored_record import RECORD_KEY, split_record
from qiskit_runtime.contract.wire.job_input import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.wire.verdict import MAX_VERSION_CHARACTERS

RUNNER_UID = 65532
"""The runner image's user."""

INPUT_FOLDER = "/run/job"
"""The folder in which a pod finds its input."""

GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL of a pod: the runner's own ladder, and its record's tail."""

OVERTIME_SECONDS = 60
"""The runner keeps the time limit; if it fails to, the cluster ends the Job this much later."""


def build_metadata(job: RuntimeJob, name: str = "") -> Manifest:
    """Build name, label and owner of something that a RuntimeJob owns."""
    return {
        "name": name or job.run_name,
        "labels": {JOB_LABEL: job.name},
        "ownerReferences": [job.owner_reference()],
    }


def build_input(job: RuntimeJob, plan: JobPlan, image: str, pod: str) -> Manifest:
    """Build the Secret with a job's input document, which no other pod than ``pod`` accepts.

    It also holds the parameters, where the resource itself has them, and the program's source,
    where that is neither the library's nor the job's own. ``image`` is the runner's.
    """
    program = plan.program
    document = {
        "job_id": job.name,
        "pod": pod,
        "program": f"{INPUT_FOLDER}/{program.file}" if program.file else job.job.spec.program_id,
        "backend": plan.backend.model_dump(exclude_none=True),
        "max_execution_seconds": job.max_execution_seconds,
        "log_level": job.job.spec.log_level,
        "versions": _build_versions(job, program, image),
    }
    files: dict[str, bytes] = {}
    if isinstance(job.params, str):
        files[PARAMS_FILE] = job.params.encode()
    elif job.params.sha256:
        document["params_sha256"] = job.params.sha256
    if program.source is not None:
        files[program.file] = program.source.data
    files[JOB_FILE] = json.dumps(document).encode()
    return _build_secret(build_metadata(job), files)


def _build_versions(job: RuntimeJob, program: ProgramSelection, image: str) -> dict[str, str]:
    """Build the versions that the runner can't know, for the job's status."""
    own = job.program.sha256 if job.program else ""
    digest = program.source.sha256 if program.source else own
    versions = {
        "program": program.version,
        "source": f"sha256:{digest[:12]}" if digest else "",
        # The end of an image's name tells one from another.
        "image": image[-MAX_VERSION_CHARACTERS:],
    }
    return {name: version for name, version in versions.items() if version}


def build_record(job: RuntimeJob, compressed: bytes) -> list[Manifest]:
    """Build the Secrets that hold the record of an ended job, in order."""
    return [
        _build_secret(build_metadata(job, name), {RECORD_KEY: part})
        for name, part in split_record(job.run_name, compressed).items()
    ]


def _build_secret(metadata: Manifest, files: dict[str, bytes]) -> Manifest:
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def build_job(job: RuntimeJob, runner: RunnerSettings) -> Manifest:
    """Build the Kubernetes Job: one pod, once."""
    metadata = build_metadata(job)
    # It counts from the Job's creation, so the wait for its start is within.
    deadline = job.start_deadline_seconds + job.max_execution_seconds + OVERTIME_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": deadline,
            "ttlSecondsAfterFinished": runner.keep_seconds,
            "template": {
                "metadata": {"labels": metadata["labels"]},
                "spec": build_pod(_build_sources(job), runner),
            },
        },
    }


def build_pod(sources: list[Manifest], runner: RunnerSettings) -> Manifest:
    """Build the pod's spec: Pod Security's level ``restricted``, no token, no service links.

    ``sources`` are those of its input's volume.
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
    """Build what a platform team has set in addition to ``restricted``; empty by default."""
    chosen = {
        "runtimeClassName": runner.runtime_class_name,
        "priorityClassName": runner.priority_class_name,
    }
    fields: Manifest = {name: value for name, value in chosen.items() if value}
    return fields if runner.host_users else {**fields, "hostUsers": False}


def _build_sources(job: RuntimeJob) -> list[Manifest]:
    """Build the sources of the input's volume: the document's Secret, and those of the parameters.

    The first of these has the program too, where the job brings its own.
    """
    secrets = job.params_secrets
    paths = [f"{PARAMS_FILE}.{number:03}" for number in range(len(secrets))]
    if len(secrets) == 1:
        paths = [PARAMS_FILE]
    parts: list[Manifest] = [
        {"secret": {"name": name, "items": [{"key": PARAMS_KEY, "path": path}]}}
        for name, path in zip(secrets, paths, strict=True)
    ]
    if parts and job.program:
        file = name_source(job.job.spec.program_id, PurePath(job.program.key).suffix)
        parts[0]["secret"]["items"].append({"key": job.program.key, "path": file})
    return [{"secret": {"name": job.run_name}}, *parts]


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
