"""/login and /logout: for people, in a browser.

Without JavaScript, as forms. They are none of the API's operations: its document has them not.
"""

from contextlib import suppress
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import RedirectResponse, Response

from api.accounts.authenticator import AccountsUnavailable
from api.accounts.caller import InstanceRefused
from api.accounts.client_network import read_peer
from api.browser.attempt_bounds import TooManyAttempts
from api.browser.code_flow import LOGIN_SECONDS, LoginFailed, ProviderUnavailable
from api.browser.cookies import LOGIN, SESSION, Cookie, is_secure
from api.browser.login import BrowserLogin, WrongToken, choose_next
from api.browser.pages import HEADERS, make_login_page, make_onward_page
from api.browser.same_origin import is_from_own_page
from api.browser.sessions import SESSION_SECONDS, AccountTooLarge, Session
from api.errors import TooLarge

MAX_FORM_BYTES = 1 << 14
"""The body of a login: a token, and where to go on."""

FORM = "application/x-www-form-urlencoded"

router = APIRouter(include_in_schema=False)


def _login(request: Request) -> BrowserLogin:
    return cast(BrowserLogin, request.app.state.browser_login)


async def _own_form(request: Request) -> dict[str, str]:
    """Return the fields of a form on one of this server's pages.

    Raises:
        HTTPException, TooLarge: it is none.
    """
    if not is_from_own_page(request.headers):
        raise HTTPException(403, "only this server's own pages may send this form")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"the body's Content-Type must be {FORM}")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_FORM_BYTES:
            raise TooLarge(f"body: it is larger than its limit of {MAX_FORM_BYTES} bytes")
    try:
        return dict(parse_qsl(content.decode(), max_num_fields=8))
    except ValueError:
        raise HTTPException(400, "the body is no form") from None


LoginDep = Annotated[BrowserLogin, Depends(_login)]
FormDep = Annotated[dict[str, str], Depends(_own_form)]


@router.get("/login")
async def show_login(
    request: Request,
    login: LoginDep,
    path: Annotated[str, Query(alias="next")] = "",
    out: bool = False,
) -> Response:
    """Show the form, or go on where somebody is logged in or need not be."""
    path = choose_next(path)
    if not login.is_needed or await _find_session(request, login) is not None:
        return _go(path)
    return _ask(login, path, note="You are logged out." if out else "")


@router.post("/login")
async def log_in(request: Request, login: LoginDep, form: FormDep) -> Response:
    """Log in with a token: the cookie of a session, and on to the page that was asked for."""
    path = choose_next(form.get("next", ""))
    if not login.is_needed:
        return _go(path)
    try:
        value = await login.log_in(form.get("token", "").strip(), read_peer(request))
    except REFUSALS as error:
        return _refuse(login, path, error)
    return _let_in(request, _go(path), value)


@router.post("/login/oidc")
async def begin_login(request: Request, login: LoginDep, form: FormDep) -> Response:
    """Lead to the provider, with the cookie of a login that was begun."""
    path = choose_next(form.get("next", ""))
    if login.provider is None:
        raise HTTPException(404)
    try:
        begun = await login.provider.flow.begin(_own_url(request) + "/login/callback", path)
    except ProviderUnavailable as error:
        return _refuse(login, path, error)
    answer = make_onward_page(begun.url)
    Cookie.of(LOGIN, request.scope).set(answer, begun.cookie, LOGIN_SECONDS)
    return answer


@router.get("/login/callback")
async def end_login(request: Request, login: LoginDep) -> Response:
    """Take the provider's answer: the cookie of a session, and on to the page asked for."""
    if login.provider is None:
        raise HTTPException(404)
    begun = Cookie.of(LOGIN, request.scope)
    try:
        value, path = await login.log_in_by_provider(
            begun.read(request.scope), request.query_params, read_peer(request)
        )
    except REFUSALS as error:
        answer = _refuse(login, "/", error)
    else:
        answer = _let_in(request, make_onward_page(path), value)
    begun.set(answer, "", 0)
    return answer


@router.post("/logout", dependencies=[Depends(_own_form)])
async def log_out(request: Request, login: LoginDep) -> Response:
    """End the session, whose cookie is then nobody's, and show the login page."""
    session = await _find_session(request, login)
    if session is not None:
        await login.sessions.end(session)
    answer = _go("/login?out=true" if login.is_needed else "/")
    Cookie.of(SESSION, request.scope).set(answer, "", 0)
    return answer


@router.get("/logout")
async def show_log_out() -> Response:
    """Lead to the page with the button: a link must not log anybody out."""
    return _go("/")


REFUSALS = (
    *(TooManyAttempts, WrongToken, LoginFailed, ProviderUnavailable),
    *(AccountsUnavailable, InstanceRefused, AccountTooLarge),
)
"""The errors that the login page shows."""


def _refuse(login: BrowserLogin, path: str, error: Exception) -> Response:
    match error:
        case TooManyAttempts(seconds=seconds):
            return _ask(login, path, str(error), 429, headers={"Retry-After": str(seconds)})
        case WrongToken():
            text = "This token is not valid. Check that it is whole, and that it was not replaced."
            return _ask(login, path, text, 401, headers={"WWW-Authenticate": "Bearer"})
        case ProviderUnavailable() | AccountsUnavailable():
            return _ask(login, path, str(error), 503, headers={"Retry-After": "5"})
        case AccountTooLarge():
            text = "Your account has more instances than a browser's cookie can hold."
            return _ask(login, path, text, 403)
        case InstanceRefused():
            return _ask(login, path, str(error), 403)
        case _:
            return _ask(login, path, str(error), 400)


async def _find_session(request: Request, login: BrowserLogin) -> Session | None:
    """Return the session of a request to a page that needs none."""
    with suppress(AccountsUnavailable, InstanceRefused):
        return await login.sessions.find(Cookie.of(SESSION, request.scope).read(request.scope))
    return None


def _ask(
    login: BrowserLogin, path: str, error: str = "", status: int = 200, **more: Any
) -> Response:
    provider = login.provider.flow.name if login.provider else ""
    return make_login_page(path, provider=provider, error=error, status=status, **more)


def _go(path: str) -> Response:
    return RedirectResponse(path, 303, HEADERS)


def _let_in(request: Request, answer: Response, value: str) -> Response:
    Cookie.of(SESSION, request.scope).set(answer, value, SESSION_SECONDS)
    return answer


def _own_url(request: Request) -> str:
    """Return this server's address as the browser calls it."""
    scheme = "https" if is_secure(request.scope, request.headers) else "http"
    return request.headers.get("origin") or f"{scheme}://{request.headers.get('host', '')}"
