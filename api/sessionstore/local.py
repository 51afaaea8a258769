"""The store of sessions in local mode: files in the data folder, whose lock a job store holds.

``sessions/<id>/session.json`` is what was asked of a session. Admissions and closings of a session
take turns under its lock, which an admission holds until its job is stored: so a session that was
closed has no job submitted afterwards.
"""

import asyncio
import logging
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from api.jobstore.local.data_folder import DataFolder
from api.jobstore.local.failures import disk_errors_as_unavailable
from api.jobstore.local.files import load_entries, own_folder, read_plain, replace_file, sync_folder
from api.jobstore.local.store import LocalJobStore
from api.sessionstore.base import (
    SessionNotFound,
    SessionStore,
    SessionUnusable,
    check_admission,
    check_open_number,
    later_than_admitted,
)
from qiskit_runtime.contract.limits import MAX_CLOSED_SESSIONS, MAX_OPEN_SESSIONS
from qiskit_runtime.contract.resources.job import JobSpec
from qiskit_runtime.contract.resources.resource import is_name, make_job_id
from qiskit_runtime.contract.resources.session import (
    Session,
    SessionSpec,
    describe_missing,
    find_surplus,
)
from qiskit_runtime.contract.resources.session_course import SessionReport

_ENTRY = "session.json"
_MAX_ENTRY_BYTES = 1 << 20
_SWEEP_SECONDS = 60.0

logger = logging.getLogger(__name__)


class SessionFiles:
    """The sessions in memory and on the disk; the workers of jobs look them up here too."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder

    @cached_property
    def _sessions(self) -> dict[str, Session]:
        """The sessions by id, read when one is first asked for: the job store has the folder then.

        A damaged one is left alone, with a warning.
        """
        return {
            session.id: session for session in load_entries(self._folder.sessions, _ENTRY, _load)
        }

    def find(self, session_id: str) -> Session | None:
        """Return the session of this id, or None."""
        return self._sessions.get(session_id)

    def all(self) -> list[Session]:
        """Return every session."""
        return list(self._sessions.values())

    async def save(self, session: Session) -> None:
        """Store a session, then show it."""
        with disk_errors_as_unavailable():
            await asyncio.to_thread(self._write, session)
        self._sessions[session.id] = session

    def note(self, session: Session) -> None:
        """Keep a change in memory that the next one stores."""
        self._sessions[session.id] = session

    async def delete(self, session: Session) -> None:
        """Forget a session."""
        with disk_errors_as_unavailable(), suppress(FileNotFoundError):
            self._folder.scratch.discard(self._folder.sessions / session.id)
        self._sessions.pop(session.id, None)
        with disk_errors_as_unavailable():
            await asyncio.to_thread(sync_folder, self._folder.sessions)

    def _write(self, session: Session) -> None:
        folder = own_folder(self._folder.sessions / session.id)
        sync_folder(folder.parent)
        replace_file(folder / _ENTRY, session.model_dump_json(by_alias=True).encode())


class LocalSessionStore(SessionStore):
    """``files`` are those that the job store looks sessions up in; open it after that store."""

    def __init__(self, files: SessionFiles, jobs: LocalJobStore) -> None:
        super().__init__(jobs)
        self._files, self._local_jobs = files, jobs
        # Each is there for as long as somebody has it, or waits for it.
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._swept = -_SWEEP_SECONDS

    async def open(self) -> None:
        for session in self._files.all():
            if datetime.now(UTC) < session.expires:
                self._expect_end(session)
            # It may have expired, or been cancelled, when nobody was there to end its queued jobs;
            # they are told why before the sweep, after which it may be gone.
            await self._local_jobs.end_refused(session.id)
        await self._sweep()

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def create(self, spec: SessionSpec, session_id: str | None = None) -> SessionReport:
        session = Session(id=session_id or make_job_id(), created=datetime.now(UTC), spec=spec)
        async with self._lock(session.id):
            if known := self._files.find(session.id):
                return await self._observe(known)
            await self._sweep()
            check_open_number(self._files.all(), spec, session.created)
            await self._files.save(session)
        self._expect_end(session)
        return await self._observe(session)

    async def find(self, session_id: str) -> Session:
        if session := self._files.find(session_id):
            return session
        raise SessionNotFound(session_id)

    @asynccontextmanager
    async def admit(self, spec: JobSpec) -> AsyncIterator[datetime]:
        if self._files.find(spec.session_id) is None:
            raise SessionUnusable(describe_missing(spec))
        async with self._lock(spec.session_id):
            session = self._files.find(spec.session_id)
            if session is None:
                raise SessionUnusable(describe_missing(spec))
            check_admission(session, spec, datetime.now(UTC))
            submitted = later_than_admitted(session)
            yield submitted
            self._files.note(session.model_copy(update={"last_admitted_at": submitted}))

    async def close_session(self, session_id: str, *, cancel: bool = False) -> None:
        await self.find(session_id)
        async with self._lock(session_id):
            session = await self.find(session_id)
            if session.is_accepting or (cancel and not session.cancel_requested):
                await self._files.save(
                    session.model_copy(
                        update={
                            "accepting_jobs": False,
                            "cancel_requested": cancel,
                            "close_requested_at": later_than_admitted(session),
                        }
                    )
                )
        await self._local_jobs.end_refused(session_id)

    def _lock(self, session_id: str) -> asyncio.Lock:
        return self._locks.setdefault(session_id, asyncio.Lock())

    def _expect_end(self, session: Session) -> None:
        """Have its queued jobs cancelled when its time is over."""
        seconds = (session.expires - datetime.now(UTC)).total_seconds()
        loop = asyncio.get_running_loop()
        self._timers[session.id] = loop.call_later(max(seconds, 0), self._expire, session.id)

    def _expire(self, session_id: str) -> None:
        self._timers.pop(session_id, None)
        session = self._files.find(session_id)
        if session and datetime.now(UTC) < session.expires:
            # The clock was set back since.
            self._expect_end(session)
            return
        task = asyncio.create_task(self._local_jobs.end_refused(session_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sweep(self) -> None:
        """Remove closed sessions that are not kept: once a minute, or when there are many."""
        now, many = time.monotonic(), MAX_OPEN_SESSIONS + MAX_CLOSED_SESSIONS
        if now - self._swept < _SWEEP_SECONDS and len(self._files.all()) < many:
            return
        self._swept = now
        reports = [await self._observe(session) for session in self._files.all()]
        closed = [one.session for one in reports if one.closed_at]
        for session in find_surplus(closed, MAX_CLOSED_SESSIONS, datetime.now(UTC)):
            await self._files.delete(session)


def _load(path: Path) -> Session:
    session = Session.model_validate_json(read_plain(path, _MAX_ENTRY_BYTES))
    if session.id != path.parent.name or not is_name(session.id):
        # A copy of a session's folder: it would be written to the other one.
        raise ValueError(f"it is the file of session {session.id}")
    return session
