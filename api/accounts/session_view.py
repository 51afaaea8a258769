"""The sessions of a store that a caller may see: to it, all others are not there."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime

from api.accounts.caller import Caller, InstanceRefused
from api.sessionstore.base import SessionNotFound, SessionStore
from qiskit_runtime.contract.resources.job import JobSpec
from qiskit_runtime.contract.resources.session import Session, SessionSpec
from qiskit_runtime.contract.resources.session_course import SessionReport


def view_sessions(store: SessionStore, caller: Caller) -> SessionStore:
    """Return the store as the caller sees it."""
    return store if caller.is_only_tenant else VisibleSessions(store, caller)


class VisibleSessions(SessionStore):
    """A store whose sessions are those of the caller's instances; it is opened elsewhere."""

    def __init__(self, store: SessionStore, caller: Caller) -> None:
        self._store, self._caller = store, caller

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def create(self, spec: SessionSpec, session_id: str | None = None) -> SessionReport:
        instance = spec.instance
        if not self._caller.sees(instance):
            raise InstanceRefused(f"{instance.name} is no instance of this account")
        return await self._store.create(spec, session_id)

    async def find(self, session_id: str) -> Session:
        session = await self._store.find(session_id)
        spec = session.spec
        if not self._caller.sees(spec.instance):
            raise SessionNotFound(session_id)
        return session

    async def get(self, session_id: str) -> SessionReport:
        await self.find(session_id)
        return await self._store.get(session_id)

    def admit(self, spec: JobSpec) -> AbstractAsyncContextManager[datetime]:
        # A job is admitted to a session of its own instance alone, and that is the caller's.
        return self._store.admit(spec)

    async def close_session(self, session_id: str, *, cancel: bool = False) -> None:
        await self.find(session_id)
        await self._store.close_session(session_id, cancel=cancel)
