"""The Kubernetes objects of one RuntimeJob: its input, its Job, its record's Secrets. Pure."""

import base64
import json
from dataclasses import dataclass
from pathlib import PurePath

from controller.build.pod import INPUT_FOLDER, build_pod
from controller.build.program import JobPlan, ProgramSelection
from controller.settings import RunnerSettings
from qiskit_runtime.contract.resources.program import name_source
from qiskit_runtime.contract.resources.resource import CLASS_LABEL, JOB_LABEL, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.stored_params import PARAMS_KEY
from qiskit_runtime.contract.resources.stored_record import RECORD_KEY, split_record
from qiskit_runtime.contract.wire.job_input import JOB_FILE, PARAMS_FILE
from qiskit_runtime.contract.wire.verdict import MAX_VERSION_CHARACTERS

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


def build_class_label(resource_class: str) -> dict[str, str]:
    """Build the label of a Kubernetes Job and its pod that says their resource class, if any."""
    return {CLASS_LABEL: resource_class} if resource_class else {}


def build_job(job: RuntimeJob, runner: RunnerSettings, resource_class: str = "") -> Manifest:
    """Build the Kubernetes Job: one pod, once.

    Raises:
        UnknownResourceClass: there is none of this name.
    """
    metadata = build_metadata(job)
    metadata["labels"] |= build_class_label(resource_class)
    sources = [{"secret": {"name": job.run_name}}, *_build_sources(job)]
    volume = {"projected": {"defaultMode": 0o440, "sources": sources}}
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
                "spec": build_pod(runner.of(resource_class), volume),
            },
        },
    }


@dataclass(frozen=True, slots=True)
class InputPart:
    """A part of a job's input that the API has written: a key of a Secret, and its file's name."""

    secret: str
    key: str
    file: str


def list_parts(job: RuntimeJob) -> list[InputPart]:
    """Return the parts of a job's input: its parameters, and its program where it brings one."""
    secrets = job.params_secrets
    files = [f"{PARAMS_FILE}.{number:03}" for number in range(len(secrets))]
    if len(secrets) == 1:
        files = [PARAMS_FILE]
    parts = [InputPart(name, PARAMS_KEY, file) for name, file in zip(secrets, files, strict=True)]
    if parts and job.program:
        file = name_source(job.job.spec.program_id, PurePath(job.program.key).suffix)
        parts.append(InputPart(secrets[0], job.program.key, file))
    return parts


def _build_sources(job: RuntimeJob) -> list[Manifest]:
    """Build the sources of the input's volume that the API has written."""
    items: dict[str, list[Manifest]] = {}
    for part in list_parts(job):
        items.setdefault(part.secret, []).append({"key": part.key, "path": part.file})
    return [{"secret": {"name": name, "items": found}} for name, found in items.items()]
