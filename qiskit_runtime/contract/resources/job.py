"""A job: the request (its spec) and its course (its status).

The API makes jobs, the stores keep them: local mode as a JSON file, Kubernetes as a RuntimeJob
resource of the same shape.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core.core_schema import no_info_plain_validator_function

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.limits import (
    DEFAULT_MAX_EXECUTION_SECONDS,
    MAX_EXECUTION_SECONDS,
    MAX_LABEL_CHARACTERS,
    MAX_TAGS,
    MAX_VERSION_CHARACTERS,
)
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.wire.circuit_metrics import CircuitMetrics, read_circuit_metrics
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Verdict


class ContractModel(BaseModel):
    """camelCase in JSON, as Kubernetes resources are; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


Label = Annotated[str, StringConstraints(max_length=MAX_LABEL_CHARACTERS)]
"""Free text of a client's choice that jobs are listed by."""


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
"""The lowest level of Python's log messages that a program prints."""


class JobSpec(ContractModel):
    """The request for a job. It never changes, but for its tags."""

    program_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
    program_version: Annotated[str, StringConstraints(max_length=MAX_VERSION_CHARACTERS)] = ""
    """The program's version when the job was submitted; empty if kubectl made the job."""
    backend: Annotated[str, StringConstraints(max_length=63)]
    hub: Label = ""
    group: Label = ""
    project: Label = ""
    tags: Annotated[tuple[Label, ...], Field(max_length=MAX_TAGS)] = ()
    max_execution_seconds: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] = (
        DEFAULT_MAX_EXECUTION_SECONDS
    )
    log_level: LogLevel = "WARNING"
    session_id: Annotated[str, StringConstraints(max_length=63)] = ""
    """The session that the job belongs to; empty for none."""
    private: bool = False
    """Whether its parameters are served to nobody, and its result once."""

    @property
    def instance(self) -> Instance:
        """Return the instance that the job belongs to."""
        return Instance(self.hub, self.group, self.project)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A client's request for a job, as the API hands it to a store of jobs.

    ``params`` is the JSON text of the program's keyword arguments, verbatim. ``id`` makes the
    request repeatable: it has that job id, or a new one where it is None. ``source`` is that of a
    user's own program; without it the program is found by its id when the job starts.
    """

    spec: JobSpec
    params: str = "{}"
    id: str | None = None
    source: ProgramSource | None = None
    admitted: datetime | None = None
    """When its session has admitted it, which is the time of its submission then."""

    @property
    def params_sha256(self) -> str:
        """The digest of the parameters, in hexadecimal."""
        return digest_params(self.params)

    def same_as(self, spec: JobSpec, params_sha256: str) -> bool:
        """Return whether a job of that spec and those parameters is what this request asks for.

        The program's version and time limit may have changed since the job was submitted: they are
        the program's, and no client asks for them.
        """
        of_program = spec.model_dump(include={"program_version", "max_execution_seconds"})
        same_spec = self.spec.model_copy(update=of_program) == spec
        return same_spec and self.params_sha256 == params_sha256


def digest_params(params: str) -> str:
    """Return the SHA-256 of parameters' JSON text, in hexadecimal."""
    return hashlib.sha256(params.encode()).hexdigest()


class JobProgress(ContractModel):
    """The progress that a program reported last: ``done`` of ``total``, the best value so far."""

    done: int | float
    total: int | float
    best: float | None = None


CheckedCircuits = Annotated[
    CircuitMetrics,
    GetPydanticSchema(lambda *_: no_info_plain_validator_function(read_circuit_metrics)),
]
"""Metrics that the contract checks: pydantic takes no ``TypedDict`` of Python 3.11's own."""


class JobStatus(ContractModel):
    """The course of a job: phase, times, and facts of its run. Times are UTC."""

    phase: Phase = Phase.QUEUED
    reason: Reason = Reason.NONE
    message: str = ""
    scheduled_at: datetime | None = None
    """When its pod got a node; before the job was made, if the pod was started ahead. None on one
    machine, as the next."""
    container_started_at: datetime | None = None
    """When the pod's container started, its image being there."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    peak_memory_bytes: int | None = None
    versions: dict[str, str] | None = None
    """The versions that it ran on, by name; ``program`` is the program's own."""
    seeds: dict[str, int] | None = None
    """``simulator``: the seed of its random numbers."""
    circuits: CheckedCircuits | None = None
    """The circuits that it ran; None until it has ended."""
    progress: JobProgress | None = None

    def with_progress(self, progress: Progress) -> "JobStatus":
        """Return this status with its program's latest progress."""
        latest = JobProgress(done=progress.done, total=progress.total, best=progress.best)
        return self.model_copy(update={"progress": latest})

    def with_verdict(self, verdict: Verdict) -> "JobStatus":
        """Return this status with the verdict's facts; the phase is ``with_state``'s."""
        seeds = None if verdict.seed is None else {"simulator": verdict.seed}
        return self.model_copy(
            update={
                "peak_memory_bytes": verdict.peak_memory_bytes,
                "versions": verdict.versions,
                "seeds": seeds,
                "circuits": verdict.circuits,
            }
        )

    def with_state(self, state: State) -> "JobStatus":
        """Return this status in another state; its times follow from the phase."""
        now = datetime.now(UTC)
        starts = state.phase is Phase.RUNNING and self.started_at is None
        return self.model_copy(
            update={
                "phase": state.phase,
                "reason": state.reason,
                "message": state.message,
                "started_at": now if starts else self.started_at,
                "finished_at": now if state.phase.is_final else None,
            }
        )


class Job(ContractModel):
    """A job. ``sequence`` orders the jobs of a store: a later one has a larger number."""

    id: str
    sequence: int
    created: datetime
    cancel_requested: bool = False
    result_read: bool = False
    """Whether the result of a private job was served: that happens once."""
    spec: JobSpec
    status: JobStatus = JobStatus()

    @property
    def is_final(self) -> bool:
        """Return whether the job has ended."""
        return self.status.phase.is_final

    def with_tags(self, tags: tuple[str, ...]) -> "Job":
        """Return this job with other tags, the one part of its request that may change."""
        return self.model_copy(update={"spec": self.spec.model_copy(update={"tags": tags})})
