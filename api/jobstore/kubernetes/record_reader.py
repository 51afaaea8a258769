"""The reader of a job's record, shared by all who listen to that job.

It reads in three steps: the next lines from their source, their events by the parser, and those
onto the live record, from which each listener is served. While the job runs the source is its
stream in Redis; once its status is final, the Secrets have what is missing. Lines have numbers:
those that come twice, or again after a loss, are put together by them.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.jobstore.base import JobNotFound, RecordGone
from api.jobstore.kubernetes.job_secrets import JobSecrets
from api.jobstore.kubernetes.live_streams import LiveStreams, Tail
from api.jobstore.live_record import LiveRecord
from api.resources.watched_kind import WatchedKind
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.resources.runtimejob import RuntimeJob
from qiskit_runtime.contract.resources.stored_record import (
    RECORD_KEY,
    RecordDamaged,
    StoredRecord,
    join_record,
)
from qiskit_runtime.contract.wire.events import EndEvent, Event
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_stream import Batch
from qiskit_runtime.host.backoff import Backoff

CHECK_SECONDS = 30.0
"""How long a reader waits to be woken before it looks for itself."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordSources:
    """The sources of records: the jobs' status, their Secrets, and their streams in Redis."""

    jobs: WatchedKind[RuntimeJob]
    secrets: JobSecrets
    streams: LiveStreams


class RecordReader:
    """The reader of one job."""

    def __init__(self, found: RuntimeJob, sources: RecordSources) -> None:
        self._name, self._uid = found.job.id, found.uid
        self._sources = sources
        self._parser = RecordParser()
        self._lines = 0
        self._end: list[Event] = []
        self._turn = asyncio.Lock()
        self._failed: tuple[float, str] | None = None
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self.record = LiveRecord()
        self.holders = 0
        """The number of those who read it."""

    def start(self) -> None:
        """Follow the record until ``stop``, or until its end."""
        self._following = self._following or asyncio.create_task(self._follow())

    def stop(self) -> None:
        """Stop following: nobody listens any more."""
        if self._following:
            self._following.cancel()

    async def catch_up(self) -> None:
        """Read all lines that exist by now.

        Raises:
            JobNotFound: the job was deleted.
            RecordGone: the missing lines can't be read any more.
            StoreUnavailable: they can't be read just now.
        """
        begun = time.monotonic()
        async with self._turn:
            if self._failed and self._failed[0] > begun:
                # Another caller's read failed while this one waited for its turn.
                raise StoreUnavailable(self._failed[1])
            if self.record.error:
                raise self.record.error
            try:
                await self._read_stream()
                await self._complete_if_final()
            except StoreUnavailable as error:
                self._failed = (time.monotonic(), str(error))
                raise

    async def _follow(self) -> None:
        wake, streams = self._changed.set, self._sources.streams
        try:
            with self._sources.jobs.cache.listening(self._name, wake):
                if self._current().job.is_final:
                    # Its Secrets have all of it.
                    await self._follow_to_end(Tail(wake, self._lines))
                    return
                with streams.following(self._uid, self._lines, wake) as tail:
                    await self._follow_to_end(tail)
        except (JobNotFound, RecordGone) as error:
            await self._sources.jobs.tell()
            self.record.close(error)
        except Exception as error:
            # No listener may wait for ever for lines that will not come.
            logger.exception("the record of job %s can't be read", self._name)
            self.record.close(error)

    async def _follow_to_end(self, tail: Tail) -> None:
        backoff = Backoff(first=0.5, longest=10.0)
        pause, is_overdue = CHECK_SECONDS, False
        while self.holders and not self.record.is_closed:
            self._changed.clear()
            try:
                async with self._turn:
                    await self._append(tail.take())
                    if is_overdue:
                        await self._read_stream()
                    tail.read_lines = self._lines
                    await self._complete_if_final()
                backoff.reset()
                pause = CHECK_SECONDS
            except StoreUnavailable as error:
                pause = backoff.next_seconds()
                logger.info("job %s: %s", self._name, error)
            if not self.record.is_closed:
                is_overdue = not await self._wait_for_news(pause)

    async def _wait_for_news(self, seconds: float) -> bool:
        """Return whether the streams or the cache have woken this reader within the time."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # From Redis, while the job runs.

    async def _read_stream(self) -> None:
        while not (self.record.is_closed or self._current().job.is_final):
            batches = await self._sources.streams.read_after(self._uid, self._lines)
            if not await self._append(batches):
                return

    async def _append(self, batches: Iterable[Batch]) -> bool:
        """Put the batches' events onto the live record; return whether there were new lines."""
        before = self._lines
        for batch in batches:
            if batch.first > self._lines + 1:
                # Lines are missing before it: the operator will write the stream again.
                break
            self._put(list(self._parser.feed(batch.after(self._lines).lines)))
            self._lines = max(self._lines, batch.last)
            # A long record is read in one go; other tasks want their turn.
            await asyncio.sleep(0)
        return self._lines > before

    def _put(self, events: list[Event]) -> None:
        if events and isinstance(events[-1], EndEvent):
            # Held back until the status is final, so that clients may rely on that.
            self._end = [events.pop()]
        self.record.append(events)

    # From the Secrets, when the job has ended.

    async def _complete_if_final(self) -> None:
        """Read the missing lines of an ended job's record, and close it."""
        if self.record.is_closed or not (found := self._current()).job.is_final:
            return
        stored = found.record or StoredRecord(())
        if self._lines < stored.lines:
            await self._read_secrets(found, stored)
        # A listener that gets the end may ask another server next.
        await self._sources.jobs.tell()
        self.record.append(self._end)
        self.record.close()

    def _current(self) -> RuntimeJob:
        found = self._sources.jobs.cache.find(self._name)
        if found is None or found.uid != self._uid:
            raise JobNotFound(self._name)
        return found

    async def _read_secrets(self, found: RuntimeJob, stored: StoredRecord) -> None:
        if found.record_dropped:
            raise RecordGone("the job's record made room for newer ones (the storage budget)")
        read = self._sources.secrets.read
        parts = await asyncio.gather(*(read(name, RECORD_KEY) for name in stored.secrets))
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            await self._explain_loss()
        try:
            # Parsing a large record takes a while.
            events, self._lines = await asyncio.to_thread(self._parse_rest, whole)
        except RecordDamaged as error:
            raise RecordGone(f"the job's record is damaged: {error}") from error
        self._put(events)

    def _parse_rest(self, parts: list[bytes]) -> tuple[list[Event], int]:
        lines = join_record(parts)
        whole = Batch(lines, lines.count(b"\n"))
        return list(self._parser.feed(whole.after(self._lines).lines)), whole.last

    async def _explain_loss(self) -> None:
        """Raise JobNotFound where the Secrets went with their job, else RecordGone."""
        manifest = await self._sources.jobs.fetch(self._name)
        if manifest is None or manifest["metadata"]["uid"] != self._uid:
            raise JobNotFound(self._name)
        raise RecordGone("the Secrets with the job's record are gone")


class RecordReaders:
    """The readers of the jobs that somebody reads at present."""

    def __init__(self, sources: RecordSources) -> None:
        self._sources = sources
        self._readers: dict[str, RecordReader] = {}

    def __len__(self) -> int:
        """Return the number of readers."""
        return len(self._readers)

    @contextmanager
    def open(self, found: RuntimeJob) -> Iterator[RecordReader]:
        """Yield the reader of this job, which is kept until its last holder leaves."""
        reader = self._readers.get(found.uid)
        if reader is None:
            reader = self._readers[found.uid] = RecordReader(found, self._sources)
        reader.holders += 1
        try:
            yield reader
        finally:
            reader.holders -= 1
            if not reader.holders:
                del self._readers[found.uid]
                reader.stop()
