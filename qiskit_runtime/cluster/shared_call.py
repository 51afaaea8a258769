"""A call whose simultaneous callers share one execution."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Runs ``call`` one at a time; each caller gets the result of a run that began after it asked.

    So any number of callers cost two runs: the one under way, and the one after it.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._run_after(self._running))
            self._next.add_done_callback(_retrieve_error)
        # A caller that is cancelled takes nothing from the others.
        return await asyncio.shield(self._next)

    async def cancel(self) -> None:
        """End the runs under way, and wait for their end."""
        tasks = [task for task in (self._running, self._next) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_after(self, before: asyncio.Task[T] | None) -> T:
        if before and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._call()


def _retrieve_error(task: asyncio.Task[T]) -> None:
    """Retrieve the error of a run whose callers are all gone, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
