"""The documents of an OpenID issuer: what is asked of it, in bounds, and how often.

An issuer is another server: its answers are read up to a size and within a time, all who need one
wait for the same, and one that does not answer is left alone for a while.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

DISCOVERY = "/.well-known/openid-configuration"
"""The path of an issuer's description, after its URL."""

PAUSE_SECONDS = 10.0
"""The shortest time between two fetches."""

MAX_DOCUMENT_BYTES = 2**20


class IssuerInvalid(ValueError):
    """The issuer answers with something else than OpenID Connect prescribes; the text says it."""


UNANSWERED = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)
"""The errors of an issuer that does not answer."""


async def call(
    http: httpx.AsyncClient, method: str, url: str, seconds: float, **request: Any
) -> httpx.Response:
    """Return an issuer's whole answer.

    Raises:
        IssuerInvalid: it is too large.
        httpx.HTTPError, httpx.InvalidURL, TimeoutError: there is none within so many seconds.
    """
    data = bytearray()
    async with asyncio.timeout(seconds), http.stream(method, url, **request) as answer:
        async for piece in answer.aiter_bytes():
            data += piece
            if len(data) > MAX_DOCUMENT_BYTES:
                raise IssuerInvalid(f"{url}: over {MAX_DOCUMENT_BYTES} bytes")
    return httpx.Response(answer.status_code, content=bytes(data), request=answer.request)


async def fetch_description(http: httpx.AsyncClient, issuer: str, seconds: float) -> Any:
    """Return an issuer's description of itself; errors are those of ``call``, and ValueError."""
    answer = await call(http, "GET", issuer.rstrip("/") + DISCOVERY, seconds)
    return answer.raise_for_status().json()


def find_url(description: Any, issuer: str, name: str) -> str:
    """Return one of an issuer's addresses, by its description. Pure.

    Raises:
        IssuerInvalid: it is another issuer's, or none.
    """
    if not isinstance(description, dict) or description.get("issuer") != issuer:
        raise IssuerInvalid(f"the discovery document is not that of the issuer {issuer}")
    url = description.get(name)
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise IssuerInvalid(f"the discovery document has no {name}")
    if issuer.startswith("https://") and not url.startswith("https://"):
        raise IssuerInvalid(f"{name} is not https, and the issuer is")
    return url


class SharedFetch:
    """A fetch that all wait for together, and that begins again after a pause at the earliest.

    ``fetch`` keeps what it gets, and raises nothing.
    """

    def __init__(self, fetch: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._fetch = fetch
        self._next = -PAUSE_SECONDS
        self.under_way: asyncio.Task[None] | None = None

    def begin(self, *, is_due: bool = True) -> asyncio.Task[None] | None:
        """Return the fetch under way; one begins where it is due, and the pause is over."""
        if self.under_way and not self.under_way.done():
            return self.under_way
        now = time.monotonic()
        if now < self._next or not is_due:
            return None
        self._next = now + PAUSE_SECONDS
        self.under_way = asyncio.create_task(self._fetch())
        return self.under_way

    async def wait(self) -> None:
        """Wait for the fetch under way, or for one that begins, if it may."""
        if fetching := self.begin():
            # One who goes away takes it from nobody else.
            await asyncio.shield(fetching)

    async def close(self) -> None:
        """Stop."""
        if self.under_way:
            self.under_way.cancel()
            await asyncio.gather(self.under_way, return_exceptions=True)
