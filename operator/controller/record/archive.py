"""Keeps the records of ended jobs in Secrets, within the namespace's storage budget."""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from kubernetes.aio.client.exceptions import ApiException

from controller.build.job import build_record
from controller.build.status import Ending, format_time
from controller.cluster import JobCluster, Manifest
from controller.observe.cluster_view import is_final
from controller.record.copy import RecordCopy
from qiskit_runtime.cluster.client import is_over_quota
from qiskit_runtime.contract.resources.resource import RECORD_DROPPED

ROOM_SHARE = 8
"""One part of so many of the budget stays free: for the parameters of the next jobs."""

QUOTA_SECONDS = 300.0
"""How long a job's end waits for a ResourceQuota that has no room for its record."""

logger = logging.getLogger(__name__)


class RecordKeeper:
    """``budget`` is what parameters and records may take together, in bytes."""

    def __init__(self, cluster: JobCluster, budget: int) -> None:
        self._cluster = cluster
        self._budget = budget
        self._dropped: set[str] = set()
        self._refused: dict[str, float] = {}
        """By uid: since when a quota has no room for the record."""

    async def keep(self, job: Manifest, copy: RecordCopy) -> Ending:
        """Store a record; returns what the job's status says of it."""
        compressed = copy.compress()
        secrets = build_record(job, compressed)
        if not await self._store(job, secrets):
            secrets, compressed = [], b""
        return Ending(
            verdict=copy.verdict,
            result=copy.result,
            lines=copy.lines,
            secrets=[secret["metadata"]["name"] for secret in secrets],
            record_bytes=len(compressed),
            progress=copy.progress,
        )

    async def _store(self, job: Manifest, secrets: list[Manifest]) -> bool:
        """Write the Secrets; False where a quota has had no room for them for too long.

        The record then goes as those do that make room for others, and the job has its end.
        """
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        try:
            await asyncio.gather(*map(self._cluster.put_secret, secrets))
        except ApiException as error:
            since = self._refused.setdefault(uid, time.monotonic())
            if not is_over_quota(error) or time.monotonic() - since < QUOTA_SECONDS:
                raise
            logger.warning("the record of runtimejob %s is not kept: %s", name, error.reason)
            if not _is_dropped(job):
                await self._cluster.annotate(name, {RECORD_DROPPED: format_time(datetime.now(UTC))})
            return False
        self._refused.pop(uid, None)
        return True

    async def make_room(self, jobs: Iterable[Manifest]) -> None:
        """Remove the oldest records until the budget has room for the next jobs' parameters."""
        jobs = list(jobs)
        for job in choose_dropped(jobs, self._budget - self._budget // ROOM_SHARE):
            name = job["metadata"]["name"]
            logger.warning("the record of runtimejob %s makes room for others", name)
            # First the mark: whoever finds no Secret finds out why.
            await self._cluster.annotate(name, {RECORD_DROPPED: format_time(datetime.now(UTC))})
            await self._drop(job)
        for job in jobs:
            # Marked, and then the operator was interrupted, perhaps.
            if _is_dropped(job) and job["metadata"]["uid"] not in self._dropped:
                await self._drop(job)

    async def _drop(self, job: Manifest) -> None:
        for secret in job.get("status", {}).get("record", {}).get("secrets", ()):
            await self._cluster.delete_secret(secret)
        self._dropped.add(job["metadata"]["uid"])


def choose_dropped(jobs: Iterable[Manifest], budget: int) -> list[Manifest]:
    """Whose records have to go: the ones that ended first. Pure."""
    jobs = list(jobs)
    excess = sum(map(_params_bytes, jobs)) + sum(map(_record_bytes, jobs)) - budget
    ended = [job for job in jobs if is_final(job) and _record_bytes(job)]
    dropped = []
    for job in sorted(ended, key=lambda job: job["status"]["finishedAt"]):
        if excess <= 0:
            break
        excess -= _record_bytes(job)
        dropped.append(job)
    return dropped


def _params_bytes(job: Manifest) -> int:
    spec = job["spec"]
    return sum(int(spec.get(field, {}).get("bytes", 0)) for field in ("paramsFrom", "programFrom"))


def _record_bytes(job: Manifest) -> int:
    if _is_dropped(job):
        return 0
    return int(job.get("status", {}).get("record", {}).get("bytes", 0))


def _is_dropped(job: Manifest) -> bool:
    return RECORD_DROPPED in job["metadata"].get("annotations", {})
