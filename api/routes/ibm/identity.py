"""/identity/token: a key is exchanged for a token, as at the identity service of IBM Cloud.

The official client asks here (``IAM_URL``) before its first request, and again before its token
ends. It asks without authentication, so this is bounded as all that comes before it.
"""

import time
from typing import cast
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.accounts.client_network import read_network
from api.accounts.limits import LimitReached, Rates
from api.bodies import BodyDep, OpenRoute
from api.dependencies import AuthenticatorDep

FORM = "application/x-www-form-urlencoded"

API_KEY = "urn:ibm:params:oauth:grant-type:apikey"
"""The one kind of grant: a key, which is a token of this server or of its OpenID issuer."""

_BAD_REQUEST = "BXNIM0109E"
"""The code of a request that lacks something, at IBM Cloud."""

router = APIRouter(tags=["identity"], route_class=OpenRoute, include_in_schema=False)


@router.post("/identity/token", openapi_extra={"requestBody": {"content": {FORM: {"schema": {}}}}})
async def issue_token(
    request: Request, body: BodyDep, authenticator: AuthenticatorDep
) -> JSONResponse:
    """Return an identity token for a key; a wrong one gets a token that opens nothing."""
    form = parse_qs(body.content.decode(errors="replace"))
    grant, key = (form.get(name, [""])[0] for name in ("grant_type", "apikey"))
    if grant != API_KEY or not key:
        return _refuse(f"grant_type must be {API_KEY}, and apikey a key")
    count_exchange(request)
    token = await authenticator.issue(key)
    return JSONResponse(
        {
            "access_token": token.text,
            # The official client never uses it: it sends its key again.
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": token.expires - token.issued,
            "expiration": token.expires,
            "scope": "ibm openid",
        },
        headers={"Cache-Control": "no-store"},
    )


def count_exchange(request: Request) -> None:
    """Count a key that is exchanged for a token, for the network that it comes from.

    Raises:
        LimitReached: there were too many just now.
    """
    rates = cast(Rates, request.app.state.identity_rates)
    if wait := rates.take(read_network(request), time.monotonic()):
        raise LimitReached("too many log in from your network just now; try again", 1 + int(wait))


def _refuse(detail: str) -> JSONResponse:
    """Return a refusal that clients of IBM Cloud and all others can read."""
    fields = {"errorCode": _BAD_REQUEST, "errorMessage": detail, "detail": detail}
    return JSONResponse(fields, 400)
