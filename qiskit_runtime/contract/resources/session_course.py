"""The course of a session: its state, times and use, as its jobs and the time make them.

The jobs tell it; what they have told is remembered on the session, as they may be deleted before it
is. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from qiskit_runtime.contract.limits import ADMISSION_SECONDS, MAX_SESSION_TIMESTAMPS
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.session import (
    Session,
    SessionMode,
    SessionState,
    Transition,
)


@dataclass(frozen=True, slots=True)
class SessionReport:
    """A session as it is at one moment, with what follows from its jobs."""

    session: Session
    """The session, with its memory brought up to this moment."""
    state: SessionState
    activated_at: datetime | None = None
    unfinished: int = 0
    """The number of its jobs that are queued or running."""

    @property
    def accepting_jobs(self) -> bool:
        """Return whether a job may be submitted to it."""
        return self.session.is_accepting and self.state is not SessionState.CLOSED

    @property
    def closed_at(self) -> datetime | None:
        """The time at which it closed."""
        return self.session.closed_at


@dataclass(slots=True)
class _Stretch:
    """A stretch of time in which a session has jobs; a short pause is within."""

    begun: datetime
    active: datetime | None
    """The start of the first job that has started."""
    until: datetime | None
    """The end of the last job; None where one has not ended."""

    def join(self, other: "_Stretch") -> None:
        """Take in one that begins before the pause after this one is over."""
        starts = [one for one in (self.active, other.active) if one]
        self.active = min(starts) if starts else None
        ends = (self.until, other.until)
        self.until = None if None in ends else max(one for one in ends if one)


def observe_session(session: Session, jobs: Sequence[Job], now: datetime) -> SessionReport:
    """Return a session as its jobs and the time make it."""
    if session.closed_at is not None:
        return _report(_with_job_times(session, jobs, now), jobs)
    changes = [Transition(status=SessionState.OPEN, timestamp=session.created)]
    for stretch in _find_stretches(session, jobs):
        changes += _list_changes(session, stretch, now)
    if end := _find_end(session, jobs, now):
        changes = [one for one in changes if one.timestamp <= end]
        changes.append(Transition(status=SessionState.CLOSED, timestamp=end))
    kept = changes[:1] + changes[1:][1 - MAX_SESSION_TIMESTAMPS :]
    seen = session.model_copy(update={"timestamps": tuple(kept)})
    return _report(_with_job_times(seen, jobs, now), jobs)


def _report(session: Session, jobs: Sequence[Job]) -> SessionReport:
    state = session.timestamps[-1].status
    if not session.is_accepting and state in (SessionState.OPEN, SessionState.INACTIVE):
        state = SessionState.PENDING_CLOSED
    active = (one for one in session.timestamps if one.status is SessionState.ACTIVE)
    first = next(active, None)
    return SessionReport(
        session=session,
        state=state,
        activated_at=first.timestamp if first else None,
        unfinished=sum(not job.is_final for job in jobs),
    )


def _find_stretches(session: Session, jobs: Sequence[Job]) -> list[_Stretch]:
    """Return the stretches in which it has, or had, jobs that started."""
    found = _remember_stretches(session)
    found += [_Stretch(job.created, job.status.started_at, job.status.finished_at) for job in jobs]
    pause = timedelta(seconds=session.spec.interactive_ttl_seconds)
    joined: list[_Stretch] = []
    for one in sorted(found, key=lambda stretch: stretch.begun):
        last = joined[-1] if joined else None
        if last and (last.until is None or one.begun <= last.until + pause):
            last.join(one)
        else:
            joined.append(one)
    return [one for one in joined if one.active is not None]


def _remember_stretches(session: Session) -> list[_Stretch]:
    """Return the stretches that its memory has: their jobs may be gone."""
    pause = timedelta(seconds=session.spec.interactive_ttl_seconds)
    found = list[_Stretch]()
    for one in session.timestamps:
        if one.status is SessionState.ACTIVE:
            end = session.last_job_completed_at or one.timestamp
            found.append(_Stretch(one.timestamp, one.timestamp, max(end, one.timestamp)))
        elif one.status is SessionState.INACTIVE and found:
            found[-1].until = one.timestamp - pause
    return found


def _list_changes(session: Session, stretch: _Stretch, now: datetime) -> list[Transition]:
    assert stretch.active is not None, "others are left out"
    changes = [Transition(status=SessionState.ACTIVE, timestamp=stretch.active)]
    if stretch.until is not None:
        idle = stretch.until + timedelta(seconds=session.spec.interactive_ttl_seconds)
        if idle <= now:
            changes.append(Transition(status=SessionState.INACTIVE, timestamp=idle))
    return changes


def _find_end(session: Session, jobs: Sequence[Job], now: datetime) -> datetime | None:
    """Return the time at which it closed; None while it is open.

    A cancelled session, and one whose time is over, are closed at once; a job that runs goes on.
    One that was closed is when the last job that it has taken has ended.
    """
    ends = [session.expires] if now >= session.expires else []
    asked = session.close_requested_at or now
    if session.cancel_requested:
        ends.append(asked)
    elif not session.accepting_jobs and _has_ended(session, jobs, now):
        last = session.last_job_completed_at or asked
        ends.append(max([asked, last, *(job.status.finished_at or asked for job in jobs)]))
    return max(min(ends), session.created) if ends else None


def _has_ended(session: Session, jobs: Sequence[Job], now: datetime) -> bool:
    """Return whether all jobs that were admitted have ended, as far as they ever came."""
    admitted = session.last_admitted_at
    is_on_its_way = (
        admitted is not None
        and now < admitted + timedelta(seconds=ADMISSION_SECONDS)
        and not any(job.created >= admitted for job in jobs)
    )
    return not is_on_its_way and all(job.is_final for job in jobs)


def _with_job_times(session: Session, jobs: Sequence[Job], now: datetime) -> Session:
    """Return a session with the times of its jobs, and the time that it has used."""
    starts = [session.last_job_started_at, *(job.status.started_at for job in jobs)]
    ran = [job for job in jobs if job.status.started_at]
    ends = [session.last_job_completed_at, *(job.status.finished_at for job in ran)]
    seen = session.model_copy(
        update={
            "last_job_started_at": max((one for one in starts if one), default=None),
            "last_job_completed_at": max((one for one in ends if one), default=None),
        }
    )
    used = _sum_runs(ran, now) if session.spec.mode is SessionMode.BATCH else _sum_active(seen, now)
    # What deleted jobs have used is not forgotten.
    return seen.model_copy(update={"usage_seconds": max(used, session.usage_seconds)})


def _sum_runs(jobs: Sequence[Job], now: datetime) -> float:
    """Return the time that jobs have run, together: what a batch has used."""
    runs = ((job.status.started_at, job.status.finished_at or now) for job in jobs)
    return sum(max((end - start).total_seconds(), 0.0) for start, end in runs if start)


def _sum_active(session: Session, now: datetime) -> float:
    """Return the time in which a session was active, or one of its jobs went on after its end."""
    changes, total, last = session.timestamps, timedelta(), session.last_job_completed_at
    for index, one in enumerate(changes):
        if one.status is not SessionState.ACTIVE:
            continue
        following = changes[index + 1] if index + 1 < len(changes) else None
        end = following.timestamp if following else now
        if last and following and following.status is SessionState.CLOSED:
            end = max(end, last)
        total += max(end - one.timestamp, timedelta())
    return total.total_seconds()


def find_next_change(report: SessionReport, now: datetime) -> datetime | None:
    """Return when a session may change, or go, without an event of a job; None is never."""
    session = report.session
    if report.closed_at is not None:
        return session.removable_at()
    moments = [session.expires]
    if session.last_admitted_at:
        moments.append(session.last_admitted_at + timedelta(seconds=ADMISSION_SECONDS))
    if session.last_job_completed_at:
        pause = timedelta(seconds=session.spec.interactive_ttl_seconds)
        moments.append(session.last_job_completed_at + pause)
    return min((one for one in moments if one > now), default=now)
