"""The periodic resync: list everything each minute, and repair what the watches have missed.

A watch can fall silent while everything looks alive. The liveness probe fails when watches miss
something round after round, or when no round succeeds.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView, Versions
from controller.record.archive import RecordArchive
from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.contract.resources.resource import JOB_LABEL
from qiskit_runtime.host.memory import return_freed_memory

ROUND_SECONDS = 60.0
"""The time between two rounds."""

DELAY_SECONDS = 5.0
"""How far a watch may be behind a list."""

STALE_SECONDS = 180.0
"""The time without a good round after which the operator should be restarted."""

logger = logging.getLogger(__name__)


class ClusterResync:
    """Compares the view with the cluster."""

    def __init__(
        self,
        cluster: JobCluster,
        view: ClusterView,
        archive: RecordArchive,
        enqueue: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._archive = archive
        self._enqueue = enqueue
        self._good_at = time.monotonic()
        self._unknown: dict[str, int] = {}
        """By UID: versions that stay unknown though they were read, as of a Job's second pod."""

    @property
    def stale_seconds(self) -> float:
        """The time since the last round that found the view to be right."""
        return time.monotonic() - self._good_at

    async def run(self) -> None:
        """Take rounds until cancelled; the view was completed just now."""
        self._good_at = time.monotonic()
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                missed = await self.go_round()
                if not missed:
                    self._good_at = time.monotonic()
            except ClusterError as error:
                logger.warning("no resync: %s", error)
            except Exception:
                # The probe fails if this goes on.
                logger.exception("no resync")

    async def go_round(self) -> set[str]:
        """Compare once; returns the RuntimeJobs of which the watches have missed something."""
        found = await self._find_missed()
        if found:
            # A watch is a moment behind, and so is a list.
            await asyncio.sleep(DELAY_SECONDS)
            again = await self._find_missed()
            found = {uid: again[uid] for uid in found.keys() & again.keys()}
        missed = {name for name, _ in found.values()}
        for name in missed:
            logger.warning("runtimejob %s: its watch has missed something", name or "(none yet)")
            await self.refresh(name)
        if found:
            known = self._view.versions()
            self._unknown |= {
                uid: version
                for uid, (_, version) in found.items()
                if _is_newer(known, uid, version)
            }
        for name in (missed - {""}) | self._find_expiring():
            self._enqueue(name)
        await self._archive.evict(self._view.all_jobs())
        return_freed_memory()
        return missed

    def _find_expiring(self) -> set[str]:
        """Return the ended jobs whose time to live is over before the next round."""
        soon = datetime.now(UTC) + timedelta(seconds=ROUND_SECONDS)
        return {
            job.name
            for job in self._view.all_jobs()
            if job.is_final and job.expires is not None and job.expires <= soon
        }

    async def _find_missed(self) -> Versions:
        """Return what is newer than known here; and what is gone, with the version 0."""
        listed = await self._cluster.list_versions()
        known = self._view.versions()
        self._unknown = {uid: version for uid, version in self._unknown.items() if uid in listed}
        newer = {
            uid: (name, version)
            for uid, (name, version) in listed.items()
            if _is_newer(known, uid, version) and self._unknown.get(uid) != version
        }
        return newer | {uid: (name, 0) for uid, (name, _) in known.items() if uid not in listed}

    async def refresh(self, name: str) -> None:
        """Read a RuntimeJob and what runs it, and take them up; no name is what waits for one."""
        if not name:
            self._view.replace("", None, *await self._cluster.find_warm())
            return
        job = await self._cluster.get_runtimejob(name)
        if job is None:
            self._view.replace(name, None)
            return
        runs = await self._cluster.find_jobs(f"{JOB_LABEL}={name}")
        pods = [await self._cluster.find_pods(run["metadata"]["name"]) for run in runs]
        self._view.replace(name, job, runs, [found[0] for found in pods if found])


def _is_newer(known: Versions, uid: str, version: int) -> bool:
    return uid not in known or known[uid][1] < version
