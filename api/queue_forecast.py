"""The queue as those who wait in it see it: their position, and when their turn may come.

It is an estimate from memory alone: the jobs ahead, the times that recent jobs took, and as many
jobs at once as run now. All jobs count, whoever's they are.
"""

import heapq
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from api.jobstore.base import NO_LIMIT, JobQuery, JobStore
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.job import Job

RECENT_JOBS = 100
"""The ended jobs whose times are looked at."""

_FRESH_SECONDS = 1.0
"""How long an estimate is shown: it costs a look at every job that waits."""

_DURATIONS_SECONDS = 10.0
"""How long the times of recent jobs are believed: a look at them may be one at every job."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The place of a queued job, from 1; its begin and end where recent jobs tell how long."""

    position: int
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """The seconds that jobs usually take: by program, and those of any (None if none is known)."""

    by_program: Mapping[str, float]
    any_program: float | None

    def expect(self, job: Job) -> float | None:
        """Return the seconds that a job will probably take."""
        return self.by_program.get(job.spec.program_id, self.any_program)


class QueueForecast:
    """The forecast of one server, over its store of all jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._made, self._measured = -_FRESH_SECONDS, -_DURATIONS_SECONDS
        self._forecasts: dict[str, Forecast] = {}
        self._durations = Durations({}, None)

    async def find(self, job: Job) -> Forecast | None:
        """Return the forecast of a queued job; None of any other."""
        if job.status.phase is not Phase.QUEUED:
            return None
        await self._refresh()
        # One that came since the last look is behind all others.
        return self._forecasts.get(job.id) or Forecast(len(self._forecasts) + 1)

    async def expect_seconds(self, job: Job) -> float | None:
        """Return the seconds that a job will probably take, by those before it; None if unknown."""
        await self._refresh()
        return self._durations.expect(job)

    async def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._made < _FRESH_SECONDS:
            return
        self._made = now
        pending = await self._store.find(JobQuery(pending=True, oldest_first=True), NO_LIMIT, 0)
        if now - self._measured >= _DURATIONS_SECONDS or self._durations.any_program is None:
            self._measured = now
            self._durations = measure(await self._store.find_newest_ended(RECENT_JOBS))
        self._forecasts = forecast(pending.jobs, self._durations, datetime.now(UTC))


def seconds_run(job: Job) -> float | None:
    """Return the seconds that an ended job has run; None if it has not ended, or never ran."""
    started, finished = job.status.started_at, job.status.finished_at
    if started is None or finished is None:
        return None
    return max(0.0, (finished - started).total_seconds())


def measure(ended: Sequence[Job]) -> Durations:
    """Return the median times of jobs that have completed. Pure."""
    times: dict[str, list[float]] = defaultdict(list)
    for job in ended:
        seconds = seconds_run(job)
        if seconds is not None and job.status.phase is Phase.COMPLETED:
            times[job.spec.program_id].append(seconds)
    everything = [seconds for some in times.values() for seconds in some]
    by_program = {program: median(some) for program, some in times.items()}
    return Durations(by_program, median(everything) if everything else None)


def forecast(pending: Sequence[Job], durations: Durations, now: datetime) -> dict[str, Forecast]:
    """Return the forecast of each queued job, given those that have not ended, in order. Pure."""
    running = [job for job in pending if job.status.phase is Phase.RUNNING]
    queued = [job for job in pending if job.status.phase is Phase.QUEUED]
    # The times at which there will be room for another job.
    free = [_expect_end(job, durations, now) for job in running] or [now]
    heapq.heapify(free)
    found: dict[str, Forecast] = {}
    for position, job in enumerate(queued, 1):
        seconds = durations.expect(job)
        if seconds is None:
            found[job.id] = Forecast(position)
            continue
        start = free[0]
        end = start + timedelta(seconds=seconds)
        heapq.heapreplace(free, end)
        found[job.id] = Forecast(position, start, end)
    return found


def _expect_end(job: Job, durations: Durations, now: datetime) -> datetime:
    started, seconds = job.status.started_at or now, durations.expect(job) or 0.0
    return max(now, started + timedelta(seconds=seconds))
