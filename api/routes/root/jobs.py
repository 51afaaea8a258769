"""/jobs: run a program, see its jobs, their logs and results; cancel and delete them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.bodies import CheckedRoute
from api.dependencies import (
    CallerDep,
    EventsDep,
    IdempotencyKey,
    JobAnswersDep,
    JobStoreDep,
    NonNegative,
    ResultDep,
    SubmissionDep,
)
from api.errors import WITH_BODY, describe
from api.job_orders import JobOrder, find_in_order
from api.jobstore.base import JobQuery
from api.models import JobId, JobResponse, JobsResponse, RunRequest
from api.text_pieces import json_pieces, log_pieces
from qiskit_runtime.contract.lifecycle import Phase

ExcludeParams = Annotated[bool, Query(description="Leave the parameters out.")]

# CheckedRoute knows which bodies may come without a Content-Type, and FastAPI need not refuse them.
router = APIRouter(tags=["jobs"], route_class=CheckedRoute, strict_content_type=False)


@router.post("/jobs", responses=describe(404, 409, 429, 503, *WITH_BODY))
async def run_program(
    request: RunRequest,
    submission: SubmissionDep,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
) -> JobId:
    """Queue a job and return its id, which is valid from now on."""
    return JobId(id=await submission.submit(request.read(), caller, idempotency_key))


@router.get("/jobs", response_model=JobsResponse, responses=describe(422, 503))
async def list_jobs(
    store: JobStoreDep,
    answers: JobAnswersDep,
    limit: NonNegative = 200,
    offset: NonNegative = 0,
    pending: Annotated[
        bool, Query(description="true lists the queued and running jobs, false the ended ones.")
    ] = False,
    hub: str | None = None,
    group: str | None = None,
    project: str | None = None,
    program: str | None = None,
    backend: str | None = None,
    tags: Annotated[list[str], Query(description="Jobs that have all of these.")] = [],  # noqa: B006  (never changed)
    status: Annotated[
        list[Phase],
        Query(description="Jobs in any of these; `pending` is not looked at then."),
    ] = [],  # noqa: B006  (the same)
    search: Annotated[
        str, Query(description="A part of id, program, backend, tags or message.", max_length=200)
    ] = "",
    sort: Annotated[JobOrder, Query(description="A minus turns the order round.")] = "-created",
    exclude_params: ExcludeParams = False,
) -> StreamingResponse:
    """List a page of jobs, newest first unless ``sort`` says otherwise."""
    query = JobQuery(
        pending=None if status else pending,
        hub=hub,
        group=group,
        project=project,
        program=program,
        backend=backend,
        tags=frozenset(tags),
        phases=frozenset(status) if status else None,
        text=search,
    )
    page = await find_in_order(store, query, sort, limit, offset)
    pieces = answers.write_page(page, with_params=not exclude_params)
    return StreamingResponse(pieces, media_type="application/json")


@router.get("/jobs/{job_id}", response_model=JobResponse, responses=describe(404, 503))
async def get_job(
    job_id: str, store: JobStoreDep, answers: JobAnswersDep, exclude_params: ExcludeParams = False
) -> StreamingResponse:
    """Return a job."""
    pieces = await answers.write(await store.get(job_id), with_params=not exclude_params)
    return StreamingResponse(pieces, media_type="application/json")


@router.get("/jobs/{job_id}/logs", response_model=str, responses=describe(404, 410, 503))  # noqa: FAST003  (a dependency takes job_id)
async def get_logs(events: EventsDep) -> StreamingResponse:
    """Return the text that the job printed and published so far, as one JSON string."""
    return _stream_string(log_pieces(events))


@router.get("/jobs/{job_id}/results", response_model=str, responses=describe(404, 410, 503))  # noqa: FAST003  (a dependency takes job_id)
async def get_results(result: ResultDep) -> StreamingResponse:
    """Return the final result's JSON text as one JSON string, empty until it is published."""
    return _stream_string([result or ""])


@router.post(
    "/jobs/{job_id}/cancel", status_code=204, responses=describe(404, 409, 503, *WITH_BODY)
)
async def cancel_job(job_id: str, store: JobStoreDep) -> None:
    """Cancel a queued or running job."""
    await store.cancel(job_id)


@router.delete("/jobs/{job_id}", status_code=204, responses=describe(403, 404, 503, *WITH_BODY))
async def delete_job(job_id: str, store: JobStoreDep) -> None:
    """Delete an ended job and all its data."""
    await store.delete(job_id)


def _stream_string(texts: Iterable[str]) -> StreamingResponse:
    """Write one JSON string in pieces: its readers share the text, each at its client's pace."""

    async def write() -> AsyncIterator[bytes]:
        for piece in json_pieces(texts):
            yield piece.encode(errors="replace")
            # Other requests are served between the pieces of a long text.
            await asyncio.sleep(0)

    return StreamingResponse(write(), media_type="application/json")
