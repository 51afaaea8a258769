"""The RuntimeJob: a job as a resource of Kubernetes, as ``k8s/crds/runtimejobs.yaml`` shapes it.

The API writes them and reads them back; the operator writes their status. Pure.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.limits import DEFAULT_TTL_SECONDS, START_DEADLINE_SECONDS
from qiskit_runtime.contract.resources.job import Job, JobSpec, JobStatus
from qiskit_runtime.contract.resources.resource import (
    API_VERSION,
    INSTANCE_LABEL,
    RECORD_DROPPED,
    RESULT_READ,
    SUBMITTED_AT,
)
from qiskit_runtime.contract.resources.stored_params import ParamsFrom, ProgramFrom
from qiskit_runtime.contract.resources.stored_record import StoredRecord

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
    "logLevel",
    "sessionId",
    "private",
)
_STATUS_FIELDS = (
    "phase",
    "reason",
    "message",
    "scheduledAt",
    "containerStartedAt",
    "startedAt",
    "finishedAt",
    "versions",
    "seeds",
    "circuits",
    "progress",
)


class NotARuntimeJob(ValueError):
    """The manifest is none that the CRD admits; the text names what is wrong."""


@dataclass(frozen=True, slots=True)
class RuntimeJob:
    """A job with what the cluster knows of it besides: parsed once, where a watch or a call ends.

    ``params`` is their text where the resource itself holds them; ``result`` is that of a small
    result, and a larger one is in the record alone; ``record`` is None until the job has ended, and
    ``record_dropped`` says that its Secrets made room for others.
    """

    job: Job
    uid: str
    params: str | ParamsFrom
    created: datetime
    """Its ``metadata.creationTimestamp``, to the second; ``job.created`` is the submission."""
    program: ProgramFrom | None = None
    result: str | None = None
    result_in_record: bool = False
    record: StoredRecord | None = None
    record_dropped: bool = False
    namespace: str = ""
    version: int = 0
    """Its ``metadata.resourceVersion``."""
    generation: int = 0
    """The number of changes of its spec, and of deletions."""
    is_deleted: bool = False
    """Whether Kubernetes is about to remove it."""
    suspend: bool = False
    """Whether it is held until this is false, as long as it has not started."""
    start_deadline_seconds: int = START_DEADLINE_SECONDS
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    job_name: str = ""
    """The Kubernetes Job that its status names."""
    pod_name: str = ""
    """The pod that its status names."""
    attempt: int = 0
    """The number of times that its program was seen to start."""
    status: Manifest = field(default_factory=dict)
    """Its status as it is in the cluster: a change of it is found by comparison."""

    @property
    def name(self) -> str:
        """The name of the resource, which is the job's id."""
        return self.job.id

    @property
    def run_name(self) -> str:
        """The name of its Kubernetes Job and input Secret. It is deterministic: one at most."""
        return make_run_name(self.name, self.uid)

    @property
    def is_final(self) -> bool:
        """Return whether it has ended."""
        return self.job.is_final

    @property
    def reason(self) -> Reason:
        """The reason on its status."""
        return self.job.status.reason

    @property
    def cancel_requested(self) -> bool:
        """Return whether its user has asked for its end."""
        return self.job.cancel_requested

    @property
    def max_execution_seconds(self) -> int:
        """The time limit of its program."""
        return self.job.spec.max_execution_seconds

    @property
    def has_run(self) -> bool:
        """Return whether a pod of it was seen to run."""
        return self.attempt > 0

    @property
    def expires(self) -> datetime | None:
        """The time at which it is to be deleted; None until it has ended."""
        finished = self.job.status.finished_at
        return finished + timedelta(seconds=self.ttl_seconds) if finished else None

    @property
    def params_secrets(self) -> list[str]:
        """The Secrets that hold its parameters, in order; none where the resource holds them."""
        return self.params.secret_names if isinstance(self.params, ParamsFrom) else []

    @property
    def record_bytes(self) -> int:
        """The size of its record's Secrets."""
        return self.record.size if self.record and not self.record_dropped else 0

    @property
    def stored_bytes(self) -> int:
        """The share of the storage budget that its parameters, its own program and record take."""
        params = self.params.size if isinstance(self.params, ParamsFrom) else 0
        program = self.program.size if self.program else 0
        return params + program + self.record_bytes

    def owner_reference(self) -> Manifest:
        """Build the reference that makes it own an object."""
        return build_owner(self.name, self.uid)


def make_run_name(name: str, uid: str) -> str:
    """Return the name of what runs the RuntimeJob of this name and UID."""
    return f"{name}-{hashlib.sha256(uid.encode()).hexdigest()[:10]}"


def build_owner(name: str, uid: str) -> Manifest:
    """Build the reference that makes a RuntimeJob own an object: deleting the job removes both."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": name,
        "uid": uid,
        "controller": True,
    }


def build_runtimejob(job: Job, params: ParamsFrom, program: ProgramFrom | None = None) -> Manifest:
    """Build the resource that asks for a job; ``program`` is where the job brings its own."""
    spec = job.spec.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    if program is not None:
        spec["programFrom"] = program.build()
    label = job.spec.instance.label
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": job.id,
            "labels": {INSTANCE_LABEL: label} if label else {},
            "annotations": {SUBMITTED_AT: job.created.isoformat(timespec="microseconds")},
        },
        "spec": {
            **spec,
            "maxExecutionSeconds": job.spec.max_execution_seconds,
            "paramsFrom": params.build(),
        },
    }


def parse_runtimejob(manifest: Manifest) -> RuntimeJob:
    """Parse a resource.

    Raises:
        NotARuntimeJob: the API server would not have admitted it by this version's CRD.
    """
    try:
        metadata, spec, status = manifest["metadata"], manifest["spec"], manifest.get("status", {})
        reference, program = spec.get("paramsFrom"), spec.get("programFrom")
        record = status.get("record")
        return RuntimeJob(
            job=_parse_job(metadata, spec, status),
            uid=metadata["uid"],
            params=ParamsFrom.parse(reference) if reference else str(spec.get("params", "{}")),
            program=ProgramFrom.parse(program) if program else None,
            result=status.get("result"),
            result_in_record=status.get("resultFrom") == RESULT_IN_RECORD,
            record=StoredRecord.parse(record) if record is not None else None,
            record_dropped=RECORD_DROPPED in metadata.get("annotations", {}),
            **_parse_metadata(metadata),
            **_parse_rules(spec),
            job_name=status.get("jobName", ""),
            pod_name=status.get("podName", ""),
            attempt=status.get("attempt", 0),
            status=status,
        )
    except (ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotARuntimeJob(str(error)) from error


def is_final_status(status: Manifest) -> bool:
    """Return whether a status, as it is in the cluster, is that of a job that has ended."""
    return status.get("phase") in [phase for phase in Phase if phase.is_final]


def submission_time(metadata: Manifest) -> datetime:
    """Return the time of a job's submission: as the API noted it, else its creation (kubectl)."""
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
    # A reason that another release has is shown as none: the job itself is as good as any.
    if seen.get("reason") not in set(Reason):
        seen.pop("reason", None)
    return Job(
        id=metadata["name"],
        sequence=int(created.timestamp() * 1e6),
        created=created,
        cancel_requested=spec.get("cancelRequested", False),
        result_read=RESULT_READ in metadata.get("annotations", {}),
        spec=JobSpec.model_validate(_pick(spec, _SPEC_FIELDS)),
        status=JobStatus.model_validate(seen),
    )


def _parse_metadata(metadata: Manifest) -> dict[str, Any]:
    return {
        "namespace": metadata.get("namespace", ""),
        "version": int(metadata.get("resourceVersion", 0)),
        "generation": metadata.get("generation", 0),
        "created": datetime.fromisoformat(metadata["creationTimestamp"]),
        "is_deleted": "deletionTimestamp" in metadata,
    }


def _parse_rules(spec: Manifest) -> dict[str, Any]:
    """Parse how the job is started and kept; the API server fills in most of the defaults."""
    return {
        "suspend": bool(spec.get("suspend")),
        "start_deadline_seconds": spec.get("startDeadlineSeconds", START_DEADLINE_SECONDS),
        "ttl_seconds": spec.get("ttlSecondsAfterFinished", DEFAULT_TTL_SECONDS),
    }


def _pick(fields: Manifest, names: tuple[str, ...]) -> Manifest:
    return {name: fields[name] for name in names if name in fields}
