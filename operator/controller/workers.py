"""One worker for each RuntimeJob that something is to be done for: takes its steps, one at a time.

``main`` notices names, ``JobReconciler`` takes the steps. A step that fails is taken again soon.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from qiskit_runtime.cluster.client import API_ERRORS, describe_error

RETRY_SECONDS = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0)
"""How long to wait after one, two, ... failures in a row of a job's steps."""

CHECK_SECONDS = 30.0
"""How often a job that waits for something is looked at without being told to."""

Step = Callable[[str], Awaitable[float | None]]
"""Takes the next step; returns how long to wait for another, None if this was the last."""

logger = logging.getLogger(__name__)


class JobWorkers:
    """Runs steps. ``look_again`` is called after one that the API server did not take."""

    def __init__(self, step: Step, look_again: Callable[[str], Awaitable[None]]) -> None:
        self._step = step
        self._look_again = look_again
        self._turns: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def notice(self, name: str) -> None:
        """Something happened to this RuntimeJob, or to what runs it."""
        if turn := self._turns.get(name):
            turn.set()
            return
        self._turns[name] = asyncio.Event()
        self.spawn(self._bring_on(name, self._turns[name]))

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done beside the steps."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Stop; what is unfinished, the next operator takes up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring_on(self, name: str, turn: asyncio.Event) -> None:
        failures = 0
        while True:
            turn.clear()
            try:
                if failures:
                    await self._look_again(name)
                wait_seconds = await self._step(name)
                failures = 0
            except API_ERRORS as error:
                # Whatever went wrong may be right the next time; nothing was decided.
                logger.info("runtimejob %s: %s", name, describe_error(error))
                wait_seconds = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
            except Exception:
                # One object that is not what it should be must not hold up the others.
                logger.exception("runtimejob %s", name)
                wait_seconds = CHECK_SECONDS
            if wait_seconds is None and not turn.is_set():
                del self._turns[name]
                return
            await _wait(turn, wait_seconds or 0)


async def _wait(turn: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(turn.wait(), seconds)
    except TimeoutError:
        return
