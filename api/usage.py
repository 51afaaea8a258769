"""The usage of instances: the time that their jobs have run in the last days.

Clients ask for it before every run, and it is a sum over every job that has ended: all of them
share one look at the jobs, and the more there are, the longer it is believed.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from api.jobstore.base import NO_LIMIT, JobQuery, JobStore
from api.queue_forecast import seconds_run
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job

PERIOD = timedelta(days=28)
"""The time over which usage is added up."""

FRESH_SECONDS_PER_JOB = 0.0005
"""How long a sum is believed, for each job in it: one of a few jobs is always new."""

MAX_FRESH_SECONDS = 10.0
"""The longest that a sum is believed."""


class UsageMeter:
    """The usage at one server, over its store of all jobs."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._turn = asyncio.Lock()
        self._fresh_until = 0.0
        self._seconds: Mapping[Instance, float] = {}

    async def read_seconds(self, instances: frozenset[Instance] | None) -> float:
        """Return the seconds of these instances together; None is all there are."""
        async with self._turn:
            if time.monotonic() >= self._fresh_until:
                await self._refresh()
        if instances is None:
            return sum(self._seconds.values())
        return sum(self._seconds.get(instance, 0.0) for instance in instances)

    async def _refresh(self) -> None:
        ended = (await self._store.find(JobQuery(pending=False), NO_LIMIT, 0)).jobs
        # Other requests are served meanwhile.
        self._seconds = await asyncio.to_thread(add_up, ended, datetime.now(UTC) - PERIOD)
        fresh = min(MAX_FRESH_SECONDS, FRESH_SECONDS_PER_JOB * len(ended))
        self._fresh_until = time.monotonic() + fresh


def add_up(ended: Sequence[Job], since: datetime) -> Mapping[Instance, float]:
    """Return the seconds that jobs submitted since then have run, by instance. Pure."""
    seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for job in ended:
        if job.created >= since and (ran := seconds_run(job)):
            spec = job.spec
            seconds[spec.hub, spec.group, spec.project] += ran
    return {Instance(*name): total for name, total in seconds.items()}
