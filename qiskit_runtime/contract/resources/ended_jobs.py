"""The ended jobs of a session, as far as its course needs them: no larger for many than for one.

Parts of them are joined in any order, so whoever keeps the jobs need not look at all of them again
when one more has ended, or is deleted. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from qiskit_runtime.contract.limits import MAX_SESSION_TIMESTAMPS
from qiskit_runtime.contract.resources.job import Job


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which a session has jobs; a short pause is within."""

    begun: datetime
    active: datetime | None
    """The start of the first job that has started."""
    until: datetime | None
    """The end of the last job; None where one has not ended."""

    def join(self, other: "Stretch") -> "Stretch":
        """Take in one that begins before the pause after this one is over."""
        return replace(
            self,
            active=min((one for one in (self.active, other.active) if one), default=None),
            until=max(self.until, other.until) if self.until and other.until else None,
        )


def join_stretches(found: Iterable[Stretch], pause: timedelta) -> list[Stretch]:
    """Return stretches in their order; those that only a pause divides are one."""
    joined: list[Stretch] = []
    for one in sorted(found, key=lambda stretch: stretch.begun):
        last = joined[-1] if joined else None
        if last and (last.until is None or one.begun <= last.until + pause):
            joined[-1] = last.join(one)
        else:
            joined.append(one)
    return joined


@dataclass(frozen=True, slots=True)
class EndedJobs:
    """The times of ended jobs, together."""

    stretches: tuple[Stretch, ...] = ()
    last_created: datetime | None = None
    last_started: datetime | None = None
    last_completed: datetime | None = None
    """The last end of a job that had started."""
    last_ended: datetime | None = None
    """The last end of any."""
    run_time: timedelta = timedelta()
    """The time that they ran, added up."""

    @classmethod
    def of(cls, job: Job) -> "EndedJobs":
        """Return those of one job."""
        started, ended = job.status.started_at, job.status.finished_at
        return cls(
            stretches=(Stretch(job.created, started, ended),),
            last_created=job.created,
            last_started=started,
            last_completed=ended if started else None,
            last_ended=ended,
            run_time=max(ended - started, timedelta()) if started and ended else timedelta(),
        )


NO_JOBS = EndedJobs()


def join_ended(parts: Sequence[EndedJobs], pause: timedelta) -> EndedJobs:
    """Return all of several parts; ``pause`` is the one after which their session is inactive."""
    known = [one for one in parts if one is not NO_JOBS]
    if len(known) < 2:
        return known[0] if known else NO_JOBS
    stretches = join_stretches((each for one in known for each in one.stretches), pause)
    return EndedJobs(
        stretches=tuple(_keep_newest(stretches)),
        last_created=find_last(one.last_created for one in known),
        last_started=find_last(one.last_started for one in known),
        last_completed=find_last(one.last_completed for one in known),
        last_ended=find_last(one.last_ended for one in known),
        run_time=sum((one.run_time for one in known), timedelta()),
    )


def find_last(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the last of the times that are known."""
    return max((one for one in moments if one is not None), default=None)


def _keep_newest(stretches: list[Stretch]) -> list[Stretch]:
    """Return as many stretches as a session may remember changes, the newest ones.

    Those in which no job has started count for themselves: they are no change.
    """
    if len(stretches) <= MAX_SESSION_TIMESTAMPS:
        return stretches
    active = [one for one in stretches if one.active is not None]
    others = [one for one in stretches if one.active is None]
    return [*active[-MAX_SESSION_TIMESTAMPS:], *others[-MAX_SESSION_TIMESTAMPS:]]
