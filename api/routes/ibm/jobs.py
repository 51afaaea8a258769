"""/jobs in today's dialect: run a program, see jobs, their results, logs and metrics; end them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BeforeValidator

from api.bodies import BodyForm, CheckedRoute
from api.dependencies import (
    CallerDep,
    EventsDep,
    IdempotencyKey,
    JobAnswersDep,
    JobStoreDep,
    NonNegative,
    QueueForecastDep,
    SessionsDep,
    SubmissionDep,
)
from api.errors import InvalidField
from api.jobstore.base import JobQuery, JobStore, RecordGone
from api.routes.ibm.documents import DocumentForm, DocumentWriter
from api.routes.ibm.errors import describe
from api.routes.ibm.models import (
    CreatedJob,
    JobDocument,
    JobsDocument,
    MetricsDocument,
    RunRequest,
    TagsRequest,
    ran_too_long,
)
from api.routes.ibm.versions import reads_reason_codes
from api.sessionstore.base import SessionNotFound, SessionStore
from api.store_errors import StoreUnavailable
from api.strict_json import load_body_with_params
from api.submission import DEFAULT_NAMES, Submission, choose_backend
from api.text_pieces import console_pieces, cut, find_traceback, join_small
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.limits import MAX_PARAMS_BYTES
from qiskit_runtime.contract.resources.backend import UnknownBackend
from qiskit_runtime.contract.resources.job import Job

MAX_BODY_BYTES = MAX_PARAMS_BYTES + 2**16
"""A body: the parameters as they are, and what is around them."""

FRESH_SECONDS = 1.0
"""The age up to which a poll waits for the job's end."""

WAIT_SECONDS = 0.4
"""How long it waits: the official client asks again 0.5 s after an answer that is not the end."""


class ParamsRoute(CheckedRoute):
    """A route whose bodies have parameters as a value, which stays text here."""

    @property
    def body_form(self) -> BodyForm:
        return BodyForm(limit=MAX_BODY_BYTES, load=load_body_with_params)


router = APIRouter(tags=["qiskit-ibm-runtime"], route_class=ParamsRoute, strict_content_type=False)

WITH_BODY = (400, 413, 415)
"""Status codes of a request that can have a body."""


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Time = Annotated[datetime, AfterValidator(_in_utc)]
"""A time; one without an offset is in UTC."""

Sort = Annotated[
    Literal["ASC", "DESC"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]

CodesDep = Annotated[bool, Depends(reads_reason_codes)]

ExcludeParams = Annotated[bool, Query(description="Leave the parameters out.")]


@router.post("/jobs", responses=describe(404, 409, 429, 503, *WITH_BODY))
async def run_job(
    request: RunRequest,
    submission: SubmissionDep,
    sessions: SessionsDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
) -> CreatedJob:
    """Queue a job; an answer of 5xx says that there is none, so it is safe to try again."""
    posted = await _choose_backend(request.read(caller.instance), sessions)
    try:
        job_id = await submission.submit(posted, caller, idempotency_key)
    except UnknownBackend as error:
        # Of a 404 the official client says that the program is not there.
        message = f"backend: no backend is named '{error}'; GET /backends lists them"
        raise InvalidField(("body", "backend"), message) from None
    return CreatedJob(id=job_id, backend=choose_backend(posted))


@router.get("/jobs", response_model=JobsDocument, responses=describe(400, 503))
async def list_jobs(
    store: JobStoreDep,
    answers: JobAnswersDep,
    forecast: QueueForecastDep,
    with_codes: CodesDep,
    limit: NonNegative = 200,
    offset: NonNegative = 0,
    pending: Annotated[
        bool | None, Query(description="The queued and running jobs, or the ended ones.")
    ] = None,
    program: str | None = None,
    backend: str | None = None,
    session_id: str | None = None,
    tags: Annotated[list[str], Query(description="Jobs that have all of these.")] = [],  # noqa: B006  (never changed)
    created_after: Time | None = None,
    created_before: Time | None = None,
    sort: Sort = "DESC",
    exclude_params: ExcludeParams = False,
) -> StreamingResponse:
    """List a page of jobs, newest first; ``count`` is the number of all that match."""
    query = JobQuery(
        pending=pending,
        program=program,
        backend=backend,
        session_id=session_id,
        tags=frozenset(tags),
        created_after=created_after,
        created_before=created_before,
        oldest_first=sort == "ASC",
    )
    page = await store.find(query, limit, offset)
    form = DocumentForm(with_params=not exclude_params, with_codes=with_codes)
    writer = DocumentWriter(answers, forecast, form)
    tail = f'],"count":{page.total},"limit":{limit},"offset":{offset}}}'
    return _stream_json(writer.write_list(page.jobs, tail))


@router.get(
    "/jobs/{job_id}",
    response_model=JobDocument,
    responses=describe(404, 503),
)
async def get_job(
    job_id: str,
    store: JobStoreDep,
    answers: JobAnswersDep,
    forecast: QueueForecastDep,
    with_codes: CodesDep,
    exclude_params: ExcludeParams = False,
) -> Response:
    """Return a job."""
    form = DocumentForm(with_params=not exclude_params, with_codes=with_codes)
    writer = DocumentWriter(answers, forecast, form)
    if exclude_params:
        # What clients poll.
        job = await _get_soon_ended(job_id, store)
        return Response(await writer.write_alone(job), media_type="application/json")
    return _stream_json(await writer.write(await store.get(job_id)))


async def _get_soon_ended(job_id: str, store: JobStore) -> Job:
    """Return the job; where it was submitted just now, at its end if that comes soon.

    Most circuits take less time than a client lets pass between two polls.
    """
    job = await store.get(job_id)
    if job.is_final or datetime.now(UTC) - job.created > timedelta(seconds=FRESH_SECONDS):
        return job
    with suppress(TimeoutError, RecordGone, StoreUnavailable):
        async with asyncio.timeout(WAIT_SECONDS):
            async for _ in store.follow(job_id):
                pass
    return await store.get(job_id)


async def _result(job_id: str, store: JobStoreDep) -> AsyncIterator[str | None]:
    """Yield the text that clients read when a job has ended: its result, or its error."""
    job = await store.get(job_id)
    if job.status.phase is Phase.FAILED or ran_too_long(job):
        yield await _read_error(store, job)
        return
    async with store.serve_result(job_id) as result:
        yield result


ResultTextDep = Annotated[str | None, Depends(_result)]


@router.get(
    "/jobs/{job_id}/results",  # noqa: FAST003  (a dependency takes job_id)
    responses=describe(404, 410, 503) | {200: {"content": {"text/plain": {}}}, 204: {}},
    response_class=Response,
)
async def get_results(result: ResultTextDep) -> Response:
    """Return the result's JSON text, or the traceback of a failed job; 204 where there is none.

    The result of a private job is there once.
    """
    return Response(status_code=204) if result is None else _stream_text(cut(result))


@router.get(
    "/jobs/{job_id}/logs",  # noqa: FAST003  (a dependency takes job_id)
    responses=describe(404, 410, 503) | {200: {"content": {"text/plain": {}}}},
    response_class=Response,
)
async def get_logs(events: EventsDep) -> Response:
    """Return what the job has printed so far."""
    return _stream_text(console_pieces(events))


@router.get("/jobs/{job_id}/metrics", response_model=MetricsDocument, responses=describe(404, 503))
async def get_metrics(job_id: str, store: JobStoreDep, forecast: QueueForecastDep) -> Response:
    """Return the job's times and usage as measured, its place in the queue as estimated."""
    job = await store.get(job_id)
    metrics = MetricsDocument.from_job(job, await forecast.find(job))
    return Response(metrics.model_dump_json(exclude_none=True), media_type="application/json")


@router.post(
    "/jobs/{job_id}/cancel", status_code=204, responses=describe(404, 409, 503, *WITH_BODY)
)
async def cancel_job(job_id: str, store: JobStoreDep) -> None:
    """Cancel a queued or running job."""
    await store.cancel(job_id)


@router.delete("/jobs/{job_id}", status_code=204, responses=describe(404, 503, *WITH_BODY))
async def delete_job(job_id: str, store: JobStoreDep) -> None:
    """Delete a job and all its data; one that is queued or runs is ended."""
    await store.discard(job_id)


@router.put("/jobs/{job_id}/tags", status_code=204, responses=describe(404, 503, *WITH_BODY))
async def replace_tags(job_id: str, request: TagsRequest, store: JobStoreDep) -> None:
    """Replace the job's tags, also when it has ended."""
    await store.set_tags(job_id, tuple(request.tags))


async def _choose_backend(posted: Submission, sessions: SessionStore) -> Submission:
    """Return the request on its session's backend where it names no other."""
    if posted.session_id and posted.opens_session is None and posted.backend in DEFAULT_NAMES:
        # One that is not there is refused by the submission.
        with suppress(SessionNotFound):
            session = await sessions.find(posted.session_id)
            return replace(posted, backend=session.spec.backend)
    return posted


async def _read_error(store: JobStore, job: Job) -> str:
    """Return the traceback that a failed job printed last, else its message."""
    traceback = ""
    with suppress(RecordGone):
        traceback = find_traceback(await store.read_events(job.id))
    return traceback or job.status.message


def _stream_json(pieces: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(pieces, media_type="application/json")


def _stream_text(texts: Iterable[str]) -> StreamingResponse:
    async def write() -> AsyncIterator[bytes]:
        for piece in join_small(texts):
            yield piece.encode(errors="replace")
            # Other requests are served between the pieces of a long text.
            await asyncio.sleep(0)

    return StreamingResponse(write(), media_type="text/plain")
