"""/jobs: run a program, see its jobs, their logs and results; cancel and delete them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from api.bodies import CheckedRoute
from api.dependencies import (
    EventsDep,
    JobAnswersDep,
    JobStoreDep,
    ResultDep,
    SubmissionDep,
    TenantDep,
)
from api.errors import WITH_BODY, describe
from api.jobstore.base import JobQuery
from api.log_text import log_pieces
from api.models import JobId, JobResponse, JobsResponse, RunRequest
from api.text_pieces import json_pieces

Count = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""A number of jobs."""

# CheckedRoute knows which bodies may come without a Content-Type, and FastAPI need not refuse them.
router = APIRouter(tags=["jobs"], route_class=CheckedRoute, strict_content_type=False)


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        description="Any text of the client's own: a request that is sent again with it, because"
        " its answer was lost, makes no second job.",
    ),
]


@router.post("/jobs", responses=describe(404, 409, 429, 503, *WITH_BODY))
async def run_program(
    request: RunRequest,
    submission: SubmissionDep,
    tenant: TenantDep,
    idempotency_key: IdempotencyKey = None,
) -> JobId:
    """Queue a job. The answer's id is good from now on."""
    return JobId(id=await submission.submit(request, tenant, idempotency_key))


@router.get("/jobs", response_model=JobsResponse, responses=describe(422, 503))
async def list_jobs(
    store: JobStoreDep,
    answers: JobAnswersDep,
    limit: Count = 200,
    offset: Count = 0,
    pending: Annotated[
        bool, Query(description="Queued and running jobs; without it the ended ones.")
    ] = False,
    hub: str | None = None,
    group: str | None = None,
    project: str | None = None,
    program: str | None = None,
    backend: str | None = None,
    tags: Annotated[list[str], Query(description="Jobs that have all of these.")] = [],  # noqa: B006  (never changed)
) -> StreamingResponse:
    """A page of jobs, newest first."""
    query = JobQuery(pending, hub, group, project, program, backend, frozenset(tags))
    page = await store.find(query, limit, offset)
    return StreamingResponse(answers.write_page(page), media_type="application/json")


@router.get("/jobs/{job_id}", response_model=JobResponse, responses=describe(404, 503))
async def get_job(job_id: str, store: JobStoreDep, answers: JobAnswersDep) -> StreamingResponse:
    """One job."""
    pieces = await answers.write(await store.get(job_id))
    return StreamingResponse(pieces, media_type="application/json")


# FAST003 does not see the job_id of the dependencies.
@router.get("/jobs/{job_id}/logs", response_model=str, responses=describe(404, 410, 503))  # noqa: FAST003
async def get_logs(events: EventsDep) -> StreamingResponse:
    """What the job printed and published so far, as one JSON string."""
    return _stream_string(log_pieces(events))


@router.get("/jobs/{job_id}/results", response_model=str, responses=describe(404, 410, 503))  # noqa: FAST003
async def get_results(result: ResultDep) -> StreamingResponse:
    """The final result's JSON text as one JSON string; an empty one while there is none."""
    return _stream_string([result or ""])


@router.post(
    "/jobs/{job_id}/cancel", status_code=204, responses=describe(404, 409, 503, *WITH_BODY)
)
async def cancel_job(job_id: str, store: JobStoreDep) -> None:
    """Have a queued or running job end as Cancelled."""
    await store.cancel(job_id)


@router.delete("/jobs/{job_id}", status_code=204, responses=describe(403, 404, 503, *WITH_BODY))
async def delete_job(job_id: str, store: JobStoreDep) -> None:
    """Forget an ended job and all its data."""
    await store.delete(job_id)


def _stream_string(texts: Iterable[str]) -> StreamingResponse:
    """One JSON string, in pieces: its readers share the text, and each waits for its own client."""

    async def write() -> AsyncIterator[bytes]:
        for piece in json_pieces(texts):
            yield piece.encode(errors="replace")
            # A long one is not the only request.
            await asyncio.sleep(0)

    return StreamingResponse(write(), media_type="application/json")
