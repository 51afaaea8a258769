"""A worker for each object that needs one: it takes the steps of that object, one at a time.

The handlers enqueue names, the reconciler takes the steps. A step that fails is repeated soon.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from qiskit_runtime.cluster.client import ClusterError
from qiskit_runtime.host.backoff import Backoff

FIRST_RETRY_SECONDS = 0.2
"""The pause after the first failure in a row of an object's steps, halved at random."""

LONGEST_RETRY_SECONDS = 5.0
"""The longest such pause."""

FAULT_SECONDS = 30.0
"""The pause after a step that has failed by a fault of this program."""

RELEASE_AT_ONCE = 50
"""How many objects' steps are begun at once after all were held."""

Step = Callable[[str], Awaitable[float | None]]
"""Takes the next step; returns the seconds until another one, None if this was the last."""

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Runs something until its end, or until the operator stops."""

logger = logging.getLogger(__name__)


class Workers:
    """Takes the steps of one kind's objects; ``refresh`` is called before one after a failure."""

    def __init__(self, kind: str, step: Step, refresh: Callable[[str], Awaitable[None]]) -> None:
        self._kind = kind
        self._step = step
        self._refresh = refresh
        self._turns: dict[str, asyncio.Event] = {}
        self._held: dict[str, None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def enqueue(self, name: str) -> None:
        """Have the next step of this object taken, now or after the one that is being taken."""
        if self._held is not None:
            self._held[name] = None
            return
        if turn := self._turns.get(name):
            turn.set()
            return
        self._turns[name] = asyncio.Event()
        self.spawn(self._work(name, self._turns[name]))

    def hold(self) -> None:
        """Take no step from now on until ``release``: what steps are decided by is not known."""
        self._held = {}

    async def release(self, place: Callable[[str], Any] = lambda _: 0) -> None:
        """Take the steps that were held, in the order of the objects' places."""
        held, self._held = self._held or {}, None
        for number, name in enumerate(sorted(held, key=place)):
            self.enqueue(name)
            if number % RELEASE_AT_ONCE == RELEASE_AT_ONCE - 1:
                # Thousands of ended objects leave the first ones time.
                await asyncio.sleep(0)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in addition to the steps."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Stop; the next operator goes on with what is unfinished."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, name: str, turn: asyncio.Event) -> None:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while True:
            turn.clear()
            seconds = await self._take_step(name, backoff)
            if seconds is None and not turn.is_set():
                del self._turns[name]
                return
            await _wait(turn, seconds or 0)

    async def _take_step(self, name: str, backoff: Backoff) -> float | None:
        try:
            if backoff.failures:
                await self._refresh(name)
            seconds = await self._step(name)
        except ClusterError as error:
            # Whatever went wrong may be right the next time; nothing was decided.
            logger.info("%s %s: %s", self._kind, name, error)
            return backoff.next_seconds()
        except Exception:
            # One object that is not what it should be must not hold up the others.
            logger.exception("%s %s", self._kind, name)
            return FAULT_SECONDS
        backoff.reset()
        return seconds


async def _wait(turn: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(turn.wait(), seconds)
    except TimeoutError:
        return
