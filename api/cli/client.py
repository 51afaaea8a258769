"""A client of the 2021 dialect: REST calls, and the way to a job's stream.

The command line uses it, ``job_stream`` for the stream. Its errors are Click's, so that they
end a command with one sentence and an exit code.
"""

import ipaddress
import json
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, urlsplit

import click
import httpx
from websockets.sync.client import ClientConnection, connect

FINAL_SECONDS = 10.0
"""How long a job may take to be final after its stream has ended."""

MAX_FRAME_BYTES = 100 * 2**20
"""A frame: a message of 16 MiB with each of its bytes escaped."""

_HTTP_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Refused(click.ClickException):
    """The server understood, and said no (4xx)."""

    exit_code = 2


class Unreachable(click.ClickException):
    """No server answers there, or it can't answer now (5xx)."""

    exit_code = 4


class Client:
    """Speaks to the server at ``url``. Close it after use: it is a context manager."""

    def __init__(self, url: str, token: str = "") -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # A proxy would be asked for a server on this machine, and would not find it.
        self._use_proxies = not is_here(urlsplit(url).hostname or "")
        self._http = httpx.Client(
            headers=self._headers, timeout=_HTTP_SECONDS, trust_env=self._use_proxies
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int | bool) -> Any:
        """The JSON at a path, decoded."""
        return self._call("GET", path, params=query)

    def submit(self, body: Mapping[str, Any]) -> str:
        """Post a job; returns its id."""
        return str(self._call("POST", "/jobs", json=body)["id"])

    def get_job(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        job: dict[str, Any] = self.get(_job_path(job_id))
        return job

    def get_logs(self, job_id: str) -> str:
        """What the job printed and published so far."""
        return str(self.get(_job_path(job_id) + "/logs"))

    def get_result(self, job_id: str) -> str:
        """The final result's JSON text; empty while there is none."""
        return str(self.get(_job_path(job_id) + "/results"))

    def cancel(self, job_id: str) -> None:
        """Ask for the job to be cancelled."""
        self._call("POST", _job_path(job_id) + "/cancel")

    def delete(self, job_id: str) -> None:
        """Delete an ended job."""
        self._call("DELETE", _job_path(job_id))

    def find_program(self, program_id: str) -> dict[str, Any] | None:
        """A program, with its source where it was uploaded; None where there is none."""
        answer = self._request("GET", self.program_path(program_id))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        program: dict[str, Any] = self._read(answer)
        return program

    def get_program(self, program_id: str) -> dict[str, Any]:
        """The same, of one that must be there."""
        program: dict[str, Any] = self.get(self.program_path(program_id))
        return program

    def get_program_source(self, program_id: str) -> bytes:
        """An uploaded program's source."""
        answer = self._request("GET", self.program_path(program_id) + "/data")
        self._check(answer)
        return answer.content

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send JSON; returns the JSON of the answer."""
        answer: dict[str, Any] = self._call(method, path, json=body)
        return answer

    def delete_program(self, program_id: str) -> None:
        """Delete an uploaded program."""
        self._call("DELETE", self.program_path(program_id))

    @staticmethod
    def program_path(program_id: str) -> str:
        """Where a program is."""
        return f"/programs/{quote(program_id, safe='')}"

    def wait_final(self, job_id: str) -> dict[str, Any]:
        """The job after its stream ended: it is final in the same moment, or very soon."""
        deadline = time.monotonic() + FINAL_SECONDS
        while True:
            job = self.get_job(job_id)
            if job["status"] not in ("Queued", "Running") or time.monotonic() > deadline:
                return job
            time.sleep(_POLL_SECONDS)

    def open_stream(self, job_id: str, after: int) -> ClientConnection:
        """A websocket that sends the job's typed frames from the one after message ``after``."""
        path = f"/stream/jobs/{quote(job_id, safe='')}?logs=true&after={after}"
        return connect(
            # http -> ws, https -> wss.
            "ws" + self._url.removeprefix("http") + path,
            additional_headers=self._headers,
            max_size=MAX_FRAME_BYTES,
            compression=None,
            close_timeout=1,
            proxy=True if self._use_proxies else None,
        )

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._read(self._request(method, path, **arguments))

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, self._url + path, **arguments)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unreachable(
                f"can't reach a server at {self._url}: {str(error) or type(error).__name__}."
                " Start one with `qiskit-runtime serve`, or name another with --url or RUNTIME_URL."
            ) from None

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_client_error:
            raise Refused(explain_refusal(answer.status_code, answer.text))
        if answer.is_server_error:
            raise Unreachable(f"the server at {self._url} failed: {answer.status_code}")

    def _read(self, answer: httpx.Response) -> Any:
        self._check(answer)
        return _decode(answer, self._url)


def _decode(answer: httpx.Response, url: str) -> Any:
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise Unreachable(f"what answers at {url} is no Qiskit Runtime server") from None


def explain_refusal(code: int, body: str) -> str:
    """A 4xx in a sentence: the server's detail, and which field where it names one."""
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = body[:200] or "the server refused"
    if isinstance(detail, list):
        detail = "; ".join(_explain_field(error) for error in detail)
    hint = " (--token or RUNTIME_TOKEN)" if code == httpx.codes.UNAUTHORIZED else ""
    if detail == "Program not found":
        hint = ": `qiskit-runtime programs` lists those there are"
    return f"{detail}{hint} ({code})"


def _explain_field(error: Mapping[str, Any]) -> str:
    steps = [str(part) for part in error["loc"] if part not in ("body", "query", "path")]
    # Some messages begin with the field themselves.
    place = "" if steps and error["msg"].startswith(steps[0]) else ".".join(steps)
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def is_here(host: str) -> bool:
    """Whether a host's name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _job_path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"
