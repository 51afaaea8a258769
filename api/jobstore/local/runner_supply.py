"""The supply of runners in local mode: each is started ahead of the job that it is given."""

import asyncio
import logging
from collections.abc import Awaitable

from api.jobstore.local.files import NO_ROOM
from api.jobstore.local.runner_process import RunnerLimits, RunnerProcess
from api.jobstore.local.scratch import Scratch
from api.jobstore.local.zygote import Zygote
from qiskit_runtime.host.backoff import Backoff

_AHEAD_SECONDS = 0.03
"""How long after a job the next runner is started, so that a small circuit has its counts first.

A Bell job takes 32 ms, and 48 where it is started at once; after the job, the next waits 10 ms."""

logger = logging.getLogger(__name__)


class RunnerSupply:
    """Starts runners until it is closed, as forks of its zygote where the system can."""

    def __init__(self, limits: RunnerLimits, scratch: Scratch) -> None:
        self._limits, self._scratch = limits, scratch
        self._zygote = Zygote(limits.program_env)
        self._is_closed = False

    def open(self) -> None:
        """Begin to start the zygote."""
        if self._limits.forks:
            self._zygote.open()

    async def close(self) -> None:
        """Start no more. Each runner that was started is its worker's, to be closed by it."""
        self._is_closed = True
        await self._zygote.close()

    async def start(self, after: float = 0) -> RunnerProcess | None:
        """Start one, as soon as the system can; None when the supply is closed."""
        await asyncio.sleep(after)
        backoff = Backoff(first=1.0, longest=10.0)
        await self._zygote.settle()
        while not self._is_closed:
            try:
                return await RunnerProcess.start(self._limits, self._scratch, self._zygote)
            except NO_ROOM as error:
                logger.warning("no runner could be started: %s", error)
                await asyncio.sleep(backoff.next_seconds())
        return None

    def start_next(self) -> Awaitable[RunnerProcess | None]:
        """Start the runner after one that has its job now; without a zygote, when it is awaited."""
        if self._zygote.is_ready:
            # A fork takes little: it is there when the job has ended.
            return asyncio.create_task(self.start(_AHEAD_SECONDS))
        return self.start()

    async def renew(self, runner: RunnerProcess) -> RunnerProcess | None:
        """Return a runner that can take a job, this one or another; None when that is closed."""
        if runner.is_usable:
            return runner
        await runner.close()
        return await self.start()
