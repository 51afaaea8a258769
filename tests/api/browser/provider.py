"""The OpenID provider of the tests, a process of its own, and what a person does there."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

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
        answer = httpx.post(url, data={"sub": person}, trust_env=False, timeout=30)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))

    def issue(self, client: str, person: str = "alice") -> str:
        """Return an ID token of a person who logs in for this client."""
        redirect = {"redirect_uri": "http://127.0.0.1:1/back"}
        asked = {"client_id": client, "response_type": "code", "scope": "openid", **redirect}
        code = self.approve(f"{self.issuer}/oauth2/authorize?{urlencode(asked)}", person)["code"]
        form = {"grant_type": "authorization_code", "code": code, **redirect}
        form |= {"client_id": client, "client_secret": "any"}
        answer = httpx.post(f"{self.issuer}/oauth2/token", data=form, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id_token"])


@contextmanager
def run_provider(host: str = "127.0.0.1", *options: str) -> Iterator[ProviderUnderTest]:
    """A provider that knows these people, and takes any client that has a secret.

    ``host`` is an address of this machine, and part of its name as an issuer.
    """
    port = free_port()
    people = [f"--user-claims={json.dumps(person)}" for person in PEOPLE]
    command = [sys.executable, "-m", "oidc_provider_mock", f"--host={host}", f"--port={port}"]
    command += [*people, *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://{host}:{port}", process)
        yield ProviderUnderTest(f"http://{host}:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            assert httpx.get(f"{url}/jwks", trust_env=False, timeout=30).is_success
        except httpx.TransportError:
            assert time.monotonic() < until and process.poll() is None, "the provider never came"
            time.sleep(0.1)
        else:
            return
