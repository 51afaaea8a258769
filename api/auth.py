"""Authentication: one default-deny layer before every route and the websocket.

With a token, a client must present it. Without one, only processes of the server's own user and
of root are served, as the system reports the owner of their connections (see ``peers``), and only
under loopback names, so that a page of another site can't reach this server by a name that it
points here (DNS rebinding). Either way a browser's page of another origin is refused; localhost,
127.0.0.1 and [::1] are one origin.
"""

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from api.accounts.caller import CALLER, Caller
from api.peers import PEER, Peer
from api.settings import ApiSettings

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine itself, in a Host header."""

OTHER_USER = (
    "without a token this server serves only the user who started it, and root, and it can't see"
    " that this connection is theirs: start it with a token (RUNTIME_TOKEN), or with"
    " --allow-anonymous for every user of this machine"
)
"""The answer to another user of the machine."""

PROBES = ("/livez", "/readyz")
"""The paths that a kubelet asks without a token; the answer is yes or no, and nothing else."""


class AuthMiddleware:
    """ASGI middleware: answers 401, 403 or 421 itself, else passes on."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._token = settings.token.get_secret_value().encode()
        self._caller = Caller(secret=settings.token.get_secret_value())
        self._asks_peers = not self._token and not settings.allow_anonymous
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(scope, Headers(scope=scope))
        if refusal is None:
            scope.setdefault("state", {})[CALLER] = self._caller
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(refusal)
        else:
            await refusal(scope, receive, send)

    def _refuse(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        """Return the answer to a request that may not pass, or None."""
        host = _split_host(headers.get("host", ""))
        if self._token and not self._presents_token(headers):
            detail = "a token is needed: send the header 'Authorization: Bearer TOKEN'"
            return JSONResponse({"detail": detail}, 401, {"WWW-Authenticate": "Bearer"})
        # Another ASGI server sets no peer, and the tests' client has no connection.
        peer: Peer | None = scope.get("state", {}).get(PEER)
        if self._asks_peers and peer is not None and not peer.is_trusted:
            return JSONResponse({"detail": OTHER_USER}, 403)
        # With a token, a page that points its own name here still has no token to send.
        if not self._token and not self._hosts & {host[0], "*"}:
            detail = f"this server does not serve the host {host[0][:100]!r} (see --allow-host)"
            return JSONResponse({"detail": detail}, 421)
        origin = headers.get("origin")
        if origin is not None and not _is_same_origin(origin, host):
            return JSONResponse(
                {"detail": f"pages of {origin[:100]!r} may not use this server"}, 403
            )
        return None

    def _presents_token(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        presented = (
            token if scheme.lower() in ("bearer", "apikey") else headers.get("x-access-token", "")
        )
        return hmac.compare_digest(presented.strip().encode("latin-1"), self._token)


def _split_host(authority: str) -> tuple[str, int | None]:
    """Return name and port of a Host header; an empty name, which no host has, if unreadable."""
    try:
        parts = urlsplit(f"//{authority}")
        return (parts.hostname or "", parts.port)
    except ValueError:
        return ("", None)


def _is_same_origin(origin: str, host: tuple[str, int | None]) -> bool:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    default = {"http": 80, "https": 443}.get(parts.scheme)
    name = parts.hostname or ""
    same_name = name == host[0] or {name, host[0]} <= LOOPBACK_NAMES
    return same_name and default is not None and (port or default) == (host[1] or default)
