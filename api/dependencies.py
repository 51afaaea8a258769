"""The dependencies of routes, injected by type; ``create_app`` puts them on the app's state."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends, Header, Query
from starlette.requests import HTTPConnection

from api.accounts.authenticator import Authenticator
from api.accounts.caller import CALLER, NOBODY, Caller
from api.accounts.job_view import view_jobs
from api.accounts.program_view import view_programs
from api.accounts.session_view import view_sessions
from api.backend_reports import BackendReports
from api.backendstore.base import BackendLibrary
from api.job_answers import JobAnswers
from api.jobstore.base import JobStore, may_show
from api.params_check import ParamsCheck
from api.programstore.base import ProgramLibrary
from api.queue_forecast import QueueForecast
from api.sessionstore.base import SessionStore
from api.submission import JobSubmission
from qiskit_runtime.contract.wire.events import Event


def _job_store(connection: HTTPConnection) -> JobStore:
    store = cast(JobStore, connection.app.state.job_store)
    return view_jobs(store, _caller(connection))


def _job_answers(connection: HTTPConnection) -> JobAnswers:
    return cast(JobAnswers, connection.app.state.job_answers)


def _queue_forecast(connection: HTTPConnection) -> QueueForecast:
    return cast(QueueForecast, connection.app.state.queue_forecast)


def _programs(connection: HTTPConnection) -> ProgramLibrary:
    library = cast(ProgramLibrary, connection.app.state.programs)
    return view_programs(library, _caller(connection))


def _backends(connection: HTTPConnection) -> BackendLibrary:
    return cast(BackendLibrary, connection.app.state.backends)


def _backend_reports(connection: HTTPConnection) -> BackendReports:
    return cast(BackendReports, connection.app.state.backend_reports)


def _sessions(connection: HTTPConnection) -> SessionStore:
    store = cast(SessionStore, connection.app.state.sessions)
    return view_sessions(store, _caller(connection))


def _params_check(connection: HTTPConnection) -> ParamsCheck:
    return cast(ParamsCheck, connection.app.state.params_check)


def _submission(connection: HTTPConnection) -> JobSubmission:
    return cast(JobSubmission, connection.app.state.submission)


def _caller(connection: HTTPConnection) -> Caller:
    return cast(Caller, getattr(connection.state, CALLER, NOBODY))


def _authenticator(connection: HTTPConnection) -> Authenticator:
    return cast(Authenticator, connection.app.state.authenticator)


def act_for_one_instance(connection: HTTPConnection) -> None:
    """Narrow the request to one instance, as today's dialect has it: a dependency of its routers.

    What the caller has in others of its instances is not there.
    """
    setattr(connection.state, CALLER, _caller(connection).for_one_instance())


async def _events(job_id: str, connection: HTTPConnection) -> AsyncIterator[list[Event]]:
    store = _job_store(connection)
    job = await store.get(job_id)
    async with store.open_events(job_id) as events:
        yield [event for event in events if may_show(job, event)]


async def _result(job_id: str, connection: HTTPConnection) -> AsyncIterator[str | None]:
    async with _job_store(connection).serve_result(job_id) as result:
        yield result


NonNegative = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""The limit or the offset of a listing."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Any text that the client chooses: the same request with the same key makes no"
        " second job, so it is safe to send it again when its answer was lost.",
    ),
]
"""The key by which a client makes a request repeatable."""

CallerDep = Annotated[Caller, Depends(_caller)]
"""The account that makes the request, and the instance that it is for."""

BackendsDep = Annotated[BackendLibrary, Depends(_backends)]
"""The one library of backends."""

BackendReportsDep = Annotated[BackendReports, Depends(_backend_reports)]
"""The one writer of what IBM's clients read of backends."""

JobStoreDep = Annotated[JobStore, Depends(_job_store)]
"""The one store of jobs, as the caller sees it."""

EventsDep = Annotated[list[Event], Depends(_events)]
"""The events of the job whose id is in the path, open until the answer is sent."""

ResultDep = Annotated[str | None, Depends(_result)]
"""The final result of that job, open as long; a private job's is there once."""

JobAnswersDep = Annotated[JobAnswers, Depends(_job_answers)]
"""The writer of jobs as responses."""

QueueForecastDep = Annotated[QueueForecast, Depends(_queue_forecast)]
"""The estimate of when queued jobs will run."""

ProgramsDep = Annotated[ProgramLibrary, Depends(_programs)]
"""The one store of programs, as the caller sees it."""

AuthenticatorDep = Annotated[Authenticator, Depends(_authenticator)]
"""The way in which this server authenticates."""

SessionsDep = Annotated[SessionStore, Depends(_sessions)]
"""The one store of sessions, as the caller sees it."""

SubmissionDep = Annotated[JobSubmission, Depends(_submission)]
"""The service that decides which job a request becomes."""

ParamsCheckDep = Annotated[ParamsCheck, Depends(_params_check)]
"""The check of jobs' parameters by their programs' schemas."""
