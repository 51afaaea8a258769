"""Once a minute: what is there, whatever the watches have told; and whether they tell at all.

A watch can fall silent while everything looks alive. What it did not tell is found here, and the
liveness probe fails when that happens round after round, or when no round succeeds.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from controller.build.job import build_name
from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView, is_final
from controller.record.archive import RecordKeeper
from qiskit_runtime.cluster.client import API_ERRORS, describe_error

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
        found = await self._find_missed()
        if found:
            # A watch is a moment behind, and so is a list.
            await asyncio.sleep(DELAY_SECONDS)
            found &= await self._find_missed()
        missed = {name for name, _ in found}
        for name in missed:
            logger.warning("runtimejob %s: its watch told too little", name)
            await self.refresh(name)
        for name, job in list(self._view.runtimejobs.items()):
            # The ended ones too: their time may have come.
            if name in missed or is_final(job):
                self._notice(name)
        await self._keeper.make_room(self._view.runtimejobs.values())
        return missed

    async def _find_missed(self) -> set[tuple[str, str]]:
        """RuntimeJobs with the uids of what is newer than it is known here, or is gone."""
        listed = await self._cluster.list_versions()
        known = self._view.versions()
        newer = {
            (name, uid)
            for uid, (name, version) in listed.items()
            if uid not in known or known[uid][1] < version
        }
        return newer | {(name, uid) for uid, (name, _) in known.items() if uid not in listed}

    async def refresh(self, name: str) -> None:
        """Ask for a RuntimeJob and what runs it, and take it up."""
        job = await self._cluster.get_runtimejob(name)
        if job is None:
            self._view.replace(name, None, None, None)
            return
        run = build_name(job)
        pods = await self._cluster.find_pods(run)
        self._view.replace(name, job, await self._cluster.get_job(run), next(iter(pods), None))
