"""The server's address, and all that requests to it have in common."""

import os
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

from qiskit_runtime.contract.wire.local_server import DEFAULT_URL, find_token, is_loopback_host

MAX_FRAME_BYTES = 100 * 2**20
"""A frame: a message of 16 MiB with each of its bytes escaped."""

HTTP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """A server's URL without its last slash, and the token that it asks for."""

    url: str
    token: str = ""

    @classmethod
    def find(cls, url: str | None, token: str | None) -> Self:
        """Return the address that is given, else that of RUNTIME_URL, else the local server's.

        A local server that made its token itself has it in a file, which is read here.

        Raises:
            ValueError: the URL is not HTTP, or the token has other characters than visible ASCII.
        """
        url = url or os.environ.get("RUNTIME_URL") or DEFAULT_URL
        token = os.environ.get("RUNTIME_TOKEN", "") if token is None else token
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// address")
        if not all("!" <= character <= "~" for character in token):
            # The token is a secret, so it is not repeated here.
            raise ValueError(
                "a token has visible ASCII characters only: no blank, and no newline at its end"
            )
        if not token and is_loopback_host(parts.hostname):
            token = find_token()
        return cls(url.rstrip("/"), token)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def uses_proxies(self) -> bool:
        """Return whether the environment's proxies are used: not for a server on this machine."""
        return not is_loopback_host(urlsplit(self.url).hostname or "")

    def http_options(self) -> dict[str, Any]:
        """Return the arguments of httpx's clients, blocking and async alike."""
        return {"headers": self.headers, "timeout": HTTP_SECONDS, "trust_env": self.uses_proxies}

    def stream_options(self) -> dict[str, Any]:
        """Return the arguments of websockets' ``connect``, blocking and async alike."""
        return {
            "additional_headers": self.headers,
            "max_size": MAX_FRAME_BYTES,
            "compression": None,
            "close_timeout": 1,
            "proxy": True if self.uses_proxies else None,
        }

    def stream_url(self, job_id: str, after: int, *, live: bool = True) -> str:
        """Return the websocket of a job's typed frames, from the one after message ``after``."""
        # http -> ws, https -> wss.
        return "ws" + self.url.removeprefix("http") + stream_path(job_id, after, live=live)


def stream_path(job_id: str, after: int, *, live: bool = True) -> str:
    """Return the path of a job's typed frames; without ``live`` they are those so far."""
    so_far = "" if live else "&live=false"
    return f"/stream/jobs/{quote(job_id, safe='')}?logs=true&after={after}{so_far}"


def job_path(job_id: str, part: str = "") -> str:
    """Return the path of a job, or of a part of it."""
    return f"/jobs/{quote(job_id, safe='')}{part}"


def program_path(program_id: str, part: str = "") -> str:
    """Return the path of a program, or of a part of it."""
    return f"/programs/{quote(program_id, safe='')}{part}"
