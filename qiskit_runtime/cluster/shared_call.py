"""One call for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Calls one at a time; each caller gets the result of a call that began after it asked.

    Any number of callers cost two calls at a time: the one under way, and the one after it.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._follow(self._running))
            self._next.add_done_callback(_take_error)
        # One caller that goes away takes nothing from the others.
        return await asyncio.shield(self._next)

    async def cancel(self) -> None:
        """End the calls under way, and wait for their end."""
        tasks = [task for task in (self._running, self._next) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, before: asyncio.Task[T] | None) -> T:
        if before and not before.done():
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._call()


def _take_error(task: asyncio.Task[T]) -> None:
    """Look at the error of a call whose callers have all gone, so that it is not reported."""
    if not task.cancelled():
        task.exception()
