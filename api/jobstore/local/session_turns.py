"""The turns of local mode's jobs in their sessions; those that have to wait are parked here.

A parked job is in no queue and holds no worker. When a job of its session ends, the next one is
queued again, in its old place. A job that was discarded has ended when its program has.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime

from api.jobstore.local.job_book import JobBook
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.session import HAS_COME, Session, Turn, judge_turn

FindSession = Callable[[str], Session | None]
"""Returns the session of an id, None where there is none."""


class SessionTurns:
    """The turns by the sessions that ``find_session`` knows; without it every job's has come."""

    def __init__(self, book: JobBook, find_session: FindSession | None) -> None:
        self._book, self._find_session = book, find_session
        self._parked: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self._inside: dict[str, Job] = {}

    def judge(self, job: Job) -> Turn:
        """Return the turn of a queued job as it is now."""
        session_id = job.spec.session_id
        if not session_id or self._find_session is None:
            return HAS_COME
        # Those that have ended, which may be thousands, hold up none.
        jobs, gone = self._book.pending_of_session(session_id), self._find_gone(session_id)
        begun = frozenset(one.id for one in gone)
        session = self._find_session(session_id)
        return judge_turn(session, job, [*jobs, *gone], datetime.now(UTC), begun)

    def _find_gone(self, session_id: str) -> list[Job]:
        """Return the jobs of a session that were discarded, and whose programs may run still."""
        inside = (job for job in self._inside.values() if job.spec.session_id == session_id)
        return [job for job in inside if job.id not in self._book]

    def enter(self, job: Job) -> None:
        """Note that a worker has a job."""
        self._inside[job.id] = job

    def leave(self, job: Job) -> Job | None:
        """Note that nothing of a job runs any more; return the job that has waited for that."""
        del self._inside[job.id]
        # The end of one that the book has was told already.
        return None if job.id in self._book else self.take_next(job.spec.session_id)

    def park(self, job: Job) -> None:
        """Keep a job whose turn has not come."""
        self._parked[job.spec.session_id][job.id] = job

    def take_next(self, session_id: str) -> Job | None:
        """Return the oldest job of a session that is parked, and is still queued; it leaves."""
        parked = self._parked.get(session_id, {})
        for job in sorted(parked.values(), key=lambda job: job.sequence):
            del parked[job.id]
            if known := self._book.find_queued(job.id, job.sequence):
                return known
        self._parked.pop(session_id, None)
        return None
