"""The pipeline of one job's record: the pod's log, read into a copy, appended to Redis.

The log is the truth: after any interruption it is read again from its first line. The job's end is
decided by what was read here, and ``archive`` stores the copy.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress

from controller.cluster import JobCluster
from controller.record.copy import RecordCopy
from controller.record.ready_logs import OpenLog
from controller.record.redis_stream import RedisStream
from controller.record.state import RecordState
from qiskit_runtime.cluster.client import ClusterError, NotFound
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.host.backoff import Backoff

ENDED_PATIENCE_SECONDS = 10.0
"""How long after the container's end its log may take to come to its own."""

PROGRESS_SECONDS = 10.0
"""The shortest time between two writes of a job's progress to its status."""

LOST_SECONDS = 60.0
"""How long after the container's end a log that can't be read is asked for again."""

RETRY_SECONDS = 1.0
"""The longest pause until a log that broke off is read again."""

logger = logging.getLogger(__name__)


class RecordPipeline:
    """Reads one pod's log.

    ``has_ended`` returns whether the pod's container is known to have ended; ``on_progress`` is
    called when there is progress to be written; ``written`` is the progress on the job's status.
    """

    def __init__(
        self,
        cluster: JobCluster,
        open_log: OpenLog,
        pod: str,
        stream: RedisStream,
        has_ended: Callable[[], bool],
        on_progress: Callable[[], None],
        written: Progress | None = None,
    ) -> None:
        self._cluster, self._open_log = cluster, open_log
        self._pod = pod
        self._has_ended = has_ended
        self._on_progress = on_progress
        self._written = written
        self._progress_at = -math.inf
        self._backoff = Backoff(RETRY_SECONDS / 2, RETRY_SECONDS)
        self._patience: asyncio.Timeout | None = None
        self._reading: asyncio.Task[None] | None = None
        self._appended_lines = 0
        self._lost_at: float | None = None
        self._is_done = False
        self.copy = RecordCopy()
        self.stream = stream
        self.attached = asyncio.Event()
        """Set as soon as the log is open: before that, deleting the pod would lose it."""

    @property
    def state(self) -> RecordState:
        """The record as far as it was read."""
        copy = self.copy
        progress = copy.progress if self._is_progress_due() else None
        has_result = copy.result is not None
        return RecordState(copy.verdict, copy.verdict_read, has_result, self._is_done, progress)

    async def run(self) -> None:
        """Read until the record's last line, or until nothing more can come."""
        self._reading = asyncio.current_task()
        writing = asyncio.create_task(self.stream.run(lambda: self.copy))
        try:
            while not await self._read_log():  # noqa: ASYNC110  (no event: it is tried again)
                await asyncio.sleep(self._backoff.next_seconds())
            if self.copy.verdict is None:
                # The log may have gone while no operator followed it, and Redis may know more.
                self.copy = max(await self.stream.read(), self.copy, key=lambda copy: copy.lines)
            await self.stream.drain()
            self._is_done = True
        finally:
            self.attached.set()
            writing.cancel()

    async def close(self) -> None:
        """Stop reading and remove the stream: the job was deleted."""
        if self._reading:
            self._reading.cancel()
        await self.stream.delete()

    def expect_end(self) -> None:
        """Give the log a moment: its container has ended."""
        if self._patience is not None and self._patience.when() is None:
            loop = asyncio.get_running_loop()
            self._patience.reschedule(loop.time() + ENDED_PATIENCE_SECONDS)

    def note_written_progress(self, progress: Progress | None) -> None:
        """Remember that this progress is on the job's status; the log may be further by now."""
        self._written, self._progress_at = progress, time.monotonic() + PROGRESS_SECONDS

    def _is_progress_due(self) -> bool:
        return self.copy.progress != self._written and time.monotonic() >= self._progress_at

    async def _read_log(self) -> bool:
        """Read the log from its beginning; returns whether that was all of it."""
        # Asked before: a log that was opened after the container's end is whole.
        had_ended = self._has_ended()
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._read_lines(RecordCopy())
        except Exception as error:
            # Whatever it was: without this pipeline the job would never be concluded.
            is_expected = isinstance(error, ClusterError | TimeoutError)
            logger.info("the log of %s broke off: %r", self._pod, error, exc_info=not is_expected)
            return self.copy.verdict is not None or await self._is_lost(error, had_ended)
        finally:
            self._patience = None
        return self.copy.verdict is not None or had_ended

    async def _read_lines(self, attempt: RecordCopy) -> None:
        """Read one log, into a copy that replaces the former one as soon as it is as long."""
        async with self._open_log(self._pod) as log:
            self.attached.set()
            async for data in log:
                batch = attempt.feed(data)
                if attempt.lines >= self.copy.lines:
                    self.copy = attempt
                if self._is_progress_due():
                    self._on_progress()
                if batch.last > self._appended_lines:
                    self._appended_lines = batch.last
                    self.stream.append(batch)
                if attempt.verdict:
                    return

    async def _is_lost(self, error: Exception, had_ended: bool) -> bool:
        """Return whether a log that can't be read will not come any more."""
        if isinstance(error, NotFound):
            # A kubelet that starts again has no logs for a while, of pods that run on.
            with suppress(ClusterError):
                return not await self._cluster.has_pod(self._pod)
        if not had_ended:
            return False
        now = asyncio.get_running_loop().time()
        self._lost_at = self._lost_at or now + LOST_SECONDS
        return now > self._lost_at
