"""Jobs as documents of today's dialect, in pieces: each may bring megabytes of parameters."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass

from api.job_answers import JobAnswers, JobForm
from api.jobstore.base import JobNotFound
from api.queue_forecast import QueueForecast
from api.routes.ibm.models import JobDocument
from api.text_pieces import cut
from qiskit_runtime.contract.resources.job import Job

_NO_PARAMS = '"params":{}'
_SMALL = 2**16


@dataclass(frozen=True, slots=True)
class DocumentForm:
    """The form of jobs in one answer: with parameters or without, with codes of reasons or not."""

    with_params: bool
    with_codes: bool


class DocumentWriter:
    """The writer of jobs in one form."""

    def __init__(self, answers: JobAnswers, forecast: QueueForecast, form: DocumentForm) -> None:
        self._answers, self._forecast, self._form = answers, forecast, form

    async def write_list(self, jobs: Iterable[Job], tail: str) -> AsyncIterator[str]:
        """Write a list of jobs, without those that were deleted since they were found."""
        separator = ""
        yield '{"jobs":['
        for job in jobs:
            with suppress(JobNotFound):
                pieces = await self.write(job)
                yield separator
                separator = ","
                async for piece in pieces:
                    yield piece
        yield tail

    async def write(self, job: Job) -> AsyncIterator[str]:
        """Write a job in pieces.

        Raises:
            JobNotFound: it was deleted since it was found.
        """
        document = await self.write_alone(job)
        if not self._form.with_params:
            return _each(document)
        whole = f"{document[:-1]},{_NO_PARAMS}}}"
        return await self._answers.write(job, JobForm(lambda _: whole, _NO_PARAMS, _write_params))

    async def write_alone(self, job: Job) -> str:
        """Return a job without its parameters."""
        place = await self._forecast.find(job)
        expected = None if job.is_final else await self._forecast.expect_seconds(job)
        return JobDocument.from_job(job, expected, place, with_codes=self._form.with_codes).write()


def _write_params(params: str) -> Iterable[str]:
    """Write parameters as the value that they are the text of."""
    if len(params) <= _SMALL:
        try:
            json.loads(params)
        except (ValueError, RecursionError):
            # A job that kubectl made: its program gets no parameters either.
            return [_NO_PARAMS]
    return ['"params":', *cut(params)]


async def _each(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
