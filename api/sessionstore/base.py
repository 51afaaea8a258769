"""The interface of every store of sessions, in local mode and on Kubernetes.

A store keeps what was asked of a session. Its state follows from its jobs, which are read from the
store of jobs at each call (``session_course``), so a read is never behind them. One behaviour suite
(``tests/sessionstore``) holds every implementation to the words below.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

from api.jobstore.base import NO_LIMIT, JobQuery, JobStore
from api.store_errors import StorageFull
from qiskit_runtime.contract.limits import MAX_OPEN_SESSIONS, MAX_OPEN_SESSIONS_OF_INSTANCE
from qiskit_runtime.contract.resources.job import JobSpec
from qiskit_runtime.contract.resources.session import Session, SessionSpec, find_mismatch
from qiskit_runtime.contract.resources.session_course import SessionReport, observe_session


class SessionNotFound(LookupError):
    """No session has this id."""


class SessionClosed(Exception):
    """The session takes no more jobs; the text says since when, and why."""


class SessionUnusable(Exception):
    """A job can't belong to the session; the text names the field and both values."""


class SessionStore(ABC):
    """Keeps sessions, and admits jobs to them; ``jobs`` has the jobs.

    Methods that take an id raise ``SessionNotFound`` where there is no such session. All may raise
    ``StoreUnavailable``.
    """

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    @abstractmethod
    async def open(self) -> None:
        """Take up the sessions that are there."""

    @abstractmethod
    async def close(self) -> None:
        """Stop."""

    @abstractmethod
    async def create(self, spec: SessionSpec, session_id: str | None = None) -> SessionReport:
        """Open a session, of this id or a new one; one that has it already is returned.

        Raises:
            StorageFull: as many sessions are open as may be.
        """

    @abstractmethod
    async def find(self, session_id: str) -> Session:
        """Return the session as it is stored, from memory where it is known there."""

    @abstractmethod
    def admit(self, spec: JobSpec) -> AbstractAsyncContextManager[datetime]:
        """Admit a job to the session that its spec names, and yield the time of its submission.

        The job is submitted within the context, with that time. **A session that was closed has no
        job submitted afterwards**: where ``close_session`` has returned, on whichever server, no
        admission succeeds any more; each one that succeeded before has an earlier time.

        Raises:
            SessionUnusable: there is no such session, or the job is not for it.
            SessionClosed: it takes no more jobs.
        """

    @abstractmethod
    async def close_session(self, session_id: str, *, cancel: bool = False) -> None:
        """Have a session take no more jobs; its jobs run. Fine if it takes none already.

        With ``cancel`` the jobs of it that are queued are cancelled, and those that run go on.
        """

    async def get(self, session_id: str) -> SessionReport:
        """Return the session as it is now."""
        return await self._observe(await self.find(session_id))

    async def _observe(self, session: Session) -> SessionReport:
        query = JobQuery(session_id=session.id)
        page = await self._jobs.find(query, limit=NO_LIMIT, offset=0)
        return observe_session(session, page.jobs, datetime.now(UTC))


def check_admission(session: Session, spec: JobSpec, now: datetime) -> None:
    """Raise what ``admit`` raises of a session that there is. Pure."""
    if words := find_mismatch(session, spec):
        raise SessionUnusable(words)
    if not session.is_accepting:
        raise SessionClosed(f"The session is closed: session {session.id} accepts no more jobs")
    if not session.takes_jobs_at(now):
        raise SessionClosed(
            f"The session is closed: session {session.id} has reached its limit of"
            f" {session.spec.max_ttl_seconds} s (max_ttl)"
        )


def later_than_admitted(session: Session) -> datetime:
    """Return the time now, or one just after the last admission where a clock was set back."""
    now, last = datetime.now(UTC), session.last_admitted_at
    return now if last is None else max(now, last + timedelta(microseconds=1))


def check_open_number(sessions: Iterable[Session], spec: SessionSpec, now: datetime) -> None:
    """Raise StorageFull where as many sessions are open as may be: in all, or of an instance."""
    opened = [session.spec.instance for session in sessions if session.takes_jobs_at(now)]
    own = opened.count(spec.instance)
    for count, most, whose in (
        (own, MAX_OPEN_SESSIONS_OF_INSTANCE, f" of the instance {spec.instance.name}"),
        (len(opened), MAX_OPEN_SESSIONS, ""),
    ):
        if count >= most:
            raise StorageFull(
                f"there are {count} open sessions{whose} of at most {most}:"
                " close those that nobody needs any more"
            )
