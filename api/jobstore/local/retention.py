"""The bounds of local mode: ended jobs by age and size, and the number of queued jobs.

A job that has not ended is never deleted. Deleting is the same as by the job's user.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.jobstore.base import JobNotFound
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.files import NO_ROOM
from api.jobstore.local.job_book import JobBook
from api.store_errors import StoreUnavailable
from qiskit_runtime.contract.limits import WHOLE, take_share
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job

_LOOK_SECONDS = 60.0
"""How often the age of the jobs is looked at."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of ended jobs in days and bytes (0 is no bound), and of queued jobs in number.

    ``share_percent`` of the bytes is the most of one instance: it makes room for its own next jobs.
    """

    keep_days: float = 0
    keep_bytes: int = 0
    max_queued: int = 1000
    share_percent: int = WHOLE

    @property
    def keep_bytes_of_instance(self) -> int:
        """Return the bytes of one instance; 0 is no bound of its own."""
        if not self.keep_bytes or self.share_percent == WHOLE:
            return 0
        return take_share(self.keep_bytes, self.share_percent)


KEEP_ALL = Bounds()
"""No ended job is deleted but by its user."""


def find_surplus(
    ended: Sequence[Job], sizes: dict[str, int], bounds: Bounds, now: datetime
) -> list[str]:
    """Return the ids of ended jobs to delete: too old, or the oldest of too many bytes. Pure."""
    surplus, taken, own = [], 0, Counter[Instance]()
    most_of_instance = bounds.keep_bytes_of_instance
    for job in sorted(ended, key=_end, reverse=True):
        size, instance = sizes.get(job.id, 0), job.spec.instance
        own[instance] += size
        over_share = most_of_instance and own[instance] > most_of_instance
        # What an instance has over its share takes no room from others.
        taken += 0 if over_share else size
        too_old = bounds.keep_days and _end(job) + timedelta(days=bounds.keep_days) < now
        if over_share or too_old or (bounds.keep_bytes and taken > bounds.keep_bytes):
            surplus.append(job.id)
    return surplus


def _end(job: Job) -> datetime:
    return job.status.finished_at or job.created


class Retention:
    """Deletes surplus jobs, by ``delete``: at the start, after each end, and once a minute."""

    def __init__(
        self,
        bounds: Bounds,
        book: JobBook,
        folder: DataFolder,
        delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._bounds, self._book, self._folder, self._delete = bounds, book, folder, delete
        self._sizes: dict[str, int] = {}
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin, where there is a bound."""
        if self._bounds.keep_days or self._bounds.keep_bytes:
            self._task = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def look(self) -> None:
        """Look again soon: a job has ended."""
        self._due.set()

    def stored_bytes(self, instances: frozenset[Instance] | None) -> int | None:
        """The bytes of the ended jobs of these instances, or all, as they were measured last."""
        if not self._bounds.keep_bytes:
            return None
        ended = (job for job in self._book.all() if job.is_final)
        return sum(
            self._sizes.get(job.id, 0)
            for job in ended
            if instances is None or job.spec.instance in instances
        )

    async def _keep_looking(self) -> None:
        while True:
            self._due.clear()
            try:
                await self._remove_surplus()
            except (StoreUnavailable, *NO_ROOM) as error:
                logger.warning("old jobs can't be removed now: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._due.wait()

    async def _remove_surplus(self) -> None:
        ended = [job for job in self._book.all() if job.is_final]
        if self._bounds.keep_bytes:
            self._sizes = await asyncio.to_thread(self._measure, ended, self._sizes)
        now = datetime.now(UTC)
        # It takes 20 ms for 5,000 jobs, and nobody waits for it.
        for job_id in await asyncio.to_thread(find_surplus, ended, self._sizes, self._bounds, now):
            with suppress(JobNotFound):
                await self._delete(job_id)

    def _measure(self, ended: Sequence[Job], known: dict[str, int]) -> dict[str, int]:
        """The size of each; of those that were measured before, as it was."""
        return {job.id: known.get(job.id) or self._folder.measure(job.id) for job in ended}
