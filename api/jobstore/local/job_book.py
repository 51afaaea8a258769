"""The jobs of local mode, in memory and on the disk: a state is stored before it is shown.

Changes of one job take turns; the files are written in threads, as a disk may take its time.
"""

import asyncio
import errno
import logging
import weakref
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, ValuesView
from contextlib import suppress
from typing import Any, TypeVar

from api.jobstore.base import JobNotFinal, JobNotFound
from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.files import NO_ROOM
from api.jobstore.local.job_changes import Change
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.resources.job import Job
from qiskit_runtime.contract.resources.program import ProgramSource
from qiskit_runtime.contract.wire.progress import Progress

_RETRY_SECONDS = 1.0
"""The pause before the ends that the disk has not taken are written again.

Always the same: a full disk does not suffer from being asked, and an end is told once it is stored.
"""

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class JobBook:
    """All jobs, in the order of submission. ``on_end`` is called with the id of an ended job."""

    def __init__(self, folder: DataFolder, on_end: Callable[[str], None]) -> None:
        self._folder = folder
        self._on_end = on_end
        # A dict keeps its order.
        self._jobs: dict[str, Job] = {}
        self._queued: set[str] = set()
        self._pending: set[str] = set()
        # Each is there for as long as somebody has it, or waits for it.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._of_sessions: defaultdict[str, set[str]] = defaultdict(set)
        self._unsaved: dict[str, Job] = {}
        self._saving: asyncio.Task[None] | None = None

    def __contains__(self, job_id: object) -> bool:
        """Return whether a job has this id."""
        return job_id in self._jobs

    @property
    def queued(self) -> int:
        """Return the number of queued jobs."""
        return len(self._queued)

    def all(self) -> ValuesView[Job]:
        """Every job, the oldest first."""
        return self._jobs.values()

    def all_queued(self) -> Iterator[Job]:
        """The queued jobs, in no order."""
        return (self._jobs[job_id] for job_id in self._queued)

    def all_pending(self) -> list[Job]:
        """Return the queued and running jobs, the oldest first."""
        return self._find_all(self._pending)

    def newest_first(self) -> Iterator[Job]:
        """Every job, the oldest last."""
        return reversed(self._jobs.values())

    def of_session(self, session_id: str) -> list[Job]:
        """Return every job of a session, the oldest first."""
        return self._find_all(self._of_sessions.get(session_id, set()))

    def pending_of_session(self, session_id: str) -> list[Job]:
        """Return the queued and running jobs of a session, the oldest first."""
        return self._find_all(self._of_sessions.get(session_id, set()) & self._pending)

    def _find_all(self, job_ids: Iterable[str]) -> list[Job]:
        return sorted((self._jobs[job_id] for job_id in job_ids), key=lambda job: job.sequence)

    def get(self, job_id: str) -> Job:
        """Return the job as it is stored; JobNotFound where no job has this id."""
        if job := self._jobs.get(job_id):
            return job
        raise JobNotFound(job_id)

    async def confirm(self, job_id: str) -> None:
        """Wait for a change that is being written; JobNotFound where it was the job's deletion."""
        async with self._take_turn(job_id):
            self.get(job_id)

    def find_unfinished(self, job_id: str) -> Job | None:
        """The job; None where it has ended, also if that is not stored yet, or is deleted."""
        job = self._jobs.get(job_id)
        return None if job is None or job.is_final or job_id in self._unsaved else job

    def find_queued(self, job_id: str, sequence: int) -> Job | None:
        """The job of this id and number if it is queued; None where a later one has the id."""
        job = self.find_unfinished(job_id)
        if job is None or job.sequence != sequence or job.status.phase is not Phase.QUEUED:
            return None
        return job

    def load(self) -> None:
        """Take up what is in the folder."""
        for job in sorted(self._folder.load_all(), key=lambda job: job.sequence):
            self._put(job)

    async def add(self, job: Job, params: str, source: ProgramSource | None) -> None:
        """Keep a new job; OSError where the disk does not."""
        await _finish(self._add(job, params, source))

    async def _add(self, job: Job, params: str, source: ProgramSource | None) -> None:
        await asyncio.to_thread(self._folder.create, job, params, source)
        self._put(job)

    async def change(self, job_id: str, make: Change) -> bool:
        """Store a change, then show it. An end that the disk refuses is stored and shown later.

        Returns whether there was anything to change.

        Raises:
            OSError: the disk does not take a change that is no end; nothing has changed.
        """
        return await _finish(self._change(job_id, make))

    async def _change(self, job_id: str, make: Change) -> bool:
        async with self._take_turn(job_id):
            job = self.find_unfinished(job_id)
            changed = make(job) if job else None
            if changed is None:
                return False
            try:
                await asyncio.to_thread(self._folder.save, changed)
            except NO_ROOM as error:
                if not changed.is_final:
                    raise
                logger.warning("the end of job %s can't be stored yet: %s", job_id, error)
                self._unsaved[job_id] = changed
                if self._saving is None or self._saving.done():
                    self._saving = asyncio.create_task(self._save_later())
            else:
                self._put(changed)
            return True

    async def amend(self, job_id: str, make: Change) -> bool:
        """Store and show a change that is no other phase, also of an ended job.

        ``make`` may be called twice. Returns whether there was anything to change.

        Raises:
            OSError: the disk does not take it; nothing has changed.
        """
        return await _finish(self._amend(job_id, make))

    async def _amend(self, job_id: str, make: Change) -> bool:
        self.get(job_id)
        async with self._take_turn(job_id):
            changed = make(self.get(job_id))
            if changed is None:
                return False
            if job_id in self._unsaved:
                raise OSError(errno.EAGAIN, "the job's end is not stored yet")
            await asyncio.to_thread(self._folder.save, changed)
            # Its progress, or the wish to cancel it, may have come while it was written.
            self._jobs[job_id] = make(self.get(job_id)) or changed
            return True

    async def _save_later(self) -> None:
        while self._unsaved:
            await asyncio.sleep(_RETRY_SECONDS)
            await self._save_again()

    async def _save_again(self) -> None:
        for job in [*self._unsaved.values()]:
            async with self._take_turn(job.id):
                if job.id not in self._unsaved:
                    continue
                with suppress(*NO_ROOM):
                    await asyncio.to_thread(self._folder.save, job)
                    del self._unsaved[job.id]
                    self._put(job)

    async def close(self) -> None:
        """Write what is not written yet, if the disk takes it now."""
        if self._saving:
            self._saving.cancel()
            await asyncio.wait([self._saving])
        await self._save_again()

    async def delete(self, job_id: str, *, unfinished: bool = False) -> None:
        """Forget a job and its files, ended unless ``unfinished``. OSError: it is still there."""
        await _finish(self._delete(job_id, unfinished))

    async def _delete(self, job_id: str, unfinished: bool) -> None:
        self.get(job_id)
        async with self._take_turn(job_id):
            if not (unfinished or self.get(job_id).is_final):
                raise JobNotFinal(job_id)
            await asyncio.to_thread(self._folder.delete, job_id)
            self._queued.discard(job_id)
            self._pending.discard(job_id)
            self._unsaved.pop(job_id, None)
            job = self._jobs.pop(job_id)
            self._leave_session(job)

    def _leave_session(self, job: Job) -> None:
        others = self._of_sessions[job.spec.session_id]
        others.discard(job.id)
        if not others:
            del self._of_sessions[job.spec.session_id]

    def note_cancel(self, job_id: str) -> None:
        """Keep in memory that its user wants it to end; that it ended by this is stored with it."""
        if job := self.find_unfinished(job_id):
            self._jobs[job_id] = job.model_copy(update={"cancel_requested": True})

    def note_progress(self, job_id: str, progress: Progress | None) -> None:
        """Keep news of it in memory; the record has it, and the job's end writes it down."""
        if progress is not None and (job := self.find_unfinished(job_id)):
            status = job.status.with_progress(progress)
            self._jobs[job_id] = job.model_copy(update={"status": status})

    def _put(self, job: Job) -> None:
        known = self._jobs.get(job.id)
        if known and known.status.progress and not job.is_final:
            # It may have come while the job was written.
            status = job.status.model_copy(update={"progress": known.status.progress})
            job = job.model_copy(update={"status": status})
        self._jobs[job.id] = job
        if job.spec.session_id:
            self._of_sessions[job.spec.session_id].add(job.id)
        if job.status.phase is Phase.QUEUED:
            self._queued.add(job.id)
        else:
            self._queued.discard(job.id)
        if not job.is_final:
            self._pending.add(job.id)
        else:
            self._pending.discard(job.id)
            if known:
                self._on_end(job.id)

    def _take_turn(self, job_id: str) -> asyncio.Lock:
        turn = self._turns.get(job_id) or asyncio.Lock()
        self._turns[job_id] = turn
        return turn


async def _finish(work: Coroutine[Any, Any, _T]) -> _T:
    """Finish the work even if the caller is cancelled: files and memory have to agree."""
    return await asyncio.shield(asyncio.ensure_future(work))
