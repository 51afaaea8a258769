"""The account in today's dialect: the usage of an instance, and its workloads."""

from datetime import UTC, datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from api.dependencies import CallerDep, JobStoreDep
from api.jobstore.base import NO_LIMIT, JobQuery
from api.queue_forecast import seconds_run
from api.routes.ibm.errors import describe
from api.routes.ibm.jobs import Time
from api.usage import PERIOD, UsageMeter
from qiskit_runtime.contract.moment import format_moment, format_optional_moment
from qiskit_runtime.contract.resources.job import Job

router = APIRouter(tags=["qiskit-ibm-runtime"])


def _usage_meter(connection: HTTPConnection) -> UsageMeter:
    return cast(UsageMeter, connection.app.state.usage_meter)


UsageMeterDep = Annotated[UsageMeter, Depends(_usage_meter)]
"""The one meter of instances' usage."""


class Period(BaseModel):
    """A span of time."""

    start_time: str
    end_time: str


class UsageDocument(BaseModel):
    """The usage of an instance, as far as its jobs are kept; there is no limit on it."""

    instance_id: str
    usage_consumed_seconds: float
    usage_limit_reached: bool = False
    usage_period: Period


class Workload(BaseModel):
    """A job as a workload."""

    id: str
    mode: Literal["job"] = "job"
    backend: str
    program_id: str
    session_id: str | None = None
    status: str
    status_reason: str | None = None
    created_at: str
    ended_at: str | None = None
    usage_seconds: float
    tags: list[str]
    private: bool

    @classmethod
    def from_job(cls, job: Job) -> "Workload":
        """Return a job's form."""
        status = job.status
        return cls(
            id=job.id,
            backend=job.spec.backend,
            program_id=job.spec.program_id,
            session_id=job.spec.session_id or None,
            status=status.phase,
            status_reason=status.message or None,
            created_at=format_moment(job.created),
            ended_at=format_optional_moment(status.finished_at),
            usage_seconds=seconds_run(job) or 0.0,
            tags=list(job.spec.tags),
            private=job.spec.private,
        )


class WorkloadsDocument(BaseModel):
    """A page of workloads; ``next`` and ``previous`` are cursors, where there are such pages."""

    workloads: list[Workload]
    total_count: int
    next: str | None = Field(None, description="The cursor of the next page.")
    previous: str | None = None


@router.get("/instances/usage", responses=describe(503))
async def get_usage(caller: CallerDep, meter: UsageMeterDep) -> UsageDocument:
    """Return the time that the instance's jobs have run in the last 28 days.

    Where thousands of jobs have ended, it may be up to 10 s old.
    """
    now = datetime.now(UTC)
    return UsageDocument(
        instance_id=caller.instance.crn,
        usage_consumed_seconds=round(await meter.read_seconds(caller.visible), 3),
        usage_period=Period(start_time=format_moment(now - PERIOD), end_time=format_moment(now)),
    )


Cursor = Annotated[str, Query(pattern=r"^\d{1,9}$", description="As an earlier answer has it.")]


@router.get("/workloads", responses=describe(400, 503), response_model_exclude_none=True)
async def list_workloads(
    store: JobStoreDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    next: Cursor | None = None,  # noqa: A002  (the dialect's)
    previous: Cursor | None = None,
    sort: Literal["createdAt", "-createdAt"] = "-createdAt",
    backend: str | None = None,
    search: Annotated[str, Query(description="A part of an id or of a tag.")] = "",
    status: Annotated[list[str], Query()] = [],  # noqa: B006  (never changed)
    mode: Literal["job", "session", "batch"] | None = None,
    tags: Annotated[list[str], Query()] = [],  # noqa: B006  (the same)
    created_after: Time | None = None,
    created_before: Time | None = None,
) -> WorkloadsDocument:
    """List a page of jobs as workloads."""
    query = JobQuery(
        backend=backend,
        tags=frozenset(tags),
        created_after=created_after,
        created_before=created_before,
        oldest_first=sort == "createdAt",
    )
    wanted = {name.lower() for name in status}
    found = [
        job
        for job in (await store.find(query, NO_LIMIT, 0)).jobs
        if _is_found(job, search) and (not wanted or job.status.phase.lower() in wanted)
    ]
    # Sessions are listed under their own path.
    shown = [] if mode in ("session", "batch") else found
    begin = min(int(next or previous or 0), len(shown))
    return WorkloadsDocument(
        workloads=[Workload.from_job(job) for job in shown[begin : begin + limit]],
        total_count=len(shown),
        next=str(begin + limit) if begin + limit < len(shown) else None,
        previous=str(max(0, begin - limit)) if begin > 0 else None,
    )


def _is_found(job: Job, search: str) -> bool:
    return any(search in text for text in (job.id, *job.spec.tags))
