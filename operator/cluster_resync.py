"""Once a minute: what is there, whatever the watches have told; and whether they tell at all.

A watch can fall silent while everything looks alive. What it did not tell is found here, and the
liveness probe fails when that happens round after round, or when no round succeeds.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from cluster_view import ClusterView, is_final, trim
from job_builder import build_name
from job_cluster import JobCluster, Manifest
from qiskit_runtime.cluster_api import API_ERRORS, describe_error
from record_keeper import RecordKeeper

ROUND_SECONDS = 60.0
"""How often."""

DELAY_SECONDS = 5.0
"""How far a watch may be behind a list."""

STALE_SECONDS = 180.0
"""After how long without a good round the operator should be started again."""

logger = logging.getLogger(__name__)


class ClusterResync:
    """Compares the view with the cluster."""

    def __init__(
        self,
        cluster: JobCluster,
        view: ClusterView,
        keeper: RecordKeeper,
        notice: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._view = view
        self._keeper = keeper
        self._notice = notice
        self._good_at = time.monotonic()

    @property
    def stale_seconds(self) -> float:
        """For how long the cluster was not seen as it is."""
        return time.monotonic() - self._good_at

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            try:
                missed = await self.go_round()
                if not missed:
                    self._good_at = time.monotonic()
            except API_ERRORS as error:
                logger.warning("no resync: %s", describe_error(error))
            except Exception:
                # The probe tells, should it go on like this.
                logger.exception("no resync")

    async def go_round(self) -> set[str]:
        """Look at everything once; returns the RuntimeJobs of which the watches told too little."""
        missed = await self._find_missed()
        if missed:
            await asyncio.sleep(DELAY_SECONDS)
            missed &= await self._find_missed()
        for name in missed:
            logger.warning("runtimejob %s: its watch told too little", name)
            await self.refresh(name)
        for name, job in list(self._view.runtimejobs.items()):
            # The ended ones too: their time may have come.
            if name in missed or is_final(job):
                self._notice(name)
        await self._keeper.make_room(self._view.runtimejobs.values())
        return missed

    async def _find_missed(self) -> set[str]:
        listed = await self._cluster.list_versions()
        names = set(listed) | set(self._view.runtimejobs)
        return {name for name in names if listed.get(name, set()) - self._view.versions(name)} | {
            name for name in self._view.runtimejobs if name not in listed
        }

    async def refresh(self, name: str) -> None:
        """Ask for a RuntimeJob and what runs it, and take it up."""
        job = await self._cluster.get_runtimejob(name)
        self._take(self._view.runtimejobs, name, job)
        if job is not None:
            self._take(self._view.jobs, name, await self._cluster.get_job(build_name(job)))
            self._take(self._view.pods, name, await self._cluster.find_pod(build_name(job)))

    def _take(self, kind: dict[str, Manifest], name: str, manifest: Manifest | None) -> None:
        if manifest is None:
            kind.pop(name, None)
        else:
            self._view.put(kind, name, trim(manifest))
