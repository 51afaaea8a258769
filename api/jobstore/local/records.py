"""The records that are in memory: of jobs that run, and of those that somebody listens to."""

import asyncio
import weakref

from api.jobstore.live_record import LiveRecord
from api.jobstore.local.data_folder import DataFolder


class Records:
    """Finds a job's record, in memory or in the data folder.

    A running job's worker and its listeners hold its record; after the last of them it goes.
    """

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._records: weakref.WeakValueDictionary[str, LiveRecord] = weakref.WeakValueDictionary()
        # One at a time: many listeners who come at once share one reading.
        self._reading = asyncio.Lock()

    def __len__(self) -> int:
        """Return the number of records in memory."""
        return len(self._records)

    def open(self, job_id: str) -> LiveRecord:
        """Return the record of a job that has not ended."""
        record = self._records.get(job_id) or LiveRecord()
        self._records[job_id] = record
        return record

    async def read(self, job_id: str) -> LiveRecord:
        """Return the record of a job that has ended."""
        async with self._reading:
            if record := self._records.get(job_id):
                return record
            events = await asyncio.to_thread(self._folder.read_events, job_id)
            record = LiveRecord(events, closed=True)
            self._records[job_id] = record
            return record

    def close(self, job_id: str, error: Exception | None = None) -> None:
        """End the record for its listeners, with an error where events are missing."""
        record = self._records.get(job_id)
        if record is not None and not record.is_closed:
            record.close(error)

    def forget(self, job_id: str) -> None:
        """Remove it from the index; listeners that have it may read it to its end."""
        self._records.pop(job_id, None)
