"""The archive of the records of ended jobs: Secrets, within the namespace's storage budget."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from controller.build.job import build_record
from controller.build.status import FinalRecord
from controller.cluster import JobCluster
from controller.record.copy import RecordCopy
from qiskit_runtime.cluster.client import QuotaExceeded
from qiskit_runtime.contract.moment import format_moment
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.resource import RECORD_DROPPED, Manifest
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.stored_totals import StoredTotals

FREE_SHARE = 8
"""One part of so many of the budget stays free, for the parameters of the next jobs."""

QUOTA_SECONDS = 300.0
"""How long a job's end waits for a ResourceQuota that has no room for its record."""

logger = logging.getLogger(__name__)


class RecordArchive:
    """``budget`` is the limit of parameters and records together, in bytes.

    ``instance_budget`` is the most of it that one instance takes.
    """

    def __init__(self, cluster: JobCluster, budget: int, instance_budget: int) -> None:
        self._cluster = cluster
        self._budgets = [one - one // FREE_SHARE for one in (budget, instance_budget)]
        self._deleted: set[str] = set()
        """UIDs of jobs whose Secrets are deleted."""
        self._evicting = asyncio.Lock()
        self._refused: dict[str, float] = {}
        """By UID: the time since which a quota has no room for the record."""

    async def store(self, job: RuntimeJob, copy: RecordCopy | None) -> FinalRecord:
        """Store a record; returns what the job's status says of it."""
        if copy is None:
            return FinalRecord()
        compressed = copy.compress()
        secrets = build_record(job, compressed)
        if not await self._create(job, secrets):
            secrets, compressed = [], b""
        return FinalRecord(
            verdict=copy.verdict,
            result=copy.result,
            lines=copy.lines,
            secrets=[secret["metadata"]["name"] for secret in secrets],
            record_bytes=len(compressed),
            progress=copy.progress,
        )

    def is_full(self, stored: StoredTotals) -> bool:
        """Return whether what is kept leaves too little room, so that records are to be evicted."""
        return stored.exceeds(*self._budgets)

    async def evict(self, jobs: Iterable[RuntimeJob]) -> None:
        """Delete the oldest records until the budget has room for the next jobs' parameters.

        An instance over its share of it makes room by its own. It is one eviction at a time: what
        ends meanwhile is in the next one.
        """
        if not self._evicting.locked():
            async with self._evicting:
                await self._evict(list(jobs))

    async def _evict(self, jobs: list[RuntimeJob]) -> None:
        self._deleted &= {job.uid for job in jobs}
        for job in choose_evicted(jobs, *self._budgets):
            logger.warning("the record of runtimejob %s makes room for others", job.name)
            # The mark comes first: a reader that misses a Secret looks for the reason there.
            await self._mark_deleted(job)
            await self._delete(job)
        for job in jobs:
            # It may have been marked by an operator that was interrupted then.
            if job.record_dropped and job.uid not in self._deleted:
                await self._delete(job)

    async def _create(self, job: RuntimeJob, secrets: list[Manifest]) -> bool:
        """Create the Secrets; returns False where a quota has had no room for too long.

        The record is then lost as an evicted one is, and the job has its end.
        """
        try:
            await asyncio.gather(*map(self._cluster.put_secret, secrets))
        except QuotaExceeded as error:
            # A job that has the mark has waited already: its status could not be written then.
            if not job.record_dropped:
                since = self._refused.setdefault(job.uid, time.monotonic())
                if time.monotonic() - since < QUOTA_SECONDS:
                    raise
                logger.warning("the record of runtimejob %s is lost: %s", job.name, error.reason)
                await self._mark_deleted(job)
            self._refused.pop(job.uid, None)
            return False
        self._refused.pop(job.uid, None)
        return True

    async def _mark_deleted(self, job: RuntimeJob) -> None:
        time_now = format_moment(datetime.now(UTC))
        await self._cluster.annotate(job.name, {RECORD_DROPPED: time_now})

    async def _delete(self, job: RuntimeJob) -> None:
        for secret in job.record.secrets if job.record else ():
            await self._cluster.delete_secret(secret)
        self._deleted.add(job.uid)


def choose_evicted(
    jobs: Iterable[RuntimeJob], budget: int, instance_budget: int
) -> list[RuntimeJob]:
    """Choose the jobs whose records have to go: those that ended first. Pure.

    First they are of instances that take more than theirs, then of whomever.
    """
    jobs = list(jobs)
    owned: defaultdict[Instance, list[RuntimeJob]] = defaultdict(list)
    for job in jobs:
        owned[job.job.spec.instance].append(job)
    evicted = [
        job
        for own in owned.values()
        for job in _choose_oldest(own, _count_bytes(own) - instance_budget)
    ]
    gone = {job.name for job in evicted}
    excess = _count_bytes(jobs) - sum(job.record_bytes for job in evicted) - budget
    return evicted + _choose_oldest([job for job in jobs if job.name not in gone], excess)


def _choose_oldest(jobs: Iterable[RuntimeJob], excess: int) -> list[RuntimeJob]:
    """Return those that ended first, whose records have so many bytes at least."""
    if excess <= 0:
        return []
    ended = [job for job in jobs if job.is_final and job.record_bytes]
    chosen = []
    for job in sorted(ended, key=lambda job: job.job.status.finished_at or job.created):
        if excess <= 0:
            break
        excess -= job.record_bytes
        chosen.append(job)
    return chosen


def _count_bytes(jobs: Iterable[RuntimeJob]) -> int:
    return sum(job.stored_bytes for job in jobs)
