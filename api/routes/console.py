"""/ and /console: the pages of the console, for people in a browser.

They are none of the API's operations: its document has them not.
"""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.responses import Response

from api.browser.login import BROWSER_SESSION
from api.browser.sessions import Session
from api.console import ConsolePage, read_assets
from api.dependencies import CallerDep

ASSETS, PAGE = read_assets(), ConsolePage()

router = APIRouter(include_in_schema=False)


def _session(request: Request) -> Session | None:
    return cast(Session | None, getattr(request.state, BROWSER_SESSION, None))


@router.get("/")
async def show_console(
    request: Request, caller: CallerDep, session: Annotated[Session | None, Depends(_session)]
) -> Response:
    """Show people the console; for programs there is nothing here."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(404)
    return PAGE.answer(caller.name, has_session=session is not None)


@router.get("/console/{path:path}")
async def get_asset(path: str, request: Request) -> Response:
    """Return a file that the console's page loads."""
    if (asset := ASSETS.get(path)) is None:
        raise HTTPException(404)
    return asset.answer(request.headers)
