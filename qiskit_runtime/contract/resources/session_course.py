"""The course of a session: its state, times and use, as its jobs and the time make them.

The jobs tell it; what they have told is remembered on the session, as they may be deleted before it
is. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from qiskit_runtime.contract.limits import ADMISSION_SECONDS, MAX_SESSION_TIMESTAMPS
from qiskit_runtime.contract.resources.ended_jobs import (
    NO_JOBS,
    EndedJobs,
    Stretch,
    find_last,
    join_ended,
    join_stretches,
)
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


def observe_session(
    session: Session, jobs: Sequence[Job], now: datetime, ended: EndedJobs = NO_JOBS
) -> SessionReport:
    """Return a session as its jobs and the time make it.

    ``ended`` has ended jobs that are not among ``jobs``.
    """
    among = [EndedJobs.of(job) for job in jobs if job.is_final]
    ended = join_ended([ended, *among], session.spec.interactive_ttl)
    unfinished = [job for job in jobs if not job.is_final]
    if session.closed_at is not None:
        return _report(_with_job_times(session, unfinished, ended, now), unfinished)
    changes = [Transition(status=SessionState.OPEN, timestamp=session.created)]
    for stretch in _find_stretches(session, unfinished, ended):
        changes += _list_changes(session, stretch, now)
    if end := _find_end(session, unfinished, ended, now):
        changes = [one for one in changes if one.timestamp <= end]
        changes.append(Transition(status=SessionState.CLOSED, timestamp=end))
    kept = changes[:1] + changes[1:][1 - MAX_SESSION_TIMESTAMPS :]
    seen = session.model_copy(update={"timestamps": tuple(kept)})
    return _report(_with_job_times(seen, unfinished, ended, now), unfinished)


def _report(session: Session, unfinished: Sequence[Job]) -> SessionReport:
    state = session.timestamps[-1].status
    if not session.is_accepting and state in (SessionState.OPEN, SessionState.INACTIVE):
        state = SessionState.PENDING_CLOSED
    active = (one for one in session.timestamps if one.status is SessionState.ACTIVE)
    first = next(active, None)
    return SessionReport(
        session=session,
        state=state,
        activated_at=first.timestamp if first else None,
        unfinished=len(unfinished),
    )


def _find_stretches(session: Session, unfinished: Sequence[Job], ended: EndedJobs) -> list[Stretch]:
    """Return the stretches in which it has, or had, jobs that started."""
    found = [*_remember_stretches(session), *ended.stretches]
    found += [Stretch(job.created, job.status.started_at, until=None) for job in unfinished]
    joined = join_stretches(found, session.spec.interactive_ttl)
    return [one for one in joined if one.active is not None]


def _remember_stretches(session: Session) -> list[Stretch]:
    """Return the stretches that its memory has: their jobs may be gone."""
    found = list[Stretch]()
    for one in session.timestamps:
        if one.status is SessionState.ACTIVE:
            end = session.last_job_completed_at or one.timestamp
            found.append(Stretch(one.timestamp, one.timestamp, max(end, one.timestamp)))
        elif one.status is SessionState.INACTIVE and found:
            found[-1] = replace(found[-1], until=one.timestamp - session.spec.interactive_ttl)
    return found


def _list_changes(session: Session, stretch: Stretch, now: datetime) -> list[Transition]:
    assert stretch.active is not None, "others are left out"
    changes = [Transition(status=SessionState.ACTIVE, timestamp=stretch.active)]
    if stretch.until is not None:
        idle = stretch.until + session.spec.interactive_ttl
        if idle <= now:
            changes.append(Transition(status=SessionState.INACTIVE, timestamp=idle))
    return changes


def _find_end(
    session: Session, unfinished: Sequence[Job], ended: EndedJobs, now: datetime
) -> datetime | None:
    """Return the time at which it closed; None while it is open.

    A cancelled session, and one whose time is over, are closed at once; a job that runs goes on.
    One that was closed is when the last job that it has taken has ended.
    """
    ends = [session.expires] if now >= session.expires else []
    asked = session.close_requested_at or now
    if session.cancel_requested:
        ends.append(asked)
    elif not session.accepting_jobs and not unfinished and not _awaits_job(session, ended, now):
        ends.append(max(asked, session.last_job_completed_at or asked, ended.last_ended or asked))
    return max(min(ends), session.created) if ends else None


def _awaits_job(session: Session, ended: EndedJobs, now: datetime) -> bool:
    """Return whether the job that was admitted last may still come."""
    admitted = session.last_admitted_at
    if admitted is None or now >= admitted + timedelta(seconds=ADMISSION_SECONDS):
        return False
    return ended.last_created is None or ended.last_created < admitted


def _with_job_times(
    session: Session, unfinished: Sequence[Job], ended: EndedJobs, now: datetime
) -> Session:
    """Return a session with the times of its jobs, and the time that it has used."""
    starts = [job.status.started_at for job in unfinished]
    last_started = find_last([session.last_job_started_at, ended.last_started, *starts])
    last_completed = find_last([session.last_job_completed_at, ended.last_completed])
    seen = session.model_copy(
        update={"last_job_started_at": last_started, "last_job_completed_at": last_completed}
    )
    if session.spec.mode is SessionMode.BATCH:
        # What a batch has used is the time that its jobs have run, together.
        run_times = (max(now - start, timedelta()) for start in starts if start)
        used = sum(run_times, ended.run_time).total_seconds()
    else:
        used = _sum_active(seen, now)
    # What deleted jobs have used is not forgotten.
    return seen.model_copy(update={"usage_seconds": max(used, session.usage_seconds)})


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
        moments.append(session.last_job_completed_at + session.spec.interactive_ttl)
    return min((one for one in moments if one > now), default=now)
