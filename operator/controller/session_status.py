"""The keeper of RuntimeSessions: their status, the turns of their jobs, and their end.

A session is looked at when it or one of its jobs changes, and when its time makes it another: it
expires, becomes inactive, or is not kept any more. Its jobs judge their turns by themselves
(``observer``); the keeper wakes those that may have one. The status is for kubectl, and the memory
of a session whose jobs are deleted: it has workers of its own, so that no turn waits for a write.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from controller.actions import CHECK_SECONDS
from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from controller.workers import Workers
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.limits import MAX_CLOSED_SESSIONS
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.runtimesession import build_session_status
from qiskit_runtime.contract.resources.session import SessionMode, find_surplus
from qiskit_runtime.contract.resources.session_course import SessionReport, find_next_change


class SessionKeeper:
    """Keeps the sessions of one namespace; ``wake`` has a job looked at."""

    def __init__(self, cluster: JobCluster, view: ClusterView, wake: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._view = view
        self._wake = wake
        self._told: dict[str, tuple[bool, bool, bool]] = {}
        """What all jobs of a session were told: those that wait may be a thousand."""
        self.workers = Workers("runtimesession", self.step, self.refresh)
        self.statuses = Workers("status of runtimesession", self.write, self.refresh)

    async def step(self, name: str) -> float | None:
        """Wake the jobs of a session whose turn it is, and have it written where it has changed.

        Returns the seconds until it may change with no event.
        """
        jobs = self._view.unfinished_of(name)
        known = self._view.sessions.find(name)
        if known is None or known.is_deleted:
            self._told.pop(name, None)
            self._wake_jobs(_find_waiting(jobs))
            return None
        now = datetime.now(UTC)
        report = self._view.report_session(known.session, now)
        self._wake_jobs(find_woken(report, jobs, is_news=self._note_course(name, report)))
        if report.closed_at is not None or build_session_status(report, known.status):
            self.statuses.enqueue(name)
        return _seconds_to_wait(report, now)

    async def write(self, name: str) -> None:
        """Write a session's status where it has changed; if it is closed, remove those not kept."""
        known = self._view.sessions.find(name)
        if known is None or known.is_deleted:
            return
        now = datetime.now(UTC)
        report = self._view.report_session(known.session, now)
        if status := build_session_status(report, known.status):
            self._view.sessions.put(await self._cluster.write_session_status(known, status))
        if report.closed_at is not None:
            await self._remove_surplus(now)

    async def refresh(self, name: str) -> None:
        """Read a session again: a conflict shows that it has changed without an event."""
        sessions = self._view.sessions
        known = sessions.find(name)
        with suppress(ClusterError):
            found = await self._cluster.get_session(name)
            if found is not None:
                sessions.put(found)
            else:
                sessions.discard(name)
        # Only then: a look has the status written, at once.
        if sessions.find(name) is not known:
            self.workers.enqueue(name)

    async def close(self) -> None:
        """Stop; the next operator goes on."""
        await self.workers.close()
        await self.statuses.close()

    def _note_course(self, name: str, report: SessionReport) -> bool:
        """Return whether a session takes and starts jobs otherwise than when it was last seen."""
        session = report.session
        course = report.closed_at is not None, session.accepting_jobs, session.cancel_requested
        is_news = self._told.get(name) != course
        self._told[name] = course
        return is_news

    def _wake_jobs(self, jobs: Sequence[RuntimeJob]) -> None:
        for job in jobs:
            self._wake(job.name)

    async def _remove_surplus(self, now: datetime) -> None:
        known = {one.name: one for one in self._view.sessions.all() if not one.is_deleted}
        sessions = [one.session for one in known.values()]
        for session in find_surplus(sessions, MAX_CLOSED_SESSIONS, now):
            await self._cluster.delete_session(known[session.id])
            self._view.sessions.discard(session.id)


def find_woken(
    report: SessionReport, jobs: Sequence[RuntimeJob], *, is_news: bool
) -> list[RuntimeJob]:
    """Return the jobs that may have their turn now, or never will. Pure.

    In a dedicated session that is the oldest one. ``is_news`` is whether the session has changed
    since the last look, which concerns all of them.
    """
    if is_news:
        return _find_waiting(jobs)
    # In a batch none waits for another.
    is_dedicated = report.session.spec.mode is SessionMode.DEDICATED
    return _find_waiting(jobs)[:1] if is_dedicated else []


def _find_waiting(jobs: Sequence[RuntimeJob]) -> list[RuntimeJob]:
    """Return the jobs that have not run, in the order of their submission."""
    waiting = [job for job in jobs if not job.is_final and not job.has_run]
    return sorted(waiting, key=lambda job: (job.job.sequence, job.name))


def _seconds_to_wait(report: SessionReport, now: datetime) -> float | None:
    change = find_next_change(report, now)
    if change is None or change <= now:
        # It is not kept any more, and its deletion is an event.
        return None
    seconds = (change - now).total_seconds()
    # What was missed is made up for, as for a job that waits.
    return min(seconds, CHECK_SECONDS) if report.unfinished else seconds
