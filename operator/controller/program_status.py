"""The writer of the RuntimePrograms' condition ``Ready``: whether jobs run them, and why not.

It is written when it changes: one write for a program, as a rule.
"""

import logging
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus

from controller.cluster import JobCluster
from controller.observe.cluster_view import ClusterView
from controller.observe.runnables import Runnables
from controller.workers import Workers
from qiskit_runtime.cluster.client import ClusterError, Conflict, Refused
from qiskit_runtime.contract.resources.runtimeprogram import Acceptance

logger = logging.getLogger(__name__)


class ProgramStatusWriter:
    """Writes the conditions of one namespace's programs."""

    def __init__(self, cluster: JobCluster, view: ClusterView, runnables: Runnables) -> None:
        self._cluster = cluster
        self._view = view
        self._runnables = runnables
        self.workers = Workers("runtimeprogram", self.step, self.refresh)

    async def step(self, name: str) -> float | None:
        """Write the condition of a program, where it is not the one that it has."""
        program = self._view.programs.find(name)
        if program is None or program.is_deleted:
            return None
        acceptance = self._runnables.judge(program)
        if acceptance != program.acceptance:
            await self._write(name, acceptance)
        return None

    async def _write(self, name: str, acceptance: Acceptance) -> None:
        status = acceptance.build_status(datetime.now(UTC))
        try:
            self._view.programs.put(await self._cluster.write_program_status(name, status))
        except Refused as error:
            if isinstance(error, Conflict) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            # It was deleted, a CRD of before gives programs no status, or the rights are missing.
            logger.info("the condition of runtimeprogram %s is not written: %s", name, error)

    async def refresh(self, name: str) -> None:
        """Read a program again: it may have been deleted without an event."""
        with suppress(ClusterError):
            found = await self._cluster.get_program(name)
            if found is not None:
                self._view.programs.put(found)
            else:
                self._view.programs.discard(name)
