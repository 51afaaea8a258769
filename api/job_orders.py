"""The orders of a listing of jobs. Stores keep them by their creation; others are made here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from api.jobstore.base import NO_LIMIT, JobPage, JobQuery, JobStore
from api.queue_forecast import seconds_run
from qiskit_runtime.contract.resources.job import Job

JobOrder = Literal[
    "created",
    "program",
    "backend",
    "status",
    "finished",
    "duration",
    "-created",
    "-program",
    "-backend",
    "-status",
    "-finished",
    "-duration",
]
"""The names of the orders; with a minus, the largest, or the newest, comes first."""

_NEVER = datetime.max.replace(tzinfo=UTC)

_KEYS: Mapping[str, Callable[[Job], Any]] = {
    "program": lambda job: job.spec.program_id,
    "backend": lambda job: job.spec.backend,
    "status": lambda job: job.status.phase,
    "finished": lambda job: job.status.finished_at or _NEVER,
    "duration": lambda job: seconds_run(job) or 0.0,
}


async def find_in_order(
    store: JobStore, query: JobQuery, order: JobOrder, limit: int, offset: int
) -> JobPage:
    """Return a page of the jobs that match, in this order; equal ones newest first."""
    name = order.removeprefix("-")
    if name == "created":
        return await store.find(replace(query, oldest_first=order == name), limit, offset)
    found = await store.find(query, NO_LIMIT, 0)
    jobs = sorted(found.jobs, key=_KEYS[name], reverse=order != name)
    return JobPage(jobs[offset : offset + limit], found.total)
