"""The open websockets of callers, and the end of what admitted them.

A request is admitted once, but a websocket stays open for days. A logout, a token that was
withdrawn and one that has expired end it as well: one task asks again every few seconds, once for
each credential, however many websockets it has opened and whatever they send.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

LOOK_SECONDS = 2.0
"""The pause between two looks at all who have a websocket open."""

_PAUSE_FOR_WORK = 20
"""A look is followed by a pause of so many times its own length: thousands of accounts whose tokens
are compared take a twentieth of a core at most."""

_WITHDRAWN = "admission_withdrawn"
"""The name of the connection's state that holds the event."""

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[bool]]
"""Returns whether a caller is still admitted."""


@dataclass(eq=False, slots=True)
class _Admission:
    check: Check
    withdrawn: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0


class Admissions:
    """The admissions of one server's open websockets."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        self._look_seconds = look_seconds
        self._admissions: dict[Hashable, _Admission] = {}
        self._watch: asyncio.Task[None] | None = None

    @contextmanager
    def hold(self, credential: Hashable, check: Check) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the check fails; equal credentials share one check."""
        admission = self._admissions.setdefault(credential, _Admission(check))
        admission.held += 1
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._keep_looking())
        try:
            yield admission.withdrawn
        finally:
            admission.held -= 1
            if not admission.held and self._admissions.get(credential) is admission:
                del self._admissions[credential]

    async def close(self) -> None:
        """Stop."""
        if self._watch:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _keep_looking(self) -> None:
        """Look for as long as anybody has a websocket open."""
        pause = self._look_seconds
        while self._admissions:
            await asyncio.sleep(pause)
            began = time.monotonic()
            for credential, admission in [*self._admissions.items()]:
                if not await _holds(admission):
                    # Who is admitted again has another admission.
                    self._admissions.pop(credential, None)
                    admission.withdrawn.set()
                await asyncio.sleep(0)
            pause = max(self._look_seconds, _PAUSE_FOR_WORK * (time.monotonic() - began))


async def _holds(admission: _Admission) -> bool:
    try:
        return await admission.check()
    except Exception:
        # The others are looked at all the same.
        logger.exception("an open websocket's caller can't be looked up")
        return True


def note_admission(state: dict[str, object], withdrawn: asyncio.Event) -> None:
    """Leave the event of a connection's admission on its state."""
    state[_WITHDRAWN] = withdrawn


async def wait_until_withdrawn(connection: HTTPConnection) -> None:
    """Wait until the caller is admitted no more; for ever where nobody is asked for anything."""
    event = getattr(connection.state, _WITHDRAWN, None)
    await (event or asyncio.Event()).wait()
