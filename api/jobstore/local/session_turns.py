"""The turns of local mode's jobs in their sessions; those that have to wait are parked here.

A parked job is in no queue and holds no worker. When a job of its session ends, the next one is
queued again, in its old place.
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

    def judge(self, job: Job) -> Turn:
        """Return the turn of a queued job as it is now."""
        session_id = job.spec.session_id
        if not session_id or self._find_session is None:
            return HAS_COME
        # Those that have ended, which may be thousands, hold up none.
        jobs = self._book.pending_of_session(session_id)
        return judge_turn(self._find_session(session_id), job, jobs, datetime.now(UTC))

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
