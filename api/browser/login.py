"""Logging in, and being known: what ``auth`` and the routes ask of this room."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Scope, Send

from api.accounts.authenticator import Authenticator
from api.accounts.caller import Caller
from api.accounts.identity_tokens import IdentityToken
from api.browser.attempt_bounds import AttemptBounds
from api.browser.code_flow import CodeFlow, LoginFailed
from api.browser.cookies import SESSION, Cookie
from api.browser.pages import UNFRAMED, make_onward_page
from api.browser.same_origin import is_from_other_page, is_from_own_page
from api.browser.sessions import SESSION_SECONDS, Session, Sessions

LOGIN_PATHS = frozenset({"/login", "/login/oidc", "/login/callback", "/logout"})
"""The paths that need no credential: they are for those who have none yet, or none any more."""

PAGES = frozenset({"/", "/docs", "/redoc", "/openapi.json"})
"""The paths that people open; a link from another site leads there, and nowhere else."""

BROWSER_SESSION = "browser_session"
"""The name of the request's state that holds the ``Session``, where there is one."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_PATH = re.compile(r"/(?![/\\])[!-~]*")
"""A path of this server, which no browser takes for another host."""


class ForeignPage(Exception):
    """A page of another origin makes the request, or it may be one; the text says so."""


class WrongToken(Exception):
    """The credential is nobody's."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The OpenID provider at which people log in.

    ``open_session`` makes an identity token of an account that the provider has just named: a
    session outlives the provider's own token, which is often one of minutes.
    """

    flow: CodeFlow
    open_session: Callable[[Caller, int], IdentityToken]


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """The logins of one server."""

    authenticator: Authenticator
    sessions: Sessions
    provider: Provider | None = None
    bounds: AttemptBounds = field(default_factory=AttemptBounds)

    @property
    def is_needed(self) -> bool:
        """Return whether this server asks for a credential at all."""
        return self.authenticator.needs_credential

    async def close(self) -> None:
        """Disconnect from other servers."""
        await self.sessions.close()
        if self.provider is not None:
            await self.provider.flow.close()

    async def find_session(self, scope: Scope) -> Session | None:
        """Return the session of a request whose only credential is a cookie.

        Raises:
            ForeignPage: a browser may have sent the cookie unasked.
            AccountsUnavailable, InstanceRefused: as ``Authenticator`` says.
        """
        session = await self.sessions.find(Cookie.of(SESSION, scope).read(scope))
        if session is not None:
            _check_page(scope)
        return session

    async def log_in(self, credential: str, peer: str) -> str:
        """Return the cookie's value of a new session.

        Raises:
            TooManyAttempts, WrongToken: it is not given one.
            AccountsUnavailable, InstanceRefused: as ``Authenticator`` says.
        """
        with self.bounds.attempt(peer, WrongToken):
            value = await self.sessions.open(credential)
            if value is None:
                raise WrongToken
            return value

    async def log_in_by_provider(
        self, begun: str, answer: Mapping[str, str], peer: str
    ) -> tuple[str, str]:
        """Return the cookie's value of a new session, and the path to go on to.

        ``begun`` is the cookie of the login's beginning, ``answer`` what the provider's redirect
        brings.

        Raises:
            TooManyAttempts, LoginFailed, ProviderUnavailable: it is not given one.
            AccountsUnavailable, InstanceRefused: as ``Authenticator`` says.
        """
        assert self.provider is not None, "the route asks first"
        flow = self.provider.flow
        # An image on another site's page can lead here; that is no guess of this person's.
        flow.check_begun(begun, answer)
        with self.bounds.attempt(peer, LoginFailed):
            ended = await flow.end(begun, answer)
            caller = await self.authenticator.authenticate(ended.id_token)
            if caller is None:
                raise LoginFailed(f"the token of {flow.name} is not valid here")
            token = self.provider.open_session(caller, SESSION_SECONDS)
            return self.sessions.wrap(token), ended.next_path


def _check_page(scope: Scope) -> None:
    """Refuse what a page of another origin may have the browser send with its cookie (CSRF).

    A request that may change something, and a websocket, need the browser's word that the page is
    this server's. Reading needs that there is no word against it; only pages are open to links.
    """
    headers = Headers(scope=scope)
    if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
        is_refused = is_from_other_page(headers) and scope["path"] not in PAGES
    else:
        is_refused = not is_from_own_page(headers)
    if is_refused:
        raise ForeignPage(
            "with the login's cookie alone, only this server's own pages may do this: the browser"
            " has to name one in Origin or Sec-Fetch-Site"
        )


def choose_next(path: str) -> str:
    """Return the path of this server to go on to; the first page where the text is none."""
    return path if _PATH.fullmatch(path) and "\\" not in path else "/"


def lead_to_login(scope: Scope) -> Response | None:
    """Return the answer to a person who opens a page without a credential; None for programs.

    Whoever follows a link from another site comes without the cookie at first, as it is of the kind
    SameSite=Strict: that page opens itself again.
    """
    headers = Headers(scope=scope)
    is_page = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PAGES
    if not is_page or "text/html" not in headers.get("accept", "") or "authorization" in headers:
        return None
    query = scope.get("query_string", b"").decode("latin-1")
    path = choose_next(scope["path"] + (f"?{query}" if query else ""))
    if headers.get("sec-fetch-site") == "cross-site":
        return make_onward_page(path)
    to_login = f"/login?next={quote(path, safe='')}"
    return RedirectResponse(to_login, 303, UNFRAMED | {"Cache-Control": "no-store"})


def keep_unframed(send: Send) -> Send:
    """Return a ``send`` that forbids other pages to have this one in a frame."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(UNFRAMED)
        await send(message)

    return send_unframed
