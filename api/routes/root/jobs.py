"""/jobs: run a program, see its jobs, their logs and results; cancel and delete them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from api.bodies import CheckedRoute
from api.dependencies import (
    BackendsDep,
    EventsDep,
    JobAnswersDep,
    JobStoreDep,
    ParamsCheckDep,
    ProgramsDep,
    ResultDep,
    TenantDep,
)
from api.errors import WITH_BODY, InvalidField, InvalidFields, TooLarge, describe
from api.jobstore.base import JobNotFound, JobQuery, JobStore, ParamsLost
from api.log_text import log_pieces
from api.models import JobId, JobResponse, JobsResponse, RunRequest
from api.params_check import ParamsCheck
from api.programstore.base import MAX_VERSION_LENGTH, ProgramChanged
from api.strict_json import StrictJSONError
from api.text_pieces import json_pieces
from qiskit_runtime.contract.lifecycle import Reason
from qiskit_runtime.contract.resources.backend import DEFAULT_BACKEND
from qiskit_runtime.contract.resources.job import MAX_PARAMS_BYTES, JobSpec
from qiskit_runtime.contract.resources.program import Program
from qiskit_runtime.contract.resources.resource import make_repeatable_job_id

DEFAULT_NAMES = ("", "string")
"""Backend names that stand for the default: 'string' is what the 2021 documentation sends."""

Count = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""A number of jobs."""

router = APIRouter(tags=["jobs"], route_class=CheckedRoute)


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
    store: JobStoreDep,
    programs: ProgramsDep,
    backends: BackendsDep,
    tenant: TenantDep,
    params_check: ParamsCheckDep,
    idempotency_key: IdempotencyKey = None,
) -> JobId:
    """Queue a job. The answer's id is good from now on."""
    params = request.params[0] if request.params else "{}"
    name = DEFAULT_BACKEND if request.backend in DEFAULT_NAMES else request.backend
    job_id = make_repeatable_job_id(tenant, idempotency_key) if idempotency_key else None
    if job_id and await has_taken(store, job_id, request, name, params):
        return JobId(id=job_id)
    pinned = await programs.resolve(request.program_id)
    program = pinned.program
    if request.program_version not in (None, program.metadata.version):
        raise ProgramChanged(program.id, program.metadata.version)
    backend = await backends.get(name)
    await check_params(params_check, program, params)
    spec = JobSpec(
        program_id=program.id,
        program_version=program.metadata.version[:MAX_VERSION_LENGTH],
        backend=backend.name,
        hub=request.hub,
        group=request.group,
        project=request.project,
        tags=tuple(request.tags),
        max_execution_seconds=program.metadata.max_execution_time,
    )
    return JobId(id=(await store.submit(spec, params, job_id, pinned.source)).id)


async def has_taken(
    store: JobStore, job_id: str, request: RunRequest, backend: str, params: str
) -> bool:
    """Whether this request has made its job before: its program may have changed, or gone, since.

    False also where that is not sure: the submission itself then finds out.
    """
    try:
        job = await store.get(job_id)
        spec, same_params = job.spec, await store.read_params(job_id) == params
    except (JobNotFound, ParamsLost):
        return False
    asked = (request.program_id.lower(), backend, request.hub, request.group, request.project)
    same = asked == (spec.program_id, spec.backend, spec.hub, spec.group, spec.project)
    is_whole = job.status.reason is not Reason.INPUT_LOST
    return is_whole and same and same_params and tuple(request.tags) == spec.tags


async def check_params(check: ParamsCheck, program: Program, text: str) -> None:
    """Refuse parameters that no program could be called with, or not this one by its schema.

    Raises:
        TooLarge: over the limit.
        InvalidField: not the JSON text of an object, or one that is not safe to read.
        InvalidFields: what does not match the schema, each with the path that leads to it.
    """
    place = ("body", "params", 0)
    size = len(text.encode())
    if size > MAX_PARAMS_BYTES:
        raise TooLarge(f"params: {size} bytes; at most {MAX_PARAMS_BYTES} are taken")
    try:
        errors = await check.find_errors(program, text)
    except StrictJSONError as error:
        raise InvalidField(place, f"params[0]: {error}", error.kind) from None
    if errors:
        raise InvalidFields(
            [
                {"loc": (*place, *one.place), "msg": str(one), "type": "params_schema"}
                for one in errors
            ]
        )


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
