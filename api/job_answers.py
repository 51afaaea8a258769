"""The responses that describe jobs, in pieces: each may bring megabytes of parameters.

Other requests are served between two pieces. Only a few large parameters are in memory at a time,
no matter how many clients ask for them and how slowly they read. How a job and its parameters are
written is the dialect's: a ``JobForm``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakValueDictionary

from api.jobstore.base import JobNotFound, JobPage, JobStore, ParamsLost
from api.models import JobResponse
from api.text_pieces import SmallPieces, json_pieces
from qiskit_runtime.contract.resources.instance import Instance
from qiskit_runtime.contract.resources.job import Job

LARGE = 2**16
"""Parameters of more characters take their turn, and are written in pieces."""

LARGE_AT_ONCE = 8
"""Large parameters that are in memory at the same time."""

LARGE_OF_ONE = LARGE_AT_ONCE // 2
"""Those of one instance, whose slow readers leave room for others."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobForm:
    """The form of jobs in a dialect: ``write`` makes JSON in which ``none`` is for no parameters.

    ``pieces`` are what is there instead, by the parameters' text. No other text in the JSON can
    contain ``none``: its quotes would be escaped.
    """

    write: Callable[[Job], str]
    none: str
    pieces: Callable[[str], Iterable[str]]


def _write_text(params: str) -> Iterable[str]:
    yield '"params":['
    yield from json_pieces([params])
    yield "]"


FORM_OF_2021 = JobForm(
    lambda job: JobResponse.from_job(job, []).model_dump_json(by_alias=True),
    '"params":[]',
    _write_text,
)
"""The form in which parameters are a list of one text."""


class JobAnswers:
    """The writer of one server."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        # Each is there for as long as somebody has a turn, or waits for it.
        self._large_of: WeakValueDictionary[Instance, asyncio.Semaphore] = WeakValueDictionary()

    def write_page(self, page: JobPage, *, with_params: bool = True) -> AsyncIterator[str]:
        """Write a ``JobsResponse`` as JSON, without jobs deleted since they were found."""
        return _join_small(self._write_page(page, with_params))

    async def _write_page(self, page: JobPage, with_params: bool) -> AsyncIterator[str]:
        count = 0
        yield '{"jobs":['
        for job in page.jobs:
            with suppress(JobNotFound):
                pieces = await self.write(job, with_params=with_params)
                yield "," * (count > 0)
                count += 1
                async for piece in pieces:
                    yield piece
        yield f'],"count":{count},"total":{page.total}}}'

    async def write(
        self, job: Job, form: JobForm = FORM_OF_2021, *, with_params: bool = True
    ) -> AsyncIterator[str]:
        """Write a job as JSON; a private one without its parameters.

        Raises:
            JobNotFound: it was deleted since it was found.
        """
        params = await self._read_params(job) if with_params else None
        whole = form.write(job)
        if params is None:
            return _each(whole)
        head, _, tail = whole.partition(form.none)
        if len(params) <= LARGE:
            return _each("".join((head, *form.pieces(params), tail)))
        return self._write_large(job, form, head, tail)

    async def _write_large(
        self, job: Job, form: JobForm, head: str, tail: str
    ) -> AsyncIterator[str]:
        async with self._large_turns_of(job.spec.instance), self._large:
            # Read again: while it waited, this request held no parameters.
            try:
                params = await self._read_params(job)
            except JobNotFound:
                params = None
            yield head
            for piece in [form.none] if params is None else form.pieces(params):
                yield piece
            yield tail

    def _large_turns_of(self, instance: Instance) -> asyncio.Semaphore:
        turns = self._large_of.get(instance) or asyncio.Semaphore(LARGE_OF_ONE)
        self._large_of[instance] = turns
        return turns

    async def _read_params(self, job: Job) -> str | None:
        """Return the text as it was posted; None if it is lost or private: the rest is valid."""
        if job.spec.private:
            return None
        try:
            return await self._store.read_params(job.id)
        except ParamsLost as lost:
            logger.warning("the parameters of job %s can't be read: %s", job.id, lost)
            return None


async def _each(*pieces: str) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece


async def _join_small(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield the same text in fewer pieces: each one costs more to send than a job to write."""
    small = SmallPieces()
    async for piece in pieces:
        if joined := small.add(piece):
            yield joined
    yield small.take()
