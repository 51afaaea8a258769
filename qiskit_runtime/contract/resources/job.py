"""A job: what was asked for (its spec) and what became of it (its status).

The API makes jobs, the stores keep them: local mode as a JSON file, Kubernetes as a RuntimeJob
resource of the same shape.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from qiskit_runtime.contract.lifecycle import Phase, Reason, State
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Verdict

MAX_PARAMS_BYTES = 8 * 2**20
"""A job's parameters, as UTF-8 JSON text, in both modes."""

MAX_PARAMS_DEPTH = 100
"""How deep objects and lists may nest in the parameters: readers recurse."""

DEFAULT_MAX_EXECUTION_SECONDS = 300
"""The time limit of a program whose metadata names none."""

MAX_EXECUTION_SECONDS = 7 * 24 * 3600
"""The longest time limit that a program may have."""


class ContractModel(BaseModel):
    """camelCase in JSON, as Kubernetes resources are; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


Label = Annotated[str, StringConstraints(max_length=128)]
"""Free text that a client files a job under."""


class JobSpec(ContractModel):
    """What was asked for. It never changes."""

    program_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    program_version: Annotated[str, StringConstraints(max_length=64)] = ""
    """The version that it was posted for; empty where kubectl made the job."""
    backend: Annotated[str, StringConstraints(max_length=63)]
    hub: Label = ""
    group: Label = ""
    project: Label = ""
    tags: Annotated[tuple[Label, ...], Field(max_length=32)] = ()
    max_execution_seconds: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] = (
        DEFAULT_MAX_EXECUTION_SECONDS
    )


class JobProgress(ContractModel):
    """How far its program is, as it reported last: ``done`` of ``total``, the best value so far."""

    done: int | float
    total: int | float
    best: float | None = None


class JobStatus(ContractModel):
    """What became of it. Times are UTC."""

    phase: Phase = Phase.QUEUED
    reason: Reason = Reason.NONE
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    peak_memory_bytes: int | None = None
    versions: dict[str, str] | None = None
    """What it ran on, by name; ``program`` is the program's own."""
    seeds: dict[str, int] | None = None
    """``simulator``: what its random numbers came from."""
    progress: JobProgress | None = None

    def with_progress(self, progress: Progress) -> "JobStatus":
        """This status with news of its program's progress."""
        told = JobProgress(done=progress.done, total=progress.total, best=progress.best)
        return self.model_copy(update={"progress": told})

    def with_verdict(self, verdict: Verdict) -> "JobStatus":
        """This status with what the verdict tells beside the phase."""
        seeds = None if verdict.seed is None else {"simulator": verdict.seed}
        return self.model_copy(
            update={
                "peak_memory_bytes": verdict.peak_memory_bytes,
                "versions": verdict.versions,
                "seeds": seeds,
            }
        )

    def with_state(self, state: State) -> "JobStatus":
        """This status in another state; its times follow from the phase."""
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
    """One job. ``sequence`` orders the jobs of a store: a later one has a larger number."""

    id: str
    sequence: int
    created: datetime
    cancel_requested: bool = False
    spec: JobSpec
    status: JobStatus = JobStatus()

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status.phase.is_final
