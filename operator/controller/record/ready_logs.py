"""The logs of pods that wait for a job, opened before there is anything to read.

To open a log takes 40 to 80 ms, by way of the API server and the kubelet; a line comes through an
open one after 4 ms. The pool keeps them open; the record's pipeline of a job takes one over.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from controller.workers import Spawn

RENEW_SECONDS = 180.0
"""The age at which a log that nobody has taken over is closed.

It is opened again where its pod still waits: what lies between may drop a silent connection.
"""

OpenLog = Callable[[str], AbstractAsyncContextManager[AsyncIterator[bytes]]]
"""Opens the log of the pod of this name, from its first byte."""


class ReadyLogs:
    """Opens logs; those of ``keep`` ahead."""

    def __init__(self, open_log: OpenLog, spawn: Spawn) -> None:
        self._open_log, self._spawn = open_log, spawn
        self._logs: dict[str, _ReadyLog] = {}

    def keep(self, pods: Collection[str]) -> None:
        """Open the logs of these pods, where they are not open; close what has become old.

        Others stay until then: a job that has just claimed a pod takes its log over in a moment.
        """
        for pod, log in list(self._logs.items()):
            if log.is_old:
                del self._logs[pod]
                log.close()
        for pod in pods:
            if pod not in self._logs:
                self._logs[pod] = log = _ReadyLog()
                log.task = self._spawn(log.hold(self._open_log(pod)))

    @asynccontextmanager
    async def open(self, pod: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a pod's log, or take over the one that is open.

        Raises:
            ClusterError: the API server does not open it, or it has broken off.
        """
        log = self._logs.pop(pod, None)
        if log is None or log.has_failed:
            async with self._open_log(pod) as pieces:
                yield pieces
            return
        try:
            yield await log.pieces
        finally:
            log.close()


class _ReadyLog:
    """A log that is open, or being opened; its answer begins with its first line."""

    def __init__(self) -> None:
        self.pieces: asyncio.Future[AsyncIterator[bytes]] = (
            asyncio.get_running_loop().create_future()
        )
        self.task: asyncio.Task[None] | None = None
        self._since = time.monotonic()

    @property
    def is_old(self) -> bool:
        """Return whether it is time to close it."""
        return self.has_failed or time.monotonic() - self._since > RENEW_SECONDS

    @property
    def has_failed(self) -> bool:
        """Return whether it could not be opened."""
        return self.pieces.done() and self.pieces.exception() is not None

    async def hold(self, log: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        """Open it, and keep it open until it is closed."""
        try:
            async with log as pieces:
                self.pieces.set_result(pieces)
                await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001  (who takes it over would wait for ever)
            self.pieces.set_exception(error)

    def close(self) -> None:
        """Close it."""
        if self.task:
            self.task.cancel()
