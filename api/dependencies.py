"""What routes ask for by type; ``create_app`` puts it on the app's state."""

from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from api.backendstore.base import BackendLibrary
from api.job_answers import JobAnswers
from api.jobstore.base import JobStore
from api.params_check import ParamsCheck
from api.programstore.base import ProgramStore
from api.submission import JobSubmission
from qiskit_runtime.contract.wire.record import Event


def _job_store(connection: HTTPConnection) -> JobStore:
    return cast(JobStore, connection.app.state.job_store)


def _job_answers(connection: HTTPConnection) -> JobAnswers:
    return cast(JobAnswers, connection.app.state.job_answers)


def _programs(connection: HTTPConnection) -> ProgramStore:
    return cast(ProgramStore, connection.app.state.programs)


def _backends(connection: HTTPConnection) -> BackendLibrary:
    return cast(BackendLibrary, connection.app.state.backends)


def _params_check(connection: HTTPConnection) -> ParamsCheck:
    return cast(ParamsCheck, connection.app.state.params_check)


def _submission(connection: HTTPConnection) -> JobSubmission:
    return cast(JobSubmission, connection.app.state.submission)


def _tenant(connection: HTTPConnection) -> str:
    return cast(str, connection.app.state.tenant)


async def _events(job_id: str, connection: HTTPConnection) -> AsyncIterator[list[Event]]:
    async with _job_store(connection).open_events(job_id) as events:
        yield events


async def _result(job_id: str, connection: HTTPConnection) -> AsyncIterator[str | None]:
    async with _job_store(connection).open_result(job_id) as result:
        yield result


TenantDep = Annotated[str, Depends(_tenant)]
"""What tells a client's own apart from another's: for now, all of one server's are one."""

BackendsDep = Annotated[BackendLibrary, Depends(_backends)]
"""The backends there are."""

JobStoreDep = Annotated[JobStore, Depends(_job_store)]
"""The one store of jobs."""

EventsDep = Annotated[list[Event], Depends(_events)]
"""The events of the job whose id is in the path, open until the answer is sent."""

ResultDep = Annotated[str | None, Depends(_result)]
"""Its final result, the same."""

JobAnswersDep = Annotated[JobAnswers, Depends(_job_answers)]
"""Writes jobs of that store."""

ProgramsDep = Annotated[ProgramStore, Depends(_programs)]
"""The one store of programs."""

SubmissionDep = Annotated[JobSubmission, Depends(_submission)]
"""Decides which job a request becomes."""

ParamsCheckDep = Annotated[ParamsCheck, Depends(_params_check)]
"""Checks the parameters of jobs by their programs' schemas."""
