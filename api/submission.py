"""Submission of jobs: everything that decides whether a request becomes a job, and which one.

The route of POST /jobs translates, this decides: the backend that is meant, the program and its
version, the parameters, and whether the request was sent before.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from api.accounts.caller import Caller, InstanceRefused
from api.accounts.job_view import view_jobs
from api.accounts.limits import QueuePlaces
from api.accounts.program_view import view_programs
from api.accounts.session_view import view_sessions
from api.accounts.submission_rates import SubmissionRates
from api.backendstore.base import BackendLibrary
from api.circuit_versions import find_unreadable
from api.errors import InvalidField, InvalidFields, TooLarge
from api.jobstore.base import JobStore
from api.params_check import ParamsCheck
from api.programstore.base import ProgramChanged, ProgramLibrary
from api.sessionstore.base import SessionNotFound, SessionStore
from api.store_errors import StoreUnavailable
from api.strict_json import StrictJSONError
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES, MAX_VERSION_CHARACTERS
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job, JobRequest, JobSpec, LogLevel
from qiskit_runtime.contract.resources.program import Program
from qiskit_runtime.contract.resources.resource import make_job_id, make_repeatable_job_id
from qiskit_runtime.contract.resources.session import SessionSpec

DEFAULT_NAMES = ("", "string")
"""Texts that mean the default backend, and the default instance where there are accounts: 'string'
is what the 2021 documentation sends."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The job that a client asks for, in whatever dialect; ``params`` is JSON text, verbatim.

    ``max_execution_seconds`` shortens the program's own limit, and never lengthens it.
    ``version`` is the program's version that is to run; None is any. ``opens_session`` asks for a
    session with the job's own id, as clients of 2023 open one with its first job, for so many
    seconds; 0 is the usual time.
    """

    program_id: str
    instance: Instance
    backend: str = ""
    params: str = "{}"
    tags: tuple[str, ...] = ()
    version: str | None = None
    max_execution_seconds: int | None = None
    log_level: LogLevel = "WARNING"
    session_id: str = ""
    private: bool = False
    params_place: tuple[str | int, ...] = ("body", "params", 0)
    """The place of the parameters in the request, for the errors that name it."""
    opens_session: int | None = None


class JobSubmission:
    """The submission of one server: over its stores, and its check of parameters."""

    def __init__(
        self,
        jobs: JobStore,
        programs: ProgramLibrary,
        backends: BackendLibrary,
        params_check: ParamsCheck,
        sessions: SessionStore,
        rates: SubmissionRates | None = None,
        max_queued_of_instance: int = 0,
    ) -> None:
        self._jobs, self._programs = jobs, programs
        self._backends, self._params_check = backends, params_check
        self._sessions = sessions
        self._rates = rates or SubmissionRates()
        self._places = QueuePlaces(max_queued_of_instance)

    async def submit(self, posted: Submission, caller: Caller, key: str | None) -> str:
        """Queue the job that was asked for, and return its id.

        A request that an account repeats with the same key makes no second job, even if its program
        has changed or gone since.

        Raises:
            UnknownProgram, UnknownBackend, ProgramUnusable: there is nothing to run, or to run on.
            ProgramChanged: the program has another version than the one asked for.
            TooLarge, InvalidField, InvalidFields: the parameters are refused.
            JobExists: the key was sent before with another request.
            InstanceRefused, LimitReached: the instance is not the account's, or has enough jobs.
            SessionUnusable, SessionClosed: the job's session does not take it.
            StorageFull, StoreUnavailable: the store can't keep the job.
        """
        instance = choose_instance(posted.instance, caller)
        await self._rates.check(instance)
        job_id = make_repeatable_job_id(caller.secret, key) if key else None
        if posted.opens_session is not None:
            job_id = job_id or make_job_id()
            posted = replace(posted, session_id=job_id)
        asked = read_request(replace(posted, instance=instance), job_id)
        jobs = view_jobs(self._jobs, caller)
        if job := await jobs.find_repeated(asked):
            return job.id
        with self._places.hold(instance, jobs.count_queued(instance)):
            request = await self._resolve(asked, posted, view_programs(self._programs, caller))
            if posted.opens_session is not None:
                sessions = view_sessions(self._sessions, caller)
                return (await self._open_session(sessions, jobs, request, posted.opens_session)).id
            return (await self._admit(jobs, request)).id

    async def _admit(self, jobs: JobStore, request: JobRequest) -> Job:
        """Submit a job, within its session where it has one: not after that was closed."""
        if not request.spec.session_id:
            return await jobs.submit(request)
        async with self._sessions.admit(request.spec) as admitted:
            return await jobs.submit(replace(request, admitted=admitted))

    async def _open_session(
        self, sessions: SessionStore, jobs: JobStore, request: JobRequest, seconds: int
    ) -> Job:
        """Submit a job that opens its own session, which does not stay without it.

        One that is there already is that of an earlier request with the same key: it stays.
        """
        spec = request.spec
        limit = {"max_ttl_seconds": seconds} if seconds else {}
        session = SessionSpec(
            backend=spec.backend, hub=spec.hub, group=spec.group, project=spec.project, **limit
        )
        is_new = not await self._has_session(spec.session_id)
        await sessions.create(session, spec.session_id)
        try:
            return await self._admit(jobs, request)
        except Exception:
            with suppress(StoreUnavailable, SessionNotFound):
                if is_new:
                    await sessions.close_session(spec.session_id, cancel=True)
            raise

    async def _has_session(self, session_id: str) -> bool:
        try:
            await self._sessions.find(session_id)
        except SessionNotFound:
            return False
        return True

    async def _resolve(
        self, asked: JobRequest, posted: Submission, programs: ProgramLibrary
    ) -> JobRequest:
        """Return the request with its program, that program's version and source, and backend."""
        resolved = await programs.resolve(asked.spec.program_id)
        program = resolved.program
        if posted.version not in (None, program.metadata.version):
            raise ProgramChanged(program.id, program.metadata.version)
        backend = await self._backends.get(asked.spec.backend)
        await self._check_params(program, asked.params, posted.params_place)
        found: dict[str, Any] = {
            "program_id": program.id,
            "program_version": program.metadata.version[:MAX_VERSION_CHARACTERS],
            "backend": backend.name,
            "max_execution_seconds": choose_limit(program, posted.max_execution_seconds),
        }
        spec = JobSpec.model_validate(asked.spec.model_dump() | found)
        return JobRequest(spec, asked.params, asked.id, resolved.source)

    async def _check_params(
        self, program: Program, text: str, place: tuple[str | int, ...]
    ) -> None:
        """Refuse parameters that no program could be called with, or not this one by its schema.

        Raises:
            TooLarge: over the limit.
            InvalidField: not the JSON text of an object, or one that is not safe to read; or
                circuits that are written in a newer form than programs here can read.
            InvalidFields: what does not match the schema, each with the path that leads to it.
        """
        size = len(text.encode())
        if size > MAX_PARAMS_BYTES:
            raise TooLarge(f"params: {size} bytes; at most {MAX_PARAMS_BYTES} are taken")
        try:
            errors = await self._params_check.find_errors(program, text)
        except StrictJSONError as error:
            name = "params[0]" if place[-1] == 0 else "params"
            raise InvalidField(place, f"{name}: {error}", error.kind) from None
        if errors:
            raise InvalidFields(
                [
                    {"loc": (*place, *one.place), "msg": str(one), "type": "params_schema"}
                    for one in errors
                ]
            )
        if unreadable := await find_unreadable(text):
            raise InvalidField(place, "; ".join(unreadable))


def choose_backend(posted: Submission) -> str:
    """Return the name of the backend that is meant."""
    return DEFAULT_BACKEND if posted.backend in DEFAULT_NAMES else posted.backend


def choose_instance(asked: Instance, caller: Caller) -> Instance:
    """Return the instance of a new job: the one that is asked for, or the caller's own. Pure.

    Without accounts hub, group and project are texts to file a job under.

    Raises:
        InstanceRefused: it is not one of the caller's, or not the one that the request is for.
    """
    if caller.is_only_tenant:
        return asked
    if all(part in DEFAULT_NAMES for part in (asked.hub, asked.group, asked.project)):
        return caller.instance
    if not caller.sees(asked):
        raise InstanceRefused(f"hub, group, project: {asked.name} is no instance of this account")
    return asked


def choose_limit(program: Program, asked: int | None) -> int:
    """Return the time limit of a job in seconds: the program's, or a shorter one that is asked."""
    own = program.metadata.max_execution_time
    return own if asked is None else min(own, asked)


def read_request(posted: Submission, job_id: str | None) -> JobRequest:
    """Return what a client asks for, before its program and backend are looked up. Pure."""
    # Unchecked: a name that is too long for a job is one that no program or backend has.
    spec = JobSpec.model_construct(
        program_id=posted.program_id.lower(),
        backend=choose_backend(posted),
        hub=posted.instance.hub,
        group=posted.instance.group,
        project=posted.instance.project,
        tags=posted.tags,
        log_level=posted.log_level,
        session_id=posted.session_id,
        private=posted.private,
    )
    return JobRequest(spec, posted.params, job_id)
