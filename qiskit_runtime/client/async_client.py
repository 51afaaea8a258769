"""The client for asyncio: performs ``steps`` and ``job_stream`` by httpx and websockets.

``client`` is its blocking twin, method by method.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect

from qiskit_runtime.client.address import Address
from qiskit_runtime.client.calls import Calls
from qiskit_runtime.client.dataframe import begin_table
from qiskit_runtime.client.job_events import JobEvents
from qiskit_runtime.client.job_handle import JobHandle
from qiskit_runtime.client.job_stream import (
    AFTER_ALL,
    NEVER,
    STREAM_LOSSES,
    TICK_SECONDS,
    JobStream,
    StreamEvent,
)
from qiskit_runtime.client.models import BackendInfo, JobInfo, ProgramInfo, UploadedProgram
from qiskit_runtime.client.steps import LOSSES, Answer, Flow, Pause, Request, Step, WaitEnd
from qiskit_runtime.contract.wire.progress import Progress

if TYPE_CHECKING:
    from pandas import DataFrame

    from qiskit_runtime.client.upload import MayReplace, Source

T = TypeVar("T")


class AsyncClient:
    """A client of the server at ``url``, with its ``token``.

    Left out, they are those of RUNTIME_URL and RUNTIME_TOKEN, else the local server's. Close it
    after use: it is a context manager. Every call may raise ``Unreachable`` or ``Refused``.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        self.address = Address.find(url, token)
        """The server's address, and the token for it."""
        self._http = httpx.AsyncClient(**self.address.http_options())
        self.calls = Calls(self.address)
        """The calls that ``perform`` does."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(
        self,
        program: str,
        /,
        *,
        backend: str = "",
        params: Mapping[str, Any] | str | None = None,
        tags: Sequence[str] = (),
        hub: str = "",
        group: str = "",
        project: str = "",
        program_version: str | None = None,
        **more: Any,
    ) -> "AsyncJob":
        """Post a job of a program, by its id, and return it.

        The program's parameters are keyword arguments, or in ``params``: those whose names this
        method takes itself, or all as JSON text, which is sent verbatim. Circuits, operators and
        arrays may be among them. ``program_version`` refuses the job where the program has another.
        """
        labels = {"backend": backend, "hub": hub, "group": group, "project": project}
        call = self.calls.run(program, params, more, labels, tags, program_version)
        return self.job(await self.perform(call))

    def job(self, job_id: str) -> "AsyncJob":
        """Return the job of this id; the server is not asked yet."""
        return AsyncJob(self, job_id)

    async def jobs(
        self,
        *,
        pending: bool = False,
        limit: int = 200,
        offset: int = 0,
        hub: str | None = None,
        group: str | None = None,
        project: str | None = None,
        program: str | None = None,
        backend: str | None = None,
        tags: Sequence[str] = (),
    ) -> list[JobInfo]:
        """Return jobs, newest first: the ended ones, or with ``pending`` the others."""
        labels = {"hub": hub, "group": group, "project": project}
        places = {"program": program, "backend": backend}
        return await self.perform(
            self.calls.jobs(tags, pending=pending, limit=limit, offset=offset, **labels, **places)
        )

    async def backends(self) -> list[BackendInfo]:
        """Return the backends that programs can run on."""
        return await self.perform(self.calls.backends())

    async def programs(self) -> list[ProgramInfo]:
        """Return the programs that the server can run."""
        return await self.perform(self.calls.programs())

    async def program(self, program_id: str) -> ProgramInfo:
        """Return one program."""
        return await self.perform(self.calls.program(program_id))

    async def program_source(self, program_id: str) -> bytes:
        """Return an uploaded program's source: a module, or a tar archive."""
        return await self.perform(self.calls.program_source(program_id))

    async def delete_program(self, program_id: str) -> None:
        """Delete an uploaded program. Jobs that were posted for it run all the same."""
        await self.perform(self.calls.delete_program(program_id))

    async def upload(
        self,
        source: "Source",
        *,
        replace: "MayReplace" = False,
        name: str | None = None,
        description: str | None = None,
        max_execution_time: int | None = None,
        is_public: bool | None = None,
    ) -> UploadedProgram:
        """Upload a file, a folder or a function as a program; unchanged, it stays as it is.

        Its metadata come from the JSON file in the same folder, else from its docstring and the
        parameters of ``main``; what is given here goes over them. A function's source is the whole
        program: imports belong within it.

        Raises:
            BadProgram: no program there could run.
            ProgramDiffers: the server has another one of this name, and ``replace`` is False.
        """
        from qiskit_runtime.client.upload import read_source, upload

        limits = {"max_execution_time": max_execution_time, "is_public": is_public}
        local = read_source(source, {"name": name, "description": description, **limits})
        return await self.perform(upload(self.calls, local, replace))

    async def perform(self, flow: Flow[T]) -> T:
        """Do the steps of a call."""
        answer: Answer = None
        try:
            while True:
                answer = await self._do(flow.send(answer))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _do(self, step: Step) -> Answer:
        match step:
            case Request(method=method, path=path, arguments=arguments):
                try:
                    return await self._http.request(method, self.address.url + path, **arguments)
                except LOSSES as error:
                    return error
            case Pause(seconds=seconds):
                await asyncio.sleep(seconds)
            case WaitEnd(job_id=job_id, deadline=deadline):
                async with aclosing(self.follow(job_id, AFTER_ALL, deadline)) as ticks:
                    async for _ in ticks:
                        if time.monotonic() >= deadline:
                            break
        return None

    async def follow(
        self, job_id: str, after: int = 0, deadline: float = NEVER, *, live: bool = True
    ) -> AsyncGenerator[StreamEvent]:
        """Yield a job's events, each once, and notices of waiting and lost connections.

        Without ``live`` they end with the newest that there is. After the deadline no connection
        is waited for; it is on the caller to stop then.
        """
        stream = JobStream(self.address, job_id, after, deadline, live=live)
        while not stream.has_ended:
            try:
                async with connect(stream.url, **stream.options) as connection:
                    while True:
                        for event in stream.take(await _receive(connection)):
                            yield event
            except STREAM_LOSSES as error:
                for event in stream.lose(error):
                    yield event
            await asyncio.sleep(stream.pause)


async def _receive(connection: ClientConnection) -> str | bytes | None:
    """Return the next frame; None where none comes for a moment."""
    try:
        async with asyncio.timeout(TICK_SECONDS):
            return await connection.recv()
    except TimeoutError:
        return None


class AsyncJob(JobHandle[AsyncClient]):
    """A job on the server."""

    def stream(self, after: int = 0) -> JobEvents:
        """Yield each event once, live, from the first or from the one after message ``after``.

        Lost connections are made again. The stream ends when the job has ended. To await it, in a
        notebook's cell, shows the job live and returns it once it has ended.
        """
        return JobEvents(self, after)

    def follow(self, after: int = 0) -> AsyncGenerator[StreamEvent]:
        """Yield the same, and ``Waiting`` and ``Reconnecting`` in between, for a display."""
        return self._client.follow(self.id, after)

    async def to_dataframe(self, *, decoded: bool = True) -> "DataFrame":
        """Return interim results and progress so far as a table of pandas, a row for each.

        Its columns are kind, number, step, total, best and value, and those that the program names.
        """
        calls = self._client.calls
        table = await self._client.perform(begin_table(calls, self.id, decoded=decoded))
        async with aclosing(self._client.follow(self.id, live=False)) as events:
            async for event in events:
                table.take(event)
        return table.to_dataframe()

    async def wait(self, timeout: float | None = None) -> JobInfo:  # noqa: ASYNC109  (the twin's)
        """Return the job once it has ended, however it ended.

        Raises:
            JobTimeout: it had not, after ``timeout`` seconds.
        """
        return await self._client.perform(self._client.calls.wait(self.id, timeout))

    async def result(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  (the twin's)
        *,
        decoded: bool = True,
    ) -> Any:
        """Return the final result once the job has ended; circuits and arrays are what they were.

        With ``decoded=False`` it is plain JSON, and neither Qiskit nor NumPy is imported.

        Raises:
            JobFailed: it did not complete.
            NoResult: it completed without a result.
            JobTimeout: it had not ended after ``timeout`` seconds.
        """
        return await self._client.perform(self._client.calls.result(self.id, timeout, decoded))

    async def result_text(self) -> str:
        """Return the final result's JSON text as it is now; empty without one."""
        return await self._client.perform(self._client.calls.result_text(self.id))

    async def logs(self) -> str:
        """Return all that the job printed and published so far."""
        return await self._client.perform(self._client.calls.logs(self.id))

    async def info(self) -> JobInfo:
        """Return the job as it is now."""
        return await self._client.perform(self._client.calls.job(self.id))

    async def status(self) -> str:
        """Return its status as it is now: Queued, Running, Completed, Failed, Cancelled, ..."""
        return (await self.info()).status

    @property
    async def progress(self) -> Progress | None:
        """The progress that its program reported last, asked of the server; None without any."""
        return (await self.info()).progress

    async def cancel(self) -> None:
        """Ask the server to cancel the job."""
        await self._client.perform(self._client.calls.cancel(self.id))

    async def delete(self) -> None:
        """Delete the job, which has ended, and all its data."""
        await self._client.perform(self._client.calls.delete(self.id))
