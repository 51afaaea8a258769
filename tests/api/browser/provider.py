"""The OpenID provider of the tests, a process of its own, and what a person does there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.cluster.stand import free_port

PEOPLE = [
    {"sub": "alice", "groups": ["lab/optics/bell", "staff"]},
    {"sub": "mallory", "groups": ["staff"]},
]
"""Alice has an instance, Mallory has none."""


@dataclass(frozen=True)
class ProviderUnderTest:
    """The provider at this address."""

    issuer: str

    def approve(self, url: str, person: str = "alice") -> dict[str, str]:
        """Log in as a person; return the query with which the provider leads back."""
        answer = httpx.post(url, data={"sub": person}, trust_env=False)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


@contextmanager
def run_provider() -> Iterator[ProviderUnderTest]:
    """A provider that knows these people, and takes any client that has a secret."""
    port = free_port()
    people = [f"--user-claims={json.dumps(person)}" for person in PEOPLE]
    command = [sys.executable, "-m", "oidc_provider_mock", f"--port={port}", *people]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield ProviderUnderTest(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            assert httpx.get(f"http://127.0.0.1:{port}/jwks", trust_env=False).is_success
        except httpx.TransportError:
            assert time.monotonic() < until and process.poll() is None, "the provider never came"
            time.sleep(0.1)
        else:
            return
