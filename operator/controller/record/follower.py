"""Follows a pod's log to its end: the one way from a program's output to everybody else.

The reconciler starts one for each running job, and concludes the job by what it has read. The log
is the truth: after any interruption it is read again from its first line.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import aclosing, suppress

from controller.cluster import JobCluster, is_not_found
from controller.record.copy import RecordCopy
from controller.record.stream import StreamWriter
from qiskit_runtime.cluster.client import API_ERRORS
from qiskit_runtime.contract.wire.progress import Progress

ENDED_PATIENCE_SECONDS = 10.0
"""How long after the container's end its log may take to come to its own."""

PROGRESS_SECONDS = 10.0
"""How often a job's progress goes onto its status at most."""

LOST_SECONDS = 60.0
"""For how long after the container's end a log that can't be read is asked for again."""

_RETRY_SECONDS = 0.5

logger = logging.getLogger(__name__)


class RecordFollower:
    """Reads one pod's record.

    ``has_ended`` says whether its container has, as far as is known; ``notice`` is called where
    there is progress to be written.
    """

    def __init__(
        self,
        cluster: JobCluster,
        pod: str,
        writer: StreamWriter,
        has_ended: Callable[[], bool],
        notice: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._pod = pod
        self._has_ended = has_ended
        self._notice = notice
        self._told: Progress | None = None
        self._tell_at = -math.inf
        self._patience: asyncio.Timeout | None = None
        self._written = 0
        self._reading: asyncio.Task[None] | None = None
        self._given_up_at: float | None = None
        self.copy = RecordCopy()
        self.writer = writer
        self.attached = asyncio.Event()
        """Set as soon as the log is being read: before that, deleting the pod would lose it."""
        self.is_done = False
        """Whether all was read that there is to read."""

    async def run(self) -> None:
        """Read until the record's last line, or until nothing more can come."""
        self._reading = asyncio.current_task()
        writing = asyncio.create_task(self.writer.run(lambda: self.copy))
        try:
            while not await self._read_once():  # noqa: ASYNC110  (no event: it is tried again)
                await asyncio.sleep(_RETRY_SECONDS)
            if self.copy.verdict is None:
                # The log is gone, say, while nobody followed it: Redis may know more.
                self.copy = max(await self.writer.read(), self.copy, key=lambda copy: copy.lines)
            await self.writer.close()
            self.is_done = True
        finally:
            self.attached.set()
            writing.cancel()

    def take_progress(self) -> Progress | None:
        """What the job's status should tell of its progress now; None where there is no news."""
        progress = self.copy.progress
        if progress == self._told or time.monotonic() < self._tell_at:
            return None
        self._told, self._tell_at = progress, time.monotonic() + PROGRESS_SECONDS
        return progress

    async def close(self) -> None:
        """Stop reading; the job was deleted."""
        if self._reading:
            self._reading.cancel()
        await self.writer.delete()

    def note_end(self) -> None:
        """The container has ended: give its log a moment, then read it as it is."""
        if self._patience is not None and self._patience.when() is None:
            loop = asyncio.get_running_loop()
            self._patience.reschedule(loop.time() + ENDED_PATIENCE_SECONDS)

    async def _read_once(self) -> bool:
        """Read the log from its beginning; returns whether that was all of it."""
        # Asked before: a log that was read after the container's end is whole.
        had_ended = self._has_ended()
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._read(RecordCopy())
        except API_ERRORS as error:
            logger.info("the log of %s broke off: %r", self._pod, error)
            return self.copy.verdict is not None or await self._is_lost(error, had_ended)
        finally:
            self._patience = None
        return self.copy.verdict is not None or had_ended

    async def _is_lost(self, error: Exception, had_ended: bool) -> bool:
        """Whether a log that can't be read will not come any more."""
        if is_not_found(error):
            # A kubelet that starts again has no logs for a while, of pods that run on.
            with suppress(*API_ERRORS):
                return not await self._cluster.has_pod(self._pod)
        if not had_ended:
            return False
        now = asyncio.get_running_loop().time()
        self._given_up_at = self._given_up_at or now + LOST_SECONDS
        return now > self._given_up_at

    async def _read(self, attempt: RecordCopy) -> None:
        async with aclosing(self._cluster.follow_log(self._pod)) as log:
            async for data in log:
                self.attached.set()
                batch = attempt.feed(data)
                if attempt.lines >= self.copy.lines:
                    self.copy = attempt
                if self.copy.progress != self._told and time.monotonic() >= self._tell_at:
                    self._notice()
                if batch.last > self._written:
                    self._written = batch.last
                    self.writer.append(batch)
                if attempt.verdict:
                    return
