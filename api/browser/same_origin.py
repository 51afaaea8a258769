"""Pages in a browser: this server's own, and those of other origins.

A browser names the page's origin in ``Origin``, and how it relates to this server in
``Sec-Fetch-Site`` (that one only over TLS and on the machine itself); no page can forge either.
localhost, 127.0.0.1 and [::1] are one origin.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine itself, in a Host header."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def split_host(authority: str) -> tuple[str, int | None]:
    """Return name and port of a Host header; an empty name, which no host has, if unreadable."""
    try:
        parts = urlsplit(f"//{authority}")
        return (parts.hostname or "", parts.port)
    except ValueError:
        return ("", None)


def is_own_origin(origin: str, headers: Headers) -> bool:
    """Return whether an origin is that of this server, by the name that the browser calls it.

    A proxy that writes another Host says the browser's in X-Forwarded-Host. A page of another
    origin can't send that header: its browser would ask first, and is refused.
    """
    names = (headers.get("host", ""), headers.get("x-forwarded-host", "").partition(",")[0].strip())
    return any(_is_same(origin, split_host(name)) for name in names if name)


def is_from_own_page(headers: Headers) -> bool:
    """Return whether the browser says that a page of this server makes the request.

    False where it says nothing: a credential that browsers send unasked needs this proof.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is None and site is None:
        return False
    return site in (None, "same-origin") and (origin is None or is_own_origin(origin, headers))


def is_from_other_page(headers: Headers) -> bool:
    """Return whether the browser says that a page of another origin makes the request."""
    return headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _is_same(origin: str, host: tuple[str, int | None]) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    name = parts.hostname or ""
    same_name = name == host[0] or {name, host[0]} <= LOOPBACK_NAMES
    return same_name and default is not None and (port or default) == (host[1] or default)
