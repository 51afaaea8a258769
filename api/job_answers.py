"""The responses that describe jobs, in pieces: each may bring megabytes of parameters.

Other requests are served between two pieces. Only a few large parameters are in memory at a time,
no matter how many clients ask for them and how slowly they read.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from api.jobstore.base import JobNotFound, JobPage, JobStore, ParamsLost
from api.models import JobResponse
from api.text_pieces import json_pieces
from qiskit_runtime.contract.resources.job import Job

LARGE = 2**16
"""Parameters of more characters take their turn, and are written in pieces."""

LARGE_AT_ONCE = 8
"""Large parameters that are in memory at the same time."""

_NO_PARAMS = '"params":[]'
"""The field of a job without them. No text can contain it: its quotes would be escaped."""

logger = logging.getLogger(__name__)


class JobAnswers:
    """The writer of one server."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def write_page(self, page: JobPage) -> AsyncIterator[str]:
        """Write a ``JobsResponse`` as JSON, without jobs deleted since they were found."""
        count = 0
        yield '{"jobs":['
        for job in page.jobs:
            with suppress(JobNotFound):
                pieces = await self.write(job)
                yield "," * (count > 0)
                count += 1
                async for piece in pieces:
                    yield piece
        yield f'],"count":{count},"total":{page.total}}}'

    async def write(self, job: Job) -> AsyncIterator[str]:
        """Write a ``JobResponse`` as JSON.

        Raises:
            JobNotFound: it was deleted since it was found.
        """
        params = await self._read_params(job)
        whole = JobResponse.from_job(job, []).model_dump_json(by_alias=True)
        if params is None:
            return _each(whole)
        head, key, tail = whole.partition(_NO_PARAMS)
        head, tail = head + key[:-1], key[-1] + tail
        if len(params) <= LARGE:
            return _each(head + json.dumps(params, ensure_ascii=False) + tail)
        return self._write_large(job, head, tail)

    async def _write_large(self, job: Job, head: str, tail: str) -> AsyncIterator[str]:
        async with self._large:
            # Read again: while it waited, this request held no parameters.
            try:
                params = await self._read_params(job)
            except JobNotFound:
                params = None
            if params is None:
                yield head + tail
                return
            yield head
            for piece in json_pieces([params]):
                yield piece
            yield tail

    async def _read_params(self, job: Job) -> str | None:
        """Return the text as it was posted, or None if it is lost: the rest of the job is valid."""
        try:
            return await self._store.read_params(job.id)
        except ParamsLost as lost:
            logger.warning("the parameters of job %s can't be read: %s", job.id, lost)
            return None


async def _each(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
