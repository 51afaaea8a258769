"""The store of sessions in Kubernetes mode: a session is a RuntimeSession.

**Admission is a write.** A job is admitted by a compare-and-set on its RuntimeSession: it writes
the time of the job's submission, on the version that was read, and only while the session accepts
jobs. Closing is a write to the same resource. The API server puts all writes of a resource in one
order, whichever server of ours they come from, so an admission is either before the close, and its
job belongs to the session, or it is refused; the CRD refuses it as well. No lock, no lease and no
clock that servers would have to share is needed. The times only grow, and so are also the order of
the session's jobs.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio import client

from api.jobstore.base import JobStore
from api.resources.watched_kind import WatchedKind
from api.sessionstore.base import (
    SessionNotFound,
    SessionStore,
    SessionUnusable,
    check_admission,
    check_open_number,
    later_than_admitted,
)
from api.store_errors import StoreUnavailable
from qiskit_runtime.cluster.cache import ResourceCache
from qiskit_runtime.cluster.client import Conflict
from qiskit_runtime.contract.moment import format_moment
from qiskit_runtime.contract.resources.job import JobSpec
from qiskit_runtime.contract.resources.resource import make_job_id
from qiskit_runtime.contract.resources.runtimesession import (
    PLURAL,
    RuntimeSession,
    build_runtimesession,
    parse_runtimesession,
)
from qiskit_runtime.contract.resources.session import Session, SessionSpec, describe_missing
from qiskit_runtime.contract.resources.session_course import SessionReport
from qiskit_runtime.host.backoff import Backoff

CHANGE_TRIES = 12
"""How often a change is tried while others change the same session."""

Change = dict[str, Any]
"""Fields of a RuntimeSession's spec, with their new values."""


class KubernetesSessionStore(SessionStore):
    """``connect`` makes the client of the Kubernetes API."""

    def __init__(
        self,
        namespace: str,
        redis_url: str,
        connect: Callable[[], Awaitable[client.ApiClient]],
        jobs: JobStore,
    ) -> None:
        super().__init__(jobs)
        self._cache = ResourceCache(parse_runtimesession)
        self._kind = WatchedKind(namespace, PLURAL, self._cache, redis_url, connect)
        # Admissions of one server take turns, so that they only meet those of others.
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def open(self) -> None:
        await self._kind.open()

    async def close(self) -> None:
        await self._kind.close()

    async def create(self, spec: SessionSpec, session_id: str | None = None) -> SessionReport:
        await self._kind.catch_up()
        now = datetime.now(UTC)
        check_open_number((one.session for one in self._cache.all()), spec, now)
        session = Session(id=session_id or make_job_id(), created=now, spec=spec)
        try:
            manifest = await self._kind.create(build_runtimesession(session))
        except Conflict:
            return await self.get(session.id)
        return await self._observe(parse_runtimesession(manifest).session)

    async def find(self, session_id: str) -> Session:
        return (await self._find(session_id)).session

    @asynccontextmanager
    async def admit(self, spec: JobSpec) -> AsyncIterator[datetime]:
        turn = self._turns.setdefault(spec.session_id, asyncio.Lock())
        async with turn:
            admitted = await self._admit(spec)
        yield admitted

    async def close_session(self, session_id: str, *, cancel: bool = False) -> None:
        await self._change(session_id, lambda session: _build_closing(session, cancel=cancel))

    async def _admit(self, spec: JobSpec) -> datetime:
        """Write the admission of a job; return the time of its submission."""
        submitted = datetime.now(UTC)

        def admit(session: Session) -> Change:
            nonlocal submitted
            check_admission(session, spec, datetime.now(UTC))
            submitted = later_than_admitted(session)
            return {"lastAdmittedAt": format_moment(submitted)}

        try:
            await self._change(spec.session_id, admit)
        except SessionNotFound:
            raise SessionUnusable(describe_missing(spec)) from None
        return submitted

    async def _change(self, session_id: str, make: Callable[[Session], Change | None]) -> None:
        """Write a change of the spec that ``make`` returns for the version that is current.

        Raises:
            SessionNotFound: there is no such session.
            StoreUnavailable: others are always faster.
        """
        found, backoff = await self._find(session_id), Backoff(first=0.01, longest=0.3)
        for _ in range(CHANGE_TRIES):
            if (change := make(found.session)) is None:
                return
            try:
                changed = await self._kind.patch(session_id, _on_version(found, change))
            except Conflict:
                # Another server was faster, or the operator has written the status.
                await asyncio.sleep(backoff.next_seconds())
                found = await self._refresh(session_id)
                continue
            if changed is None:
                raise SessionNotFound(session_id)
            return
        raise StoreUnavailable(f"others change session {session_id} all the time; try again")

    async def _find(self, session_id: str) -> RuntimeSession:
        """Return the session, from memory; one that is not there may have come a moment ago."""
        await self._kind.catch_up()
        found = self._cache.find(session_id)
        return found or await self._refresh(session_id)

    async def _refresh(self, session_id: str) -> RuntimeSession:
        await self._kind.fetch(session_id)
        if (found := self._cache.find(session_id)) is None:
            raise SessionNotFound(session_id)
        return found


def _build_closing(session: Session, *, cancel: bool) -> Change | None:
    """Build the change that closes a session; None where it is closed so already."""
    if session.cancel_requested or (not session.accepting_jobs and not cancel):
        return None
    closing = {
        "acceptingJobs": False,
        "closeRequestedAt": format_moment(later_than_admitted(session)),
    }
    return closing | ({"cancelRequested": True} if cancel else {})


def _on_version(found: RuntimeSession, change: Change) -> dict[str, Any]:
    """Return a patch of the spec that is refused where the session is newer than was read."""
    return {"metadata": {"resourceVersion": str(found.version)}, "spec": change}
