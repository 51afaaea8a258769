"""A client of the server in a few lines: post a job, listen to it. Copy it beside your script."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
from websockets.sync.client import connect

from qiskit_runtime.serialization import RuntimeDecoder, RuntimeEncoder

URL = os.environ.get("RUNTIME_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("RUNTIME_TOKEN", "")
HEADERS = {"Authorization": f"Bearer {TOKEN}"} if TOKEN else {}


def get(path: str) -> Any:
    """The JSON at a path of the server."""
    answer = httpx.get(URL + path, headers=HEADERS)
    answer.raise_for_status()
    return answer.json()


def post_job(program: str, params: dict[str, Any], backend: str = "") -> str:
    """Post a job and return its id. Circuits, operators and arrays may be among the parameters."""
    text = json.dumps(params, cls=RuntimeEncoder)
    account = {"hub": "", "group": "", "project": ""}
    body = {"programId": program, "backend": backend, "params": [text], **account}
    answer = httpx.post(URL + "/jobs", json=body, headers=HEADERS)
    if answer.is_error:
        raise SystemExit(f"refused ({answer.status_code}): {answer.json()['detail']}")
    return str(answer.json()["id"])


def listen(job: str) -> Iterator[tuple[Any, bool]]:
    """Each message as it comes, and whether it is the final result."""
    address = "ws" + URL.removeprefix("http") + f"/stream/jobs/{job}?logs=true"
    with connect(address, additional_headers=HEADERS, max_size=None) as frames:
        for text in frames:
            frame = json.loads(text)
            if frame["type"] == "message":
                yield json.loads(frame["text"], cls=RuntimeDecoder), frame["final"]
    check(job)


def check(job: str) -> None:
    """End the script if the job has ended badly."""
    while (found := get(f"/jobs/{job}"))["status"] in ("Queued", "Running"):
        time.sleep(0.1)
    if found["status"] != "Completed":
        raise SystemExit(f"job {job} is {found['status']}: {found['message']}")


def wait_result(job: str) -> Any:
    """The final result, once it is there."""
    return [message for message, is_final in listen(job) if is_final][-1]
