"""The RuntimeJob: a job as a resource of Kubernetes, as ``k8s/crds/runtimejobs.yaml`` shapes it.

The API writes them and reads them back; the operator writes their status. Pure.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import API_VERSION, RECORD_DROPPED, SUBMITTED_AT
from qiskit_runtime.contract.resources.stored_params import ParamsFrom, ProgramFrom

Manifest = dict[str, Any]

KIND = "RuntimeJob"
"""The kind's name."""

PLURAL = "runtimejobs"
"""The kind's name in URLs."""

RESULT_IN_RECORD = "Record"
"""``status.resultFrom`` of a result that is too large for ``status.result``."""

_SPEC_FIELDS = (
    "programId",
    "programVersion",
    "backend",
    "hub",
    "group",
    "project",
    "tags",
    "maxExecutionSeconds",
)
_STATUS_FIELDS = (
    "phase",
    "reason",
    "message",
    "startedAt",
    "finishedAt",
    "versions",
    "seeds",
    "progress",
)


class NotARuntimeJob(ValueError):
    """The manifest is none that the CRD admits; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """Where the record of an ended job is: its Secrets, in order, and what they hold together."""

    secrets: tuple[str, ...]
    lines: int = 0
    size: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeJob:
    """A job with what the cluster knows beside it.

    ``params`` is their text where the resource itself holds them; ``result`` is that of a small
    result, and a larger one is in the record alone; ``record`` is None until the job has ended, and
    ``record_dropped`` says that its Secrets made room for others.
    """

    job: Job
    uid: str
    params: str | ParamsFrom
    program: ProgramFrom | None = None
    result: str | None = None
    result_in_record: bool = False
    record: StoredRecord | None = None
    record_dropped: bool = False

    @property
    def stored_bytes(self) -> int:
        """What the job's parameters and record take of the namespace's storage budget."""
        params = self.params.size if isinstance(self.params, ParamsFrom) else 0
        program = self.program.size if self.program else 0
        record = self.record.size if self.record and not self.record_dropped else 0
        return params + program + record


def build_owner(name: str, uid: str) -> Manifest:
    """The reference that makes a RuntimeJob own what it caused: deleting it removes all of it."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": name,
        "uid": uid,
        "controller": True,
    }


def build_runtimejob(job: Job, params: ParamsFrom, program: ProgramFrom | None = None) -> Manifest:
    """The resource that asks for a job; ``program`` is where it brings its own."""
    spec = job.spec.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    if program is not None:
        spec["programFrom"] = {
            "secretName": program.secret_name,
            "key": program.key,
            "sha256": program.sha256,
            "bytes": program.size,
        }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": job.id,
            "annotations": {SUBMITTED_AT: job.created.isoformat(timespec="microseconds")},
        },
        "spec": {
            **spec,
            "maxExecutionSeconds": job.spec.max_execution_seconds,
            "paramsFrom": {
                "secretName": params.secret_name,
                "sha256": params.sha256,
                "bytes": params.size,
            },
        },
    }


def parse_runtimejob(manifest: Manifest) -> RuntimeJob:
    """The job that a resource is.

    Raises:
        NotARuntimeJob: the API server would not have admitted it by this version's CRD.
    """
    try:
        metadata, spec, status = manifest["metadata"], manifest["spec"], manifest.get("status", {})
        return RuntimeJob(
            job=_parse_job(metadata, spec, status),
            uid=metadata["uid"],
            params=_parse_params(spec),
            program=_parse_program(spec),
            result=status.get("result"),
            result_in_record=status.get("resultFrom") == RESULT_IN_RECORD,
            record=_parse_record(status),
            record_dropped=RECORD_DROPPED in metadata.get("annotations", {}),
        )
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotARuntimeJob(str(error)) from error


def submission_time(metadata: Manifest) -> datetime:
    """When a job was submitted: as the API noted it, else (by kubectl) to the second."""
    noted = metadata.get("annotations", {}).get(SUBMITTED_AT, "")
    try:
        time = datetime.fromisoformat(noted)
    except ValueError:
        time = datetime.fromisoformat(metadata["creationTimestamp"])
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _parse_job(metadata: Manifest, spec: Manifest, status: Manifest) -> Job:
    created = submission_time(metadata)
    usage = status.get("usage", {})
    seen = _pick(status, _STATUS_FIELDS) | {"peakMemoryBytes": usage.get("peakMemoryBytes")}
    return Job(
        id=metadata["name"],
        sequence=int(created.timestamp() * 1e6),
        created=created,
        cancel_requested=spec.get("cancelRequested", False),
        spec=JobSpec.model_validate(_pick(spec, _SPEC_FIELDS)),
        status=JobStatus.model_validate(seen),
    )


def _parse_params(spec: Manifest) -> str | ParamsFrom:
    if reference := spec.get("paramsFrom"):
        return ParamsFrom(
            reference["secretName"], reference.get("sha256", ""), reference.get("bytes", 0)
        )
    return str(spec.get("params", "{}"))


def _parse_program(spec: Manifest) -> ProgramFrom | None:
    reference = spec.get("programFrom")
    if reference is None:
        return None
    return ProgramFrom(
        reference["secretName"],
        reference["key"],
        reference.get("sha256", ""),
        reference.get("bytes", 0),
    )


def _parse_record(status: Manifest) -> StoredRecord | None:
    record = status.get("record")
    if record is None:
        return None
    return StoredRecord(
        secrets=tuple(record.get("secrets", ())),
        lines=record.get("lines", 0),
        size=record.get("bytes", 0),
        complete=record.get("complete", False),
    )


def _pick(fields: Manifest, names: tuple[str, ...]) -> Manifest:
    return {name: fields[name] for name in names if name in fields}
