"""The harness' own programs, which sleep, fail, return their inputs, and measure them.

Today's client can't upload any, so they come by the root dialect, before a script runs.
"""

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

SOURCES = {
    "SLEEP": '''
import time


def main(backend, messenger, seconds: float = 60):
    """Sleeps, and says so each tenth of a second."""
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end:
        messenger.publish({"turn": turn})
        turn += 1
        time.sleep(0.1)
    return "slept"
''',
    "FAIL": '''
def main(backend, messenger, reason: str = "no reason"):
    """Fails for this reason."""
    raise ValueError(reason)
''',
    "ECHO": '''
def main(backend, messenger, **inputs):
    """Returns its inputs."""
    return inputs
''',
    "SIZES": '''
def main(backend, messenger, **inputs):
    """Returns the lengths of its inputs."""
    return {name: len(value) for name, value in inputs.items()}
''',
}


@contextmanager
def uploaded(url: str, token: str) -> Iterator[dict[str, str]]:
    """Upload the programs under names that nothing else has; take them away at the end."""
    headers = {"Authorization": f"Bearer {token}"}
    mark = uuid.uuid4().hex[:8]
    with httpx.Client(base_url=url, headers=headers, timeout=60, verify=False) as client:
        ids = {name: _upload(client, f"clients-{name.lower()}-{mark}") for name in SOURCES}
        try:
            yield ids
        finally:
            for program_id in ids.values():
                client.delete(f"/programs/{program_id}")


def _upload(client: httpx.Client, name: str) -> str:
    source = SOURCES[name.split("-")[1].upper()]
    body = {
        "name": name,
        "description": "A program of the tests with official clients.",
        "data": base64.b64encode(source.encode()).decode(),
        "is_public": True,
    }
    answer = client.post("/programs", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])
