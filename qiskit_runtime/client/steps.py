"""The steps that the calls are made of: both clients perform them, each in its own way.

They send a ``Request``, sleep for a ``Pause``, and follow a job's stream for a ``WaitEnd``.
"""

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import httpx

from qiskit_runtime.client.address import HTTP_SECONDS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; its answer is the response, or the error of the connection."""

    method: str
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """The arguments of httpx's ``request``."""

    def within(self, seconds: float) -> Self:
        """Return the request with no more time than this to connect, and for each read."""
        timeout = min(HTTP_SECONDS, seconds)
        return replace(self, arguments={**self.arguments, "timeout": timeout})


@dataclass(frozen=True, slots=True)
class Pause:
    """Sleep for so many seconds."""

    seconds: float

    def within(self, seconds: float) -> Self:
        """Return the pause, but no longer than this."""
        return replace(self, seconds=min(self.seconds, seconds))


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """Follow the job's stream until it ends, or until ``time.monotonic()`` is at ``deadline``."""

    job_id: str
    deadline: float

    def within(self, seconds: float) -> Self:
        """Return the step that ends after this time."""
        return replace(self, deadline=min(self.deadline, time.monotonic() + seconds))


Step = Request | Pause | WaitEnd
Answer = httpx.Response | Exception | None
"""A response, or one of ``LOSSES``; None after a step that is no request."""

LOSSES = (httpx.TransportError, httpx.InvalidURL)
"""The errors of a request that got no answer."""

Flow = Generator[Step, Answer, T]


class TimeIsUp(Exception):
    """The deadline of ``until`` came before the end."""


def until(deadline: float, flow: Flow[T]) -> Flow[T]:
    """Do a flow's steps, each within the time that is left.

    Raises:
        TimeIsUp: the flow had not come to its end when ``time.monotonic()`` was at ``deadline``.
    """
    answer: Answer = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        left = deadline - time.monotonic()
        if left > 0:
            answer = yield step.within(left)
        if left <= 0 or (isinstance(answer, Exception) and time.monotonic() >= deadline):
            raise TimeIsUp
