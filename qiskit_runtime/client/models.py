"""The server's answers as typed objects. ``fields`` has each whole, as the server sent it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.wire.progress import Progress

_PENDING = (Phase.QUEUED, Phase.RUNNING)


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as it was when the server answered."""

    id: str
    program: str
    backend: str
    status: str
    """Queued, Running, Completed, Failed, Cancelled, or ``Cancelled - Ran too long``."""
    reason: str
    message: str
    created: datetime
    started: datetime | None
    finished: datetime | None
    progress: Progress | None
    tags: tuple[str, ...]
    fields: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Read the JSON object of a job."""
        texts = {name: fields[name] for name in ("id", "program", "backend", "status")}
        return cls(
            **texts,
            reason=fields["reason"],
            message=fields["message"],
            created=datetime.fromisoformat(fields["created"]),
            started=_read_time(fields["started"]),
            finished=_read_time(fields["finished"]),
            progress=Progress(**fields["progress"]) if fields["progress"] else None,
            tags=tuple(fields["tags"]),
            fields=fields,
        )

    @property
    def phase(self) -> str:
        """The first word of the status: ``Cancelled - Ran too long`` is Cancelled."""
        return self.status.partition(" ")[0]

    @property
    def has_ended(self) -> bool:
        """Return whether the status is final."""
        return self.phase not in _PENDING

    @property
    def seconds(self) -> float | None:
        """The time that the job ran; None for one that never did, or runs."""
        if self.started is None or self.finished is None:
            return None
        return (self.finished - self.started).total_seconds()


def _read_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """A program that the server can run."""

    id: str
    version: str
    description: str
    is_public: bool
    max_execution_seconds: int
    parameters: dict[str, Any] | None
    """The JSON Schema of its parameters; None where the program describes none."""
    interim_results: dict[str, Any] | None
    """The JSON Schema of what it publishes while it runs; None the same."""
    fields: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Read the JSON object of a program."""
        return cls(
            id=fields["id"],
            version=fields["version"],
            description=fields["description"],
            is_public=fields["isPublic"],
            max_execution_seconds=fields["max_execution_time"],
            parameters=fields["spec"].get("parameters"),
            interim_results=fields["spec"].get("interim_results"),
            fields=fields,
        )


class Change(StrEnum):
    """The effect of an upload."""

    UPLOADED = "Uploaded"
    UPDATED = "Updated"
    UNCHANGED = "Unchanged"


@dataclass(frozen=True, slots=True)
class UploadedProgram:
    """A program as the server has it after an upload."""

    program: ProgramInfo
    change: Change

    @property
    def id(self) -> str:
        """The program's id, for ``run``."""
        return self.program.id


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """A backend that programs can run on."""

    name: str
    description: str
    fields: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """Read the JSON object of a backend."""
        return cls(fields["name"], fields["description"], fields)
