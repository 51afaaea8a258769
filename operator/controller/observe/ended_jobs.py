"""The ended jobs of the sessions, joined as far as a session's course needs them.

The jobs may be thousands, and a session is looked at whenever one of them changes. So they are kept
joined: a job that ends, or is deleted, costs a few joins, and a look costs none. What is told is
always that of the jobs that are there, so a restart changes nothing.
"""

from collections import defaultdict
from datetime import timedelta

from qiskit_runtime.contract.resources.ended_jobs import NO_JOBS, EndedJobs, join_ended
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.session import Session

_LEAST_PLACES = 4


class EndedJobsOfSessions:
    """The ended jobs by session; a cache of RuntimeJobs tells of each change (``swap``)."""

    def __init__(self) -> None:
        self._sessions: defaultdict[str, _EndedJobTree] = defaultdict(_EndedJobTree)

    def swap(self, before: RuntimeJob | None, after: RuntimeJob | None) -> None:
        """Take up a job as it is now, and no more as it was; None is one that does not exist."""
        if before is not None and (session := _name_session(before)):
            jobs = self._sessions[session]
            jobs.discard(before.name)
            if jobs.is_empty:
                del self._sessions[session]
        if after is not None and (session := _name_session(after)):
            self._sessions[session].add(after.name, EndedJobs.of(after.job))

    def find(self, session: Session) -> EndedJobs:
        """Return the ended jobs of a session, joined."""
        jobs = self._sessions.get(session.id)
        return jobs.join(session.spec.interactive_ttl) if jobs else NO_JOBS


def _name_session(job: RuntimeJob) -> str:
    """Return the session of a job that has ended; empty for any other job."""
    return job.job.spec.session_id if job.is_final else ""


class _EndedJobTree:
    """The ended jobs of one session: the leaves of a binary tree of joined ones.

    The tree is in a list: below node ``n`` are the nodes ``2 * n`` and ``2 * n + 1``, and node 1 is
    on top. One that is not a leaf is None until it is asked for, and when a job below has changed.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        """By job: its node. They are in the order in which the jobs came."""
        self._nodes: list[EndedJobs | None] = []
        self._pause = timedelta()
        self._make_room()

    @property
    def is_empty(self) -> bool:
        """Return whether there is no job."""
        return not self._places

    def add(self, name: str, job: EndedJobs) -> None:
        """Take up a job that is not there."""
        if self._next == len(self._nodes):
            self._make_room()
        self._places[name] = self._next
        self._change(self._next, job)
        self._next += 1

    def discard(self, name: str) -> None:
        """Forget a job that is there."""
        self._change(self._places.pop(name), NO_JOBS)

    def join(self, pause: timedelta) -> EndedJobs:
        """Return all jobs, joined; ``pause`` is always the same, unless the session is another."""
        if pause != self._pause:
            self._pause = pause
            self._forget_joined()
        return self._join(1)

    def _change(self, node: int, job: EndedJobs) -> None:
        self._nodes[node] = job
        while node > 1:
            node //= 2
            self._nodes[node] = None

    def _join(self, node: int) -> EndedJobs:
        known = self._nodes[node]
        if known is None:
            below = [self._join(2 * node), self._join(2 * node + 1)]
            known = self._nodes[node] = join_ended(below, self._pause)
        return known

    def _make_room(self) -> None:
        """Put the jobs side by side, in their order, with as many places again."""
        kept = {name: self._nodes[node] for name, node in self._places.items()}
        size = _LEAST_PLACES
        while size < 2 * len(kept):
            size *= 2
        self._nodes = [*[None] * size, *kept.values(), *[NO_JOBS] * (size - len(kept))]
        self._places = {name: size + place for place, name in enumerate(kept)}
        self._next = size + len(kept)

    def _forget_joined(self) -> None:
        self._nodes[: len(self._nodes) // 2] = [None] * (len(self._nodes) // 2)
