"""The errors of the client. ``ClientError`` is the base of all."""

import json
from collections.abc import Mapping
from typing import Any

UNAUTHORIZED, NOT_FOUND, GONE = 401, 404, 410


class ClientError(Exception):
    """The base of the errors that this package raises."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        """The error's text without its remedy, which is in terms of this package."""


class Unreachable(ClientError):
    """No server answers at the address, or it can't answer now (5xx)."""


class NoServer(Unreachable):
    """Nobody answers at the address."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"can't reach a server at {url}: {why}",
            "start one with `qiskit-runtime serve`, or name it with url= or RUNTIME_URL",
        )


class StreamLost(Unreachable):
    """The connection to a job's stream broke and could not be made again."""

    def __init__(self, job_id: str, after: int, why: str) -> None:
        super().__init__(
            f"the stream of job {job_id} was lost ({why}); the job goes on without it",
            f"once the server answers, stream(after={after}) goes on with it",
        )
        self.job_id = job_id


class Refused(ClientError):
    """The server understood the request and refused it (4xx)."""

    def __init__(self, status: int, detail: str, remedy: str = "") -> None:
        super().__init__(f"{detail} ({status})", remedy)
        self.status = status
        """The HTTP status."""
        self.detail = detail
        """The server's sentence; it names the field that is wrong, where there is one."""


class Unauthorized(Refused):
    """The server asks for a token, or for another one (401)."""

    def __init__(self, detail: str) -> None:
        super().__init__(UNAUTHORIZED, detail, "give its token with token= or RUNTIME_TOKEN")


class ProgramNotFound(Refused):
    """The server has no program of this id (404)."""

    def __init__(self, detail: str) -> None:
        super().__init__(NOT_FOUND, detail, "programs() lists those that it has")


class JobFailed(ClientError):
    """The job ended as Failed or Cancelled, so it has no result to wait for."""

    def __init__(self, job_id: str, status: str, reason: str, message: str, traceback: str) -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(f"job {job_id} is {status}{why}: {message}")
        self.job_id, self.status = job_id, status
        self.reason = reason
        """The reason as a word for programs: ProgramError, OutOfMemory, RanTooLong, ..."""
        self.message = message
        """The reason as a sentence; it names the line of a user's program that failed."""
        self.traceback = traceback
        """The program's traceback as it was printed; empty without one."""


class NoResult(ClientError):
    """The job completed, and its program published no final result and returned nothing."""


class JobTimeout(ClientError, TimeoutError):
    """The job had not ended when the time of ``result(timeout=)`` or ``wait(timeout=)`` was up."""


class BadProgram(ClientError, ValueError):
    """The program can't be uploaded; the text says why, with file and line where they are known."""


class ProgramDiffers(BadProgram):
    """The server has another program of this name, and ``replace`` was not given."""

    def __init__(self, program_id: str) -> None:
        super().__init__(f"{program_id} is there already, and differs", "replace=True changes it")


class NameTaken(BadProgram):
    """The name is that of a program of the server's own."""

    def __init__(self, program_id: str) -> None:
        super().__init__(
            f"{program_id} is a program of the server's own, which can't be changed",
            "give another name",
        )


def explain_refusal(status: int, body: str) -> Refused:
    """Return the error of a 4xx: the server's detail, and the field where it names one."""
    detail = read_detail(body) or body[:200] or "the server refused"
    if status == UNAUTHORIZED:
        return Unauthorized(detail)
    if status == NOT_FOUND and detail == "Program not found":
        return ProgramNotFound(detail)
    return Refused(status, detail)


def read_detail(body: str) -> str:
    """Return the server's sentence in the body of an error; empty where it has none."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        return ""
    if isinstance(detail, list):
        return "; ".join(_explain_field(error) for error in detail)
    return str(detail or "")


def _explain_field(error: Mapping[str, Any]) -> str:
    steps = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    # Some messages begin with the field themselves.
    place = "" if steps and error["msg"].startswith(steps[0]) else ".".join(steps)
    return f"{place}: {error['msg']}" if place else str(error["msg"])
