"""/queue and /system: who waits for what, and what this server is."""

from importlib.metadata import version
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from api.dependencies import JobStoreDep, NonNegative, QueueForecastDep
from api.errors import describe
from api.jobstore.base import JobQuery, JobStore
from api.settings import ApiSettings
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.contract.limits import MIB
from qiskit_runtime.contract.moment import format_optional_moment

MAX_IDS = 200
"""The most jobs that are asked for by their ids."""

router = APIRouter(tags=["system"])


def _settings(connection: HTTPConnection) -> ApiSettings:
    return cast(ApiSettings, connection.app.state.settings)


class PlaceResponse(BaseModel):
    """The place of a queued job; its times are estimates, null where no job like it has ended."""

    id: str
    position: int = Field(description="From 1. All jobs of the server count.")
    start: str | None
    end: str | None


class QueueResponse(BaseModel):
    """A page of the queue: ``total`` of the caller's jobs wait."""

    jobs: list[PlaceResponse]
    total: int


class WarmPods(BaseModel):
    """The pods that were started ahead of jobs."""

    ready: int
    starting: int


class SystemResponse(BaseModel):
    """The server: the caller's jobs in numbers, and its limits; null where it has none."""

    version: str
    mode: Literal["local", "kubernetes"]
    queued: int
    running: int
    ended: int
    workers: int | None = Field(description="The jobs that run at once. Local mode.")
    warm_pods: WarmPods | None = Field(
        description="Of all the server's. Kubernetes; null where no pods are started ahead."
    )
    max_queued: int | None
    max_jobs: int | None = Field(description="The most jobs, ended ones included. Kubernetes.")
    storage_bytes: int | None = Field(description="The limit of what jobs may store.")
    stored_bytes: int | None = Field(
        description="What the caller's jobs take of it: on one machine the ended ones."
    )


@router.get("/queue", responses=describe(422, 503))
async def list_queue(
    store: JobStoreDep,
    forecast: QueueForecastDep,
    limit: NonNegative = 200,
    id: Annotated[  # noqa: A002  (the parameter's name)
        list[str], Query(max_length=MAX_IDS, description="These jobs alone.")
    ] = [],  # noqa: B006  (never changed)
) -> QueueResponse:
    """List the queued jobs by their place, with the times at which their turns may come."""
    queued = list(store.all_queued())
    places = [(await forecast.find(job), job) for job in queued if not id or job.id in id]
    waiting = sorted(
        ((place, job) for place, job in places if place), key=lambda found: found[0].position
    )
    shown = [
        PlaceResponse(
            id=job.id,
            position=place.position,
            start=format_optional_moment(place.start),
            end=format_optional_moment(place.end),
        )
        for place, job in waiting[:limit]
    ]
    return QueueResponse(jobs=shown, total=len(queued))


@router.get("/system", responses=describe(503))
async def show_system(
    store: JobStoreDep, settings: Annotated[ApiSettings, Depends(_settings)]
) -> SystemResponse:
    """Return what this server is, and how much it has to do."""
    is_local = not settings.namespace
    pods = await store.find_warm_pods()
    storage = settings.keep_bytes if is_local else settings.storage_budget_mib * MIB
    return SystemResponse(
        version=version("qiskit-runtime-server"),
        mode="local" if is_local else "kubernetes",
        queued=await _count(store, Phase.QUEUED),
        running=await _count(store, Phase.RUNNING),
        ended=(await store.find(JobQuery(pending=False), 0, 0)).total,
        workers=settings.workers if is_local else None,
        warm_pods=WarmPods(ready=pods.ready, starting=pods.starting) if pods else None,
        max_queued=settings.max_queued if is_local else None,
        max_jobs=None if is_local else settings.max_jobs,
        storage_bytes=storage or None,
        stored_bytes=store.stored_bytes() if storage else None,
    )


async def _count(store: JobStore, phase: Phase) -> int:
    query = JobQuery(pending=True, phases=frozenset({phase}))
    return (await store.find(query, 0, 0)).total
