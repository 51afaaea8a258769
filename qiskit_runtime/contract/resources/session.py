"""A session: jobs of one backend that run in the order of their submission.

The turn of each job follows from its session, the other jobs and the time (``judge_turn``), and so
does the session's state (``session_course``). Local mode and Kubernetes ask the same functions.
Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from qiskit_runtime.contract.lifecycle import Observation, Reason, State, derive_state, reject
from qiskit_runtime.contract.limits import (
    DEFAULT_SESSION_SECONDS,
    DEFAULT_TTL_SECONDS,
    INTERACTIVE_SECONDS,
    MAX_SESSION_SECONDS,
)
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import ContractModel, Job, JobSpec, Label


class SessionMode(StrEnum):
    """The way in which a session's jobs run: one after the other, or beside each other."""

    DEDICATED = "dedicated"
    BATCH = "batch"


class SessionState(StrEnum):
    """The state of a session, as the official client reads it. ``CLOSED`` is final."""

    OPEN = "open"
    """None of its jobs has started."""
    ACTIVE = "active"
    """A job of it runs, or has ended a moment ago."""
    INACTIVE = "inactive"
    """It has had no job for a while; the next one makes it active."""
    PENDING_CLOSED = "pending_closed"
    """It takes no more jobs, and those that it has taken have not started."""
    CLOSED = "closed"


class SessionSpec(ContractModel):
    """The request for a session. It never changes."""

    mode: SessionMode = SessionMode.DEDICATED
    backend: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    hub: Label = ""
    group: Label = ""
    project: Label = ""
    max_ttl_seconds: Annotated[int, Field(ge=1, le=MAX_SESSION_SECONDS)] = DEFAULT_SESSION_SECONDS
    """How long it is open, from its creation on."""
    interactive_ttl_seconds: Annotated[int, Field(ge=1, le=MAX_SESSION_SECONDS)] = (
        INTERACTIVE_SECONDS
    )
    ttl_seconds_after_closed: Annotated[int, Field(ge=0)] = DEFAULT_TTL_SECONDS
    """How long it is kept once it is closed."""

    @property
    def instance(self) -> Instance:
        """The instance that it belongs to."""
        return Instance(self.hub, self.group, self.project)

    @property
    def interactive_ttl(self) -> timedelta:
        """The time without a job after which it is inactive."""
        return timedelta(seconds=self.interactive_ttl_seconds)


class Transition(ContractModel):
    """The time at which a session came into a state."""

    status: SessionState
    timestamp: datetime


class Session(ContractModel):
    """A session as it is stored: what was asked of it, and what is remembered of its course.

    The memory (``timestamps`` and the times after it) is needed once its jobs are deleted, which
    may be before the session is.
    """

    id: str
    created: datetime
    spec: SessionSpec
    accepting_jobs: bool = True
    cancel_requested: bool = False
    """Whether its queued jobs are to be cancelled."""
    close_requested_at: datetime | None = None
    last_admitted_at: datetime | None = None
    """The time of submission of the job that was admitted last; later ones have later times."""
    timestamps: tuple[Transition, ...] = ()
    last_job_started_at: datetime | None = None
    last_job_completed_at: datetime | None = None
    usage_seconds: float = 0.0

    @property
    def is_accepting(self) -> bool:
        """Return whether nobody has closed it; it may have expired all the same."""
        return self.accepting_jobs and not self.cancel_requested

    @property
    def expires(self) -> datetime:
        """The time at which it closes at the latest."""
        return self.created + timedelta(seconds=self.spec.max_ttl_seconds)

    @property
    def closed_at(self) -> datetime | None:
        """The time at which it was seen to be closed; None where nobody has noted that."""
        last = self.timestamps[-1] if self.timestamps else None
        return last.timestamp if last and last.status is SessionState.CLOSED else None

    def takes_jobs_at(self, now: datetime) -> bool:
        """Return whether a job may be submitted to it now."""
        return self.is_accepting and self.closed_at is None and now < self.expires

    def removable_at(self) -> datetime | None:
        """Return the time from which it is not kept any more; None until it is closed."""
        if self.closed_at is None:
            return None
        return self.closed_at + timedelta(seconds=self.spec.ttl_seconds_after_closed)


class TurnKind(StrEnum):
    """The answer to a queued job that asks whether it may start."""

    COME = "come"
    WAITS = "waits"
    """Another job of its session is before it."""
    CLOSED = "closed"
    """Never: its session has ended."""
    WRONG = "wrong"
    """Never: it does not belong to this session."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn of a queued job in its session; ``words`` say why it never comes."""

    kind: TurnKind = TurnKind.COME
    words: str = ""

    @property
    def end(self) -> State | None:
        """The final state of a job whose turn never comes; None of any other."""
        if self.kind is TurnKind.CLOSED:
            return derive_state(Observation(session_closed=self.words))
        return reject(Reason.UNKNOWN_SESSION, self.words) if self.kind is TurnKind.WRONG else None


HAS_COME = Turn()
"""The turn of a job that may start, as of one without a session."""


def find_mismatch(session: Session, spec: JobSpec) -> str:
    """Return why a job of this spec can't belong to a session; empty where it can."""
    own = session.spec
    if (spec.hub, spec.group, spec.project) != (own.hub, own.group, own.project):
        return describe_missing(spec)
    if spec.backend != own.backend:
        return f"backend: session {session.id} is on {own.backend}, the job is for {spec.backend}"
    return ""


def describe_missing(spec: JobSpec) -> str:
    """Return that a job's session is not there: what is another instance's is nobody else's."""
    instance = spec.instance
    return f"session_id: there is no session {spec.session_id} in the instance {instance.name}"


def judge_turn(
    session: Session | None,
    job: Job,
    jobs: Iterable[Job],
    now: datetime,
    begun: frozenset[str] = frozenset(),
) -> Turn:
    """Return the turn of a queued job, given the jobs of its session that have not ended.

    ``begun`` names jobs that are about to start, though their phase does not say so yet. In a
    dedicated session a job waits for those before it, and for one behind it that has begun: two
    servers may have submitted them in the other order.
    """
    if session is None:
        return Turn(TurnKind.WRONG, describe_missing(job.spec))
    if words := find_mismatch(session, job.spec):
        return Turn(TurnKind.WRONG, words)
    if words := _find_closing(session, job, now):
        return Turn(TurnKind.CLOSED, words)
    if session.spec.mode is SessionMode.BATCH:
        return HAS_COME
    own = _order(job)
    for other in jobs:
        has_begun = other.status.started_at is not None or other.id in begun
        if other.id != job.id and not other.is_final and (has_begun or _order(other) < own):
            return Turn(TurnKind.WAITS)
    return HAS_COME


def _order(job: Job) -> tuple[int, str]:
    return job.sequence, job.id


def _find_closing(session: Session, job: Job, now: datetime) -> str:
    """Return why a session starts no more jobs, or not this one."""
    if session.cancel_requested:
        return "its session was cancelled before the job started"
    if now >= session.expires:
        seconds = session.spec.max_ttl_seconds
        return f"its session reached its limit of {seconds} s (max_ttl) before the job started"
    asked = session.close_requested_at
    if session.accepting_jobs or asked is None:
        return ""
    last = max(asked, session.last_admitted_at or asked)
    return "its session was closed before the job was submitted" if job.created > last else ""


def find_surplus(sessions: Iterable[Session], most: int, now: datetime) -> list[Session]:
    """Return closed sessions that are not kept: too old, or the oldest of more than ``most``."""
    closed = [one for one in sessions if one.closed_at is not None]
    closed.sort(key=lambda one: one.closed_at or one.created, reverse=True)
    return [
        one
        for place, one in enumerate(closed)
        if place >= most or (one.removable_at() or now) <= now
    ]
