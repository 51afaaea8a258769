"""Authentication: one default-deny layer before every route and the websocket.

It reads the credential of a request, and an ``Authenticator`` says whose it is. Where none is asked
for, only processes of the server's own user and of root are served, as the system reports the owner
of their connections (see ``peers``), and only under loopback names, so that a page of another site
can't reach this server by a name that it points here (DNS rebinding). Either way a browser's page
of another origin is refused; localhost, 127.0.0.1 and [::1] are one origin.
"""

from collections.abc import Hashable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from api.accounts.admissions import Admissions, note_admission
from api.accounts.authenticator import (
    MAX_CREDENTIAL_CHARACTERS,
    AccountsUnavailable,
    Authenticator,
)
from api.accounts.caller import CALLER, NOBODY, Caller, InstanceRefused
from api.browser.login import (
    BROWSER_SESSION,
    LOGIN_PATHS,
    PAGES,
    BrowserLogin,
    ForeignPage,
    keep_unframed,
    lead_to_login,
)
from api.browser.same_origin import (
    LOOPBACK_NAMES,
    is_from_other_page,
    is_own_origin,
    split_host,
)
from api.peers import PEER, Peer
from api.settings import ApiSettings

OTHER_USER = (
    "without a token this server serves only the user who started it, and root, and it can't see"
    " that this connection is theirs: start it with a token (RUNTIME_TOKEN), or with"
    " --allow-anonymous for every user of this machine"
)
"""The answer to another user of the machine."""

NO_CREDENTIAL = "a token is needed: send the header 'Authorization: Bearer TOKEN'"
"""The answer to a request that brings none, or the cookie of a login that has ended."""

WRONG_CREDENTIAL = "this token is not valid: it is wrong, has expired, or was withdrawn"
"""The answer to a request whose token is nobody's."""

PROBES = ("/livez", "/readyz")
"""The paths that a kubelet asks without a token; the answer is yes or no, and nothing else."""

OPEN_PATHS = LOGIN_PATHS | {"/identity/token", "/api/version", "/api/users/loginWithToken"}
"""The paths that need no credential, as one is got there. All the other checks hold for them."""

STATIC_PATH = "/static-offline-docs/"
"""The assets of /docs and /redoc, which are the same for everybody."""

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing, so that a viewer may use them."""

READING_POSTS = frozenset({"/v3/resources/search"})
"""The paths of searches, which are posted."""


class Refusal(Exception):
    """A request may not pass."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


class AuthMiddleware:
    """ASGI middleware: answers 401, 403, 421 or 503 itself, else passes on."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ApiSettings,
        authenticator: Authenticator,
        browser_login: BrowserLogin,
        admissions: Admissions,
    ) -> None:
        self._app, self._admissions = app, admissions
        self._authenticator, self._browser_login = authenticator, browser_login
        self._is_guarded = authenticator.needs_credential
        self._asks_peers = not self._is_guarded and not settings.allow_anonymous
        self._hosts = LOOPBACK_NAMES | {host.lower() for host in settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if not scope["path"].startswith(STATIC_PATH):
            send = keep_private(send)
        try:
            caller = await self._admit(scope, Headers(scope=scope))
        except Refusal as refusal:
            await _answer(refusal, scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state[CALLER] = caller
        if scope["type"] == "websocket" and self._is_guarded:
            with self._admissions.hold(
                _name_caller(scope), lambda: self._still_admits(scope, caller)
            ) as withdrawn:
                note_admission(state, withdrawn)
                await self._app(scope, receive, send)
            return
        await self._app(scope, receive, keep_unframed(send) if scope["path"] in PAGES else send)

    async def _still_admits(self, scope: Scope, caller: Caller) -> bool:
        """Return whether a connection would be admitted now, to no less than when it came."""
        try:
            now = await self._admit(scope, Headers(scope=scope))
        except Refusal as refusal:
            # Nobody can tell just now: an issuer that is away ends nothing.
            return refusal.status >= 500
        return now.covers(caller)

    async def _admit(self, scope: Scope, headers: Headers) -> Caller:
        """Return who makes the request, or raise Refusal."""
        is_open = scope["path"] in OPEN_PATHS
        caller = NOBODY if is_open else await self._identify(scope, headers)
        self._check_connection(scope, headers)
        if is_open:
            return NOBODY
        if not caller.may_change and not _reads_only(scope):
            raise Refusal(403, f"the account {caller.name} may look, and change nothing")
        try:
            return caller.choose(headers.get("service-crn", ""))
        except InstanceRefused as refused:
            raise Refusal(403, str(refused)) from None

    async def _identify(self, scope: Scope, headers: Headers) -> Caller:
        """Return the account of the request's credential."""
        credential = read_credential(headers)
        try:
            caller = await self._find_caller(scope, credential)
        except (InstanceRefused, ForeignPage) as refused:
            raise Refusal(403, str(refused)) from None
        except AccountsUnavailable as error:
            raise Refusal(503, str(error), {"Retry-After": "5"}) from None
        if caller is None:
            detail = WRONG_CREDENTIAL if credential else NO_CREDENTIAL
            raise Refusal(401, detail, {"WWW-Authenticate": "Bearer"})
        return caller

    async def _find_caller(self, scope: Scope, credential: str) -> Caller | None:
        """Return whose the credential is; where there is none, whose browser it is."""
        if credential or not self._is_guarded:
            return await self._authenticator.authenticate(credential)
        session = await self._browser_login.find_session(scope)
        if session is None:
            return None
        scope.setdefault("state", {})[BROWSER_SESSION] = session
        return session.caller

    def _check_connection(self, scope: Scope, headers: Headers) -> None:
        """Refuse other users of this machine, names that are not ours, and pages of others."""
        host, _ = split_host(headers.get("host", ""))
        # Another ASGI server sets no peer, and the tests' client has no connection.
        peer: Peer | None = scope.get("state", {}).get(PEER)
        if self._asks_peers and peer is not None and not peer.is_trusted:
            raise Refusal(403, OTHER_USER)
        # With a token, a page that points its own name here still has no token to send.
        if not self._is_guarded and not self._hosts & {host, "*"}:
            detail = f"this server does not serve the host {host[:100]!r} (see --allow-host)"
            raise Refusal(421, detail)
        origin = headers.get("origin")
        if origin is not None and not is_own_origin(origin, headers):
            raise Refusal(403, f"pages of {origin[:100]!r} may not use this server")
        # A page's image or script names no origin, and its request would be that of a user here.
        if not self._is_guarded and scope["path"] not in PAGES and is_from_other_page(headers):
            raise Refusal(403, "pages of other origins may not use this server")


def keep_private(send: Send) -> Send:
    """Return a ``send`` by which no answer stays in a cache, or is taken for another type.

    Answers are those of one account; caches know that of ``Authorization`` alone, and not of
    cookies and ``X-Access-Token``. A route's own Cache-Control stays.
    """

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("X-Content-Type-Options", "nosniff")
        await send(message)

    return send_private


def read_credential(headers: Headers) -> str:
    """Return the credential that a request brings, or an empty text."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    presented = (
        token if scheme.lower() in ("bearer", "apikey") else headers.get("x-access-token", "")
    )
    return presented.strip() if len(presented) <= MAX_CREDENTIAL_CHARACTERS else ""


def _name_caller(scope: Scope) -> Hashable:
    """Return what tells callers apart: all that a request says of who makes it, and for whom."""
    headers = Headers(scope=scope)
    return read_credential(headers), headers.get("cookie"), headers.get("service-crn")


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    response: Response = JSONResponse({"detail": refusal.detail}, refusal.status, refusal.headers)
    if refusal.status == 401:
        response = lead_to_login(scope) or response
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


def _reads_only(scope: Scope) -> bool:
    """Return whether the request changes nothing. A websocket only listens."""
    method = scope.get("method", "GET")
    return method in READING_METHODS or scope["path"] in READING_POSTS
