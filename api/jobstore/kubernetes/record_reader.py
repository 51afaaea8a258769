"""Fills the record of a job that somebody reads; all its listeners share one reader.

While the job runs its lines come from Redis; when its status is final, what is missing comes from
its Secrets. Lines have numbers: whatever comes twice, or after a loss, is put together by them.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from api.jobstore.base import JobNotFound, RecordGone
from api.jobstore.kubernetes.doorbell import Doorbell
from api.jobstore.kubernetes.job_secrets import JobSecrets
from api.jobstore.kubernetes.live_stream import LiveStream
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
from qiskit_runtime.contract.wire.record import EndEvent, Event, RecordParser
from qiskit_runtime.contract.wire.record_stream import Batch
from qiskit_runtime.host.backoff import Backoff

CHECK_SECONDS = 30.0
"""How long a reader that hears no bell waits until it looks by itself."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a record is read from, and what tells of it."""

    jobs: WatchedKind[RuntimeJob]
    secrets: JobSecrets
    stream: LiveStream
    doorbell: Doorbell


class RecordReader:
    """The reader of one job."""

    def __init__(self, found: RuntimeJob, sources: Sources) -> None:
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
        """How many read it."""

    def start(self) -> None:
        """Go on reading until ``stop``, or until there is no more."""
        self._following = self._following or asyncio.create_task(self._follow())

    def stop(self) -> None:
        """Read no more: nobody listens."""
        if self._following:
            self._following.cancel()

    async def catch_up(self) -> None:
        """Read what there is by now.

        Raises:
            JobNotFound: the job was deleted.
            RecordGone: what is missing can't be read any more.
            StoreUnavailable: it can't be read just now.
        """
        begun = time.monotonic()
        async with self._turn:
            if self._failed and self._failed[0] > begun:
                # Somebody else tried while this one waited.
                raise StoreUnavailable(self._failed[1])
            if self.record.error:
                raise self.record.error
            if self.record.is_closed:
                return
            try:
                await self._read_more()
            except StoreUnavailable as error:
                self._failed = (time.monotonic(), str(error))
                raise

    async def _read_more(self) -> None:
        found = self._current()
        if found.job.is_final:
            await self._complete(found)
        else:
            await self._read_stream()

    async def _follow(self) -> None:
        ring = self._changed.set
        try:
            with (
                self._sources.jobs.cache.listening(self._name, ring),
                self._sources.doorbell.listening(self._name, ring),
            ):
                await self._read_to_end()
        except (JobNotFound, RecordGone) as error:
            await self._sources.jobs.tell()
            self.record.close(error)
        except Exception as error:
            # Nobody may wait for ever for what will not come.
            logger.exception("the record of job %s can't be read", self._name)
            self.record.close(error)

    async def _read_to_end(self) -> None:
        backoff = Backoff(first=0.5, longest=10.0)
        while self.holders and not self.record.is_closed:
            self._changed.clear()
            pause = CHECK_SECONDS
            try:
                await self.catch_up()
                backoff.reset()
            except StoreUnavailable as error:
                pause = backoff.next_seconds()
                logger.info("job %s: %s", self._name, error)
            if not self.record.is_closed:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), pause)

    def _current(self) -> RuntimeJob:
        found = self._sources.jobs.cache.find(self._name)
        if found is None or found.uid != self._uid:
            raise JobNotFound(self._name)
        return found

    async def _read_stream(self) -> None:
        while batches := await self._sources.stream.read_after(self._uid, self._lines):
            for batch in batches:
                if batch.first > self._lines + 1:
                    # Lines are missing before it: the operator will write the stream anew.
                    return
                self._feed(batch.after(self._lines))
                # A long record is read in one go; others want their turn.
                await asyncio.sleep(0)

    def _feed(self, batch: Batch) -> None:
        self._add(list(self._parser.feed(batch.lines)))
        self._lines = batch.last

    def _add(self, events: list[Event]) -> None:
        if events and isinstance(events[-1], EndEvent):
            # It is told when the status is final: who hears it may rely on that.
            self._end = [events.pop()]
        self.record.append(events)

    async def _complete(self, found: RuntimeJob) -> None:
        """Read what is missing of an ended job's record, and close it."""
        stored = found.record or StoredRecord(())
        if self._lines < stored.lines:
            await self._read_secrets(found, stored)
        # Whoever hears the end may ask another server next.
        await self._sources.jobs.tell()
        self.record.append(self._end)
        self.record.close()

    async def _read_secrets(self, found: RuntimeJob, stored: StoredRecord) -> None:
        if found.record_dropped:
            raise RecordGone("the job's record made room for newer ones (the storage budget)")
        read = self._sources.secrets.read
        parts = await asyncio.gather(*(read(name, RECORD_KEY) for name in stored.secrets))
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts):
            await self._explain_loss()
        try:
            # A large record takes a while.
            events, self._lines = await asyncio.to_thread(self._parse_rest, whole)
        except RecordDamaged as error:
            raise RecordGone(f"the job's record is damaged: {error}") from error
        self._add(events)

    def _parse_rest(self, parts: list[bytes]) -> tuple[list[Event], int]:
        lines = join_record(parts)
        whole = Batch(lines, lines.count(b"\n"))
        return list(self._parser.feed(whole.after(self._lines).lines)), whole.last

    async def _explain_loss(self) -> None:
        """A Secret is not there: because the job is not there any more, or by itself."""
        manifest = await self._sources.jobs.fetch(self._name)
        if manifest is None or manifest["metadata"]["uid"] != self._uid:
            raise JobNotFound(self._name)
        raise RecordGone("the Secrets with the job's record are gone")


class RecordReaders:
    """The readers of the jobs that somebody reads just now."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._readers: dict[str, RecordReader] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._readers)

    @contextmanager
    def open(self, found: RuntimeJob) -> Iterator[RecordReader]:
        """The reader of this job, which is kept for as long as somebody has it."""
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
