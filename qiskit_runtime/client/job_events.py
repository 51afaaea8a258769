"""A job's events for asyncio: to iterate over, or in a notebook to await while they are shown."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from typing import TYPE_CHECKING

from qiskit_runtime.client.job_stream import Notice, StreamEvent
from qiskit_runtime.client.models import JobInfo
from qiskit_runtime.contract.wire.events import Console, FrameEvent, Message

if TYPE_CHECKING:
    from qiskit_runtime.client.async_client import AsyncJob
    from qiskit_runtime.client.job_widget import JobWidget

_LOOK_SECONDS = 0.05
"""The time between two looks at a widget's end."""


class JobEvents(AsyncIterator[FrameEvent]):
    """The events of ``AsyncJob.stream``: ``async for`` yields them, ``await`` shows them.

    Awaited, it shows the job's widget, or prints what the job prints and publishes where there is
    none, and returns the job once it has ended.
    """

    def __init__(self, job: "AsyncJob", after: int) -> None:
        self._job = job
        self._events = _without_notices(job.follow(after))

    def __aiter__(self) -> "JobEvents":
        return self

    async def __anext__(self) -> FrameEvent:
        return await anext(self._events)

    async def aclose(self) -> None:
        """Close the connection before the end."""
        await self._events.aclose()

    def __await__(self) -> Generator[object, None, JobInfo]:
        return self._show().__await__()

    async def _show(self) -> JobInfo:
        async with aclosing(self):
            if (widget := self._job.find_widget()) is not None:
                # A notebook has it.
                from IPython.display import display

                display(self._job)  # type: ignore[no-untyped-call]  # (IPython has no types)
                await _watch(widget)
            else:
                async for event in self:
                    _print(event)
        return await self._job.wait()


async def _without_notices(events: AsyncGenerator[StreamEvent]) -> AsyncGenerator[FrameEvent]:
    async with aclosing(events):
        async for event in events:
            if not isinstance(event, Notice):
                yield event


async def _watch(widget: "JobWidget") -> None:
    """Wait until the widget has shown all.

    Raises:
        ClientError: the job, or the server, was gone before.
    """
    while not widget.feed.has_ended:  # noqa: ASYNC110  (a thread ends it)
        await asyncio.sleep(_LOOK_SECONDS)
    if widget.feed.failure is not None:
        raise widget.feed.failure


def _print(event: FrameEvent) -> None:
    match event:
        case Console(text=text, newline=newline):
            sys.stdout.write(text + "\n" * newline)
        case Message(text=text):
            sys.stdout.write(text + "\n")
    sys.stdout.flush()
