"""All that a client does over REST, without I/O: generators that yield ``steps`` and get answers.

Both clients perform the steps; the decisions in between stand here once.
"""

import base64
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from qiskit_runtime.client.address import Address, job_path, program_path
from qiskit_runtime.client.errors import (
    GONE,
    JobFailed,
    JobTimeout,
    NoResult,
    NoServer,
    Refused,
    Unreachable,
    explain_refusal,
    read_detail,
)
from qiskit_runtime.client.models import BackendInfo, JobInfo, ProgramInfo
from qiskit_runtime.client.steps import Flow, Pause, Request, TimeIsUp, WaitEnd, until
from qiskit_runtime.client.values import decode, encode_params
from qiskit_runtime.contract.lifecycle import Phase
from qiskit_runtime.host.backoff import Backoff

FIRST_PAUSE_SECONDS, TRIES = 0.3, 3
"""The tries to send a request again whose answer was lost, and the pause before the first."""

FINAL_SECONDS = 10.0
"""How long a job may take to be final after its stream has ended."""

LAST_LOOK_SECONDS = 1.0
"""How long the server may take to tell a job's status after the time of ``wait(timeout=)``."""

_POLL_SECONDS = 0.1
_LOST_ANSWERS = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
_TRACEBACK = "Traceback (most recent call last):"


class Calls:
    """The calls to the server at an address."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def get(self, path: str, **query: Any) -> Flow[Any]:
        """Return the JSON at a path."""
        answer = yield from self._send(Request("GET", path, {"params": query}), repeat=True)
        return self._read(answer)

    def run(
        self,
        program: str,
        params: Mapping[str, Any] | str | None,
        more: Mapping[str, Any],
        labels: Mapping[str, str],
        tags: Sequence[str],
        version: str | None,
    ) -> Flow[str]:
        """Post a job and return its id. Parameters as text are sent as they are."""
        if isinstance(params, str) and more:
            raise TypeError(f"params is JSON text, so {', '.join(more)} can't be put into it")
        _check_tags(tags)
        text = params if isinstance(params, str) else encode_params({**(params or {}), **more})
        body = {"programId": program, "params": [text], "tags": list(tags), **labels}
        if version is not None:
            body["programVersion"] = version
        # The key makes a request that is sent again, because its answer was lost, the same job.
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        request = Request("POST", "/jobs", {"json": body, "headers": headers})
        answer = yield from self._send(request, repeat=True)
        return str(self._read(answer)["id"])

    def job(self, job_id: str) -> Flow[JobInfo]:
        """Return the job as it is now."""
        return JobInfo.from_fields((yield from self.get(job_path(job_id))))

    def jobs(self, tags: Sequence[str], **query: Any) -> Flow[list[JobInfo]]:
        """Return a page of jobs, newest first."""
        _check_tags(tags)
        query = {"tags": tags} | {name: value for name, value in query.items() if value is not None}
        page = yield from self.get("/jobs", **query)
        return [JobInfo.from_fields(fields) for fields in page["jobs"]]

    def logs(self, job_id: str) -> Flow[str]:
        """Return all that the job printed and published so far."""
        return str((yield from self.get(job_path(job_id, "/logs"))))

    def result_text(self, job_id: str) -> Flow[str]:
        """Return the final result's JSON text; empty without one."""
        return str((yield from self.get(job_path(job_id, "/results"))))

    def cancel(self, job_id: str) -> Flow[None]:
        """Ask the server to cancel the job."""
        yield from self._send(Request("POST", job_path(job_id, "/cancel")))

    def delete(self, job_id: str) -> Flow[None]:
        """Delete an ended job and all its data."""
        yield from self._send(Request("DELETE", job_path(job_id)))

    def wait(self, job_id: str, timeout: float | None = None) -> Flow[JobInfo]:
        """Return the job once it has ended.

        Raises:
            JobTimeout: it had not, after ``timeout`` seconds.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        try:
            return (yield from until(deadline, self._await_end(job_id, deadline)))
        except TimeIsUp:
            return (yield from self._look_once_more(job_id, f"after {timeout:g} s"))

    def _await_end(self, job_id: str, deadline: float) -> Flow[JobInfo]:
        job = yield from self.job(job_id)
        if not job.has_ended:
            yield WaitEnd(job_id, deadline)
            job = yield from self.settle(job_id)
        return job

    def _look_once_more(self, job_id: str, when: str) -> Flow[JobInfo]:
        """Return the job if it has ended in the last moment; the error has its status as it is."""
        deadline = time.monotonic() + LAST_LOOK_SECONDS
        try:
            job = yield from until(deadline, self.job(job_id))
        except TimeIsUp:
            silence = f"the server does not tell whether job {job_id} has ended {when}"
            raise JobTimeout(silence) from None
        if not job.has_ended:
            raise JobTimeout(f"job {job_id} is {job.status} {when}")
        return job

    def settle(self, job_id: str) -> Flow[JobInfo]:
        """Return the job after its stream ended: it is final in the same moment, or very soon."""
        deadline = time.monotonic() + FINAL_SECONDS
        while not (job := (yield from self.job(job_id))).has_ended:
            if time.monotonic() > deadline:
                raise Unreachable(f"the stream of job {job_id} ended while the job is {job.status}")
            yield Pause(_POLL_SECONDS)
        return job

    def result(self, job_id: str, timeout: float | None, decoded: bool) -> Flow[Any]:
        """Return the final result once the job has ended.

        Raises:
            JobFailed: it did not complete.
            NoResult: it completed without one.
        """
        job = yield from self.wait(job_id, timeout)
        if job.phase != Phase.COMPLETED:
            raise (yield from self._explain_failure(job))
        text = yield from self.result_text(job_id)
        if not text:
            raise NoResult(f"job {job_id} completed without a result")
        return decode(text, types=decoded)

    def _explain_failure(self, job: JobInfo) -> Flow[JobFailed]:
        try:
            logs = yield from self.logs(job.id)
        except Refused as error:
            if error.status != GONE:
                raise
            logs = ""
        _, mark, rest = logs.rpartition(_TRACEBACK)
        traceback = (mark + rest).strip()
        return JobFailed(job.id, job.status, job.reason, job.message, traceback)

    def backends(self) -> Flow[list[BackendInfo]]:
        """Return the backends that programs can run on."""
        found = yield from self.get("/backends")
        return [BackendInfo.from_fields(fields) for fields in found["backends"]]

    def programs(self) -> Flow[list[ProgramInfo]]:
        """Return the programs that the server can run."""
        found = yield from self.get("/programs")
        return [ProgramInfo.from_fields(fields) for fields in found["programs"]]

    def program(self, program_id: str) -> Flow[ProgramInfo]:
        """Return one program, with its source where it was uploaded."""
        return ProgramInfo.from_fields((yield from self.get(program_path(program_id))))

    def program_source(self, program_id: str) -> Flow[bytes]:
        """Return an uploaded program's source: a module, or a tar archive."""
        request = Request("GET", program_path(program_id, "/data"))
        return (yield from self._send(request, repeat=True)).content

    def create_program(self, fields: Mapping[str, Any], source: bytes) -> Flow[ProgramInfo]:
        """Upload a new program and return it."""
        body = {**fields, "data": base64.b64encode(source).decode()}
        answer = yield from self._send(Request("POST", "/programs", {"json": body}))
        return (yield from self.program(self._read(answer)["id"]))

    def replace_program(
        self, program_id: str, fields: Mapping[str, Any], source: bytes
    ) -> Flow[ProgramInfo]:
        """Change an uploaded program and return it."""
        body = {**fields, "data": base64.b64encode(source).decode()}
        request = Request("PUT", program_path(program_id), {"json": body})
        return ProgramInfo.from_fields(self._read((yield from self._send(request))))

    def delete_program(self, program_id: str) -> Flow[None]:
        """Delete an uploaded program. Jobs that were posted for it run all the same."""
        yield from self._send(Request("DELETE", program_path(program_id)))

    def _send(self, request: Request, *, repeat: bool = False) -> Flow[httpx.Response]:
        """Return the answer to a request; ``repeat`` says that sending it twice does no harm."""
        answer = yield request
        # Where nobody listened from the start, another try would find nobody either.
        tries = TRIES if repeat and isinstance(answer, _LOST_ANSWERS) else 0
        backoff = Backoff(FIRST_PAUSE_SECONDS, longest=2.0)
        for _ in range(tries):
            yield Pause(backoff.next_seconds())
            answer = yield request
            if not isinstance(answer, Exception):
                break
        if not isinstance(answer, httpx.Response):
            raise NoServer(self._address.url, str(answer) or type(answer).__name__)
        return self._check(answer)

    def _check(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_client_error:
            raise explain_refusal(answer.status_code, answer.text)
        if answer.is_server_error:
            why = read_detail(answer.text) or answer.reason_phrase
            raise Unreachable(
                f"the server at {self._address.url} failed: {why} ({answer.status_code})"
            )
        if not answer.is_success:
            place = answer.headers.get("Location", "another address")
            raise Unreachable(
                f"the server at {self._address.url} redirects to {place}: use the address there"
            )
        return answer

    def _read(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(
                f"the server at {self._address.url} is no Qiskit Runtime server"
            ) from None


def _check_tags(tags: Sequence[str]) -> None:
    """Raise TypeError for one text, which would count as a list of its letters."""
    if isinstance(tags, str):
        raise TypeError(f"tags is a list of texts: write tags=[{tags!r}]")
