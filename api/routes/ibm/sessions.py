"""/sessions: open a session or a batch, read it, close it, cancel it."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from api.accounts.caller import Caller, InstanceRefused
from api.backendstore.base import BackendLibrary
from api.bodies import CheckedRoute
from api.dependencies import BackendsDep, CallerDep, SessionsDep
from api.errors import InvalidField
from api.routes.ibm.errors import describe
from api.routes.ibm.jobs import WITH_BODY
from qiskit_runtime.contract.limits import (
    DEFAULT_SESSION_SECONDS,
    MAX_LABEL_CHARACTERS,
    MAX_SESSION_SECONDS,
)
from qiskit_runtime.contract.moment import format_moment, format_optional_moment
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.resources.session import SessionMode, SessionSpec
from qiskit_runtime.contract.resources.session_course import SessionReport

router = APIRouter(tags=["qiskit-ibm-runtime"], route_class=CheckedRoute, strict_content_type=False)


class SessionRequest(BaseModel):
    """The body of POST /sessions; keys that are not known are ignored."""

    model_config = ConfigDict(strict=True)

    mode: Literal["dedicated", "batch"] = "dedicated"
    backend: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL_CHARACTERS)]
    instance: Annotated[str, StringConstraints(max_length=1000)] | None = Field(
        None, description="The instance of the header Service-CRN: its CRN or its name."
    )
    max_ttl: Annotated[int, Field(ge=1, le=MAX_SESSION_SECONDS)] = Field(
        DEFAULT_SESSION_SECONDS, description="Seconds from now until it closes."
    )


class SessionChange(BaseModel):
    """The body of PATCH /sessions/{session_id}."""

    model_config = ConfigDict(strict=True)

    accepting_jobs: bool

    @field_validator("accepting_jobs")
    @classmethod
    def _check_closes(cls, value: bool) -> bool:
        if value:
            raise ValueError("a session can be closed (false), and never opened again")
        return value


class StateTime(BaseModel):
    """The time at which a session came into a state."""

    status: str
    timestamp: str


class SessionResponse(BaseModel):
    """A session as the official client reads it. Times are ISO 8601 in UTC, others in seconds."""

    id: str
    backend_name: str
    mode: str
    state: str
    accepting_jobs: bool
    max_ttl: int
    interactive_ttl: int
    active_ttl: int
    started_at: str
    activated_at: str | None
    closed_at: str | None
    last_job_started: str | None
    last_job_completed: str | None
    elapsed_time: float = Field(
        description="The time that it has used: while it was active, or its jobs' in a batch."
    )
    timestamps: list[StateTime]

    @classmethod
    def from_report(cls, report: SessionReport) -> "SessionResponse":
        """Return a session's form."""
        session, spec = report.session, report.session.spec
        return cls(
            id=session.id,
            backend_name=spec.backend,
            mode=spec.mode.value,
            state=report.state.value,
            accepting_jobs=report.accepting_jobs,
            max_ttl=spec.max_ttl_seconds,
            interactive_ttl=spec.interactive_ttl_seconds,
            active_ttl=spec.max_ttl_seconds,
            started_at=format_moment(session.created),
            activated_at=format_optional_moment(report.activated_at),
            closed_at=format_optional_moment(report.closed_at),
            last_job_started=format_optional_moment(session.last_job_started_at),
            last_job_completed=format_optional_moment(session.last_job_completed_at),
            elapsed_time=round(session.usage_seconds, 3),
            timestamps=[
                StateTime(status=one.status.value, timestamp=format_moment(one.timestamp))
                for one in session.timestamps
            ],
        )


@router.post("/sessions", responses=describe(429, 503, *WITH_BODY))
async def open_session(
    request: SessionRequest, sessions: SessionsDep, backends: BackendsDep, caller: CallerDep
) -> SessionResponse:
    """Open a session on a backend. Its jobs name its id, and run in the order of submission."""
    _check_instance(request.instance, caller)
    instance = caller.instance
    spec = SessionSpec(
        mode=SessionMode(request.mode),
        backend=await _find_backend(request.backend, backends),
        hub=instance.hub,
        group=instance.group,
        project=instance.project,
        max_ttl_seconds=request.max_ttl,
    )
    return SessionResponse.from_report(await sessions.create(spec))


@router.get("/sessions/{session_id}", responses=describe(404, 503))
async def get_session(session_id: str, sessions: SessionsDep) -> SessionResponse:
    """Return a session as it is now."""
    return SessionResponse.from_report(await sessions.get(session_id))


@router.patch("/sessions/{session_id}", status_code=204, responses=describe(404, 503, *WITH_BODY))
async def close_session(session_id: str, _closing: SessionChange, sessions: SessionsDep) -> None:
    """Have a session take no more jobs: those that it has taken run to their ends."""
    await sessions.close_session(session_id)


@router.delete(
    "/sessions/{session_id}/close", status_code=204, responses=describe(404, 503, *WITH_BODY)
)
async def cancel_session(session_id: str, sessions: SessionsDep) -> None:
    """Close a session and cancel its queued jobs; a job that runs goes on to its end."""
    await sessions.close_session(session_id, cancel=True)


async def _find_backend(name: str, backends: BackendLibrary) -> str:
    """Return the name of a backend that there is."""
    try:
        return (await backends.get(name)).name
    except UnknownBackend:
        message = f"backend: no backend is named '{name}'; GET /backends lists them"
        raise InvalidField(("body", "backend"), message) from None


def _check_instance(named: str | None, caller: Caller) -> None:
    """Refuse another instance than the request is for, where there is more than one."""
    own = caller.instance
    try:
        is_own = caller.choose(named or "").instance == own
    except InstanceRefused:
        is_own = False
    if not (is_own or caller.is_only_tenant):
        raise InvalidField(
            ("body", "instance"), f"instance: the request is for {own.crn} (Service-CRN)"
        )
