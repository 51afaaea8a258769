"""The JSON forms of the 2021 dialect, made from the contract's models."""

import base64
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from api.submission import Submission
from qiskit_runtime.contract.lifecycle import Reason
from qiskit_runtime.contract.limits import (
    MAX_LABEL_CHARACTERS,
    MAX_TAGS,
    MAX_VERSION_CHARACTERS,
)
from qiskit_runtime.contract.moment import format_moment, format_optional_moment
from qiskit_runtime.contract.resources.backend import BackendSpec
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobProgress, Label
from qiskit_runtime.contract.resources.program import Program, ProgramSource

RAN_TOO_LONG = "Cancelled - Ran too long"
"""The status of a job that exceeded its time limit, as the hosted service spelled it."""


class RootModel(BaseModel):
    """A model with camelCase in JSON; unknown fields are ignored, as in 2021."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def _check_unicode(text: str) -> str:
    """Refuse half a surrogate pair, which JSON can escape: it is no Unicode, nothing stores it."""
    text.encode()
    return text


Text = Annotated[str, AfterValidator(_check_unicode)]
"""Text of any length. Where a type has a limit, pydantic checks the Unicode already."""


class RunRequest(RootModel):
    """The body of POST /jobs."""

    program_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
    hub: Label
    group: Label
    project: Label
    backend: Annotated[str, StringConstraints(max_length=MAX_LABEL_CHARACTERS)] = Field(
        description="A name from GET /backends; '' and the literal 'string' are the default."
    )
    params: list[Text] = Field(
        description="One text: the JSON object of the program's keyword arguments. An empty list"
        " stands for {}.",
        examples=[['{"iterations": 3}']],
    )
    tags: Annotated[list[Label], Field(max_length=MAX_TAGS)] = []
    program_version: Annotated[str, StringConstraints(max_length=MAX_VERSION_CHARACTERS)] | None = (
        Field(None, description="The version to run; 409 if the program has another one by now.")
    )

    def read(self) -> Submission:
        """Return the job that is asked for."""
        return Submission(
            program_id=self.program_id,
            instance=Instance(self.hub, self.group, self.project),
            backend=self.backend,
            params=self.params[0] if self.params else "{}",
            tags=tuple(self.tags),
            version=self.program_version,
        )


class JobId(BaseModel):
    """The answer to POST /jobs."""

    id: str


class JobResponse(RootModel):
    """A job, in a list and alone."""

    id: str
    hub: str
    group: str
    project: str
    backend: str
    status: str
    params: list[str]
    program: str
    created: str
    tags: list[str]
    reason: str = Field(
        description="Why the job is in this status, as one word for programs; may be empty."
    )
    message: str = Field(description="The reason as a sentence for people; may be empty.")
    scheduled: str | None = Field(
        description="When its pod got a node; before `created` where a pod was started ahead. Null"
        " on one machine."
    )
    container_started: str | None = Field(
        description="When its container started, the image being there. Null on one machine."
    )
    started: str | None
    finished: str | None
    progress: JobProgress | None = Field(
        description="The progress that its program reported last; null if it reports none."
    )
    seeds: dict[str, int] | None = Field(
        description="The seed of its random numbers: as seed_simulator, a job repeats the same."
    )
    versions: dict[str, str] | None = Field(
        description="The software it ran on, by name, once it has ended."
    )

    @classmethod
    def from_job(cls, job: Job, params: list[str]) -> "JobResponse":
        """Return a job's form; ``params`` is the text as posted, or nothing if it is lost."""
        spec, status = job.spec, job.status
        return cls(
            id=job.id,
            hub=spec.hub,
            group=spec.group,
            project=spec.project,
            backend=spec.backend,
            status=RAN_TOO_LONG if status.reason is Reason.RAN_TOO_LONG else status.phase,
            params=params,
            program=spec.program_id,
            created=format_moment(job.created),
            tags=list(spec.tags),
            reason=status.reason,
            message=status.message,
            scheduled=format_optional_moment(status.scheduled_at),
            container_started=format_optional_moment(status.container_started_at),
            started=format_optional_moment(status.started_at),
            finished=format_optional_moment(status.finished_at),
            progress=status.progress,
            seeds=status.seeds,
            versions=status.versions,
        )


class JobsResponse(BaseModel):
    """A page of jobs: ``count`` of them here, ``total`` in all pages."""

    jobs: list[JobResponse]
    count: int
    total: int


class ParameterResponse(RootModel):
    """A parameter or return value of a program."""

    name: str
    description: str
    type: str
    required: bool


class ProgramResponse(RootModel):
    """A program's metadata."""

    id: str
    name: str
    cost: int
    description: str
    version: str
    backend_requirements: dict[str, Any] | None
    parameters: list[ParameterResponse] | None
    return_values: list[ParameterResponse] | None
    is_public: bool
    # The clients of 2021 to 2023 read the fields below.
    max_execution_time: int = Field(
        alias="max_execution_time", description="The time limit of its jobs, in seconds."
    )
    visible_to_all: bool = Field(alias="is_public")
    creation_date: str | None = Field(
        alias="creation_date", description="Null where the program was not uploaded."
    )
    update_date: str | None = Field(alias="update_date")
    spec: dict[str, dict[str, Any]] = Field(
        description="Its JSON Schemas, by name; those that it has."
    )

    @classmethod
    def from_program(cls, program: Program) -> "ProgramResponse":
        """Return a program's form: its JSON Schemas as the lists of 2021, and unchanged."""
        return cls.model_validate(cls._read(program))

    @staticmethod
    def _read(program: Program) -> dict[str, Any]:
        metadata = program.metadata
        return {
            "id": program.id,
            "name": metadata.name,
            "cost": metadata.cost,
            "description": metadata.description,
            "version": metadata.version,
            "backend_requirements": metadata.spec.backend_requirements,
            "parameters": list_properties(metadata.spec.parameters),
            "return_values": list_properties(metadata.spec.return_values),
            # Fills is_public, and visible_to_all, whose alias it is.
            "is_public": metadata.is_public,
            "max_execution_time": metadata.max_execution_time,
            "creation_date": format_optional_moment(program.created),
            "update_date": format_optional_moment(program.updated),
            "spec": metadata.spec.model_dump(exclude_none=True),
        }


class UploadedProgramResponse(ProgramResponse):
    """An uploaded program's metadata, and its source."""

    data: str = Field(description="The source in base64.")

    @classmethod
    def with_source(cls, program: Program, source: ProgramSource) -> "UploadedProgramResponse":
        """Return a program's form with its source."""
        data = base64.b64encode(source.data).decode()
        return cls.model_validate(cls._read(program) | {"data": data})


class WithWarnings(BaseModel):
    """A response that may come with warnings about what the server translated."""

    warnings: list[str] | None = Field(
        None,
        exclude_if=lambda warnings: not warnings,
        description="What the server translated, such as type names of 2021 in a schema.",
    )


class ProgramId(WithWarnings):
    """The answer to POST /programs."""

    id: str


class ChangedProgramResponse(ProgramResponse, WithWarnings):
    """A changed program's metadata."""

    @classmethod
    def with_warnings(cls, program: Program, warnings: list[str]) -> "ChangedProgramResponse":
        """Return a program's form, with warnings about the change."""
        return cls.model_validate(cls._read(program) | {"warnings": warnings or None})


class ProgramsResponse(BaseModel):
    """A page of programs; ``count`` is the number of programs in all pages."""

    programs: list[ProgramResponse]
    count: int


class BackendsResponse(BaseModel):
    """All backends."""

    backends: list[BackendSpec]


def list_properties(schema: dict[str, Any] | None) -> list[ParameterResponse] | None:
    """Return an object's JSON Schema as the list of 2021; None if there is nothing to list.

    It never fails: a program's author wrote the schema, and a bad one must not break the list.
    """
    properties = _dict(_dict(schema).get("properties"))
    required = _dict(schema).get("required")
    listed = [
        ParameterResponse(
            name=name,
            description=str(_dict(inner).get("description", "")),
            type=_type_name(_dict(inner).get("type", "any")),
            required=isinstance(required, list) and name in required,
        )
        for name, inner in properties.items()
    ]
    return listed or None


def _dict(value: Any) -> dict[str, Any]:
    """Return the value if it is an object: JSON Schema allows booleans as schemas too."""
    return value if isinstance(value, dict) else {}


def _type_name(kind: Any) -> str:
    return " | ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
