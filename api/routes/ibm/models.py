"""The JSON forms of today's dialect, made from the contract's models.

A job's status is in ``state``. Parameters are a value here, and their text to this server.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from api.models import RAN_TOO_LONG
from api.queue_forecast import Forecast, seconds_run
from api.strict_json import JSONText
from api.submission import Submission
from qiskit_runtime.contract.lifecycle import Phase, Reason
from qiskit_runtime.contract.limits import MAX_LABEL_CHARACTERS, MAX_SESSION_SECONDS, MAX_TAGS
from qiskit_runtime.contract.moment import format_moment, format_optional_moment
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, Label, LogLevel

RAN_TOO_LONG_WORDS = "RAN TOO LONG"
"""The reason of such a job for clients that know no codes."""

RAN_TOO_LONG_CODE = 1305
"""The code by which the official client tells a time limit from a cancellation by the user."""

OBJECT = {"type": "object", "description": "The program's keyword arguments."}


def _check_object(value: Any) -> Any:
    if not isinstance(value, JSONText):
        raise ValueError("a JSON object is needed")
    return value


def _to_capitals(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class RunRequest(BaseModel):
    """The body of POST /jobs; keys that are not known are ignored."""

    model_config = ConfigDict(strict=True)

    program_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
    backend: Annotated[str, StringConstraints(max_length=MAX_LABEL_CHARACTERS)] | None = Field(
        None, description="A name from GET /backends; without one, the default."
    )
    params: Annotated[Any, BeforeValidator(_check_object), WithJsonSchema(OBJECT)] = Field(
        default_factory=lambda: JSONText("{}")
    )
    tags: Annotated[list[Label], Field(max_length=MAX_TAGS)] = []
    log_level: Annotated[LogLevel, BeforeValidator(_to_capitals)] = "WARNING"
    session_id: Annotated[str, StringConstraints(max_length=63)] | None = None
    start_session: bool | None = Field(
        None, description="Open a session with the job's own id, as clients of 2023 do."
    )
    session_time: Annotated[int, Field(ge=1, le=MAX_SESSION_SECONDS)] | None = Field(
        None, description="The seconds until that session closes."
    )
    cost: Annotated[int, Field(ge=1)] | None = Field(
        None, description="The longest that the program may run, in seconds; it shortens its limit."
    )
    calibration_id: None = Field(None, description="No backend has calibrations by id.")
    private: bool = Field(False, description="Serve the parameters to nobody, and the result once.")

    def read(self, instance: Instance) -> Submission:
        """Return the job that is asked for, which belongs to this instance."""
        return Submission(
            program_id=self.program_id,
            instance=instance,
            backend=self.backend or "",
            params=str(self.params),
            tags=tuple(self.tags),
            max_execution_seconds=self.cost,
            log_level=self.log_level,
            session_id=self.session_id or "",
            opens_session=(self.session_time or 0) if self.start_session else None,
            private=self.private,
            params_place=("body", "params"),
        )


class TagsRequest(BaseModel):
    """The body of PUT /jobs/{job_id}/tags."""

    model_config = ConfigDict(strict=True)

    tags: Annotated[list[Label], Field(max_length=MAX_TAGS)]


class CreatedJob(BaseModel):
    """The answer to POST /jobs: the job's id, and the backend that it runs on."""

    id: str
    backend: str


class ProgramName(BaseModel):
    """A job's program."""

    id: str


class JobState(BaseModel):
    """A job's phase, and the reason of an end that is no success."""

    status: Phase
    reason: str | None = None
    reason_code: int | None = None


class Seconds(BaseModel):
    """Times that were measured."""

    quantum_seconds: float = Field(description="The time that the program ran.")
    seconds: float


class JobDocument(BaseModel):
    """A job, in a list and alone; what is not known is left out."""

    id: str
    hub: str
    group: str
    project: str
    backend: str
    program: ProgramName
    created: str
    ended: str | None = None
    status: str
    state: JobState
    runtime: str = Field(description="The image that it ran in, where that is known.")
    session_id: str | None = None
    tags: list[str]
    cost: int = Field(description="The longest that it may run, in seconds.")
    private: bool
    usage: Seconds | None = None
    estimated_running_time_seconds: float | None = None
    estimated_start_time: str | None = None
    estimated_completion_time: str | None = None
    params: Annotated[dict[str, Any], WithJsonSchema(OBJECT)] | None = None

    @classmethod
    def from_job(
        cls,
        job: Job,
        expected: float | None = None,
        place: Forecast | None = None,
        with_codes: bool = True,
    ) -> "JobDocument":
        """Return a job's form without its parameters."""
        spec, ran = job.spec, seconds_run(job)
        seconds = Seconds(quantum_seconds=ran or 0.0, seconds=ran or 0.0)
        return cls(
            id=job.id,
            hub=spec.hub,
            group=spec.group,
            project=spec.project,
            backend=spec.backend,
            program=ProgramName(id=spec.program_id),
            created=format_moment(job.created),
            ended=format_optional_moment(job.status.finished_at),
            status=RAN_TOO_LONG if ran_too_long(job) else job.status.phase,
            state=_read_state(job, with_codes=with_codes),
            runtime=(job.status.versions or {}).get("image", ""),
            session_id=spec.session_id or None,
            tags=list(spec.tags),
            cost=spec.max_execution_seconds,
            private=spec.private,
            usage=seconds if job.is_final else None,
            estimated_running_time_seconds=ran if ran is not None else expected,
            estimated_start_time=format_optional_moment(place.start if place else None),
            estimated_completion_time=format_optional_moment(place.end if place else None),
        )

    def write(self) -> str:
        """Return it as JSON."""
        return self.model_dump_json(exclude_none=True)


class JobsDocument(BaseModel):
    """A page of jobs; ``count`` is the number of jobs in all pages."""

    jobs: list[JobDocument]
    count: int
    limit: int
    offset: int


class Timestamps(BaseModel):
    """The times of a job's course; those that have come."""

    created: str
    running: str | None = None
    finished: str | None = None


class Usage(Seconds):
    """The usage of a job, which is final once the job is."""

    status: Literal["pending", "done"]
    qpu_charge_time_seconds: float


class MetricsDocument(BaseModel):
    """The metrics of a job, measured or estimated; what is not known is left out."""

    timestamps: Timestamps
    usage: Usage
    bss: dict[str, float]
    position_in_queue: int | None = None
    estimated_start_time: str | None = None
    estimated_completion_time: str | None = None
    executions: int | None = None
    num_circuits: int | None = None
    num_qubits: list[int] | None = None
    circuit_depths: list[int] | None = None
    qiskit_version: str | None = None

    @classmethod
    def from_job(cls, job: Job, place: Forecast | None) -> "MetricsDocument":
        """Return a job's metrics."""
        status, seconds = job.status, seconds_run(job) or 0.0
        circuits = status.circuits
        return cls(
            timestamps=Timestamps(
                created=format_moment(job.created),
                running=format_optional_moment(status.started_at),
                finished=format_optional_moment(status.finished_at),
            ),
            usage=Usage(
                status="done" if job.is_final else "pending",
                qpu_charge_time_seconds=seconds,
                quantum_seconds=seconds,
                seconds=seconds,
            ),
            bss={"seconds": seconds},
            position_in_queue=place.position if place else None,
            estimated_start_time=format_optional_moment(place.start if place else None),
            estimated_completion_time=format_optional_moment(place.end if place else None),
            executions=circuits["executions"] if circuits else None,
            num_circuits=circuits["count"] if circuits else None,
            num_qubits=circuits["qubits"] if circuits else None,
            circuit_depths=circuits["depths"] if circuits else None,
            qiskit_version=(status.versions or {}).get("qiskit"),
        )


def ran_too_long(job: Job) -> bool:
    """Return whether the job was ended by its time limit."""
    return job.status.reason is Reason.RAN_TOO_LONG


def _read_state(job: Job, *, with_codes: bool) -> JobState:
    status = job.status
    if ran_too_long(job) and not with_codes:
        return JobState(status=status.phase, reason=RAN_TOO_LONG_WORDS)
    return JobState(
        status=status.phase,
        reason=status.message or status.reason or None,
        reason_code=RAN_TOO_LONG_CODE if ran_too_long(job) else None,
    )
