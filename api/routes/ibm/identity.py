"""/identity/token: a key is exchanged for a token, as at the identity service of IBM Cloud.

The official client asks here (``IAM_URL``) before its first request, and again before its token
ends. It asks without authentication, so this is bounded as all that comes before it.
"""

import time
from urllib.parse import parse_qs

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.accounts.limits import LimitReached
from api.bodies import BodyDep, CheckedRoute
from api.dependencies import AuthenticatorDep, IdentityRateDep
from api.errors import TooLarge

FORM = "application/x-www-form-urlencoded"

API_KEY = "urn:ibm:params:oauth:grant-type:apikey"
"""The one kind of grant: a key, which is a token of this server or of its OpenID issuer."""

MAX_FORM_BYTES = 2**15
"""A key in percent-encoding, and what is around it."""

_BAD_REQUEST = "BXNIM0109E"
"""The code of a request that lacks something, at IBM Cloud."""

router = APIRouter(tags=["identity"], route_class=CheckedRoute, include_in_schema=False)


@router.post("/identity/token", openapi_extra={"requestBody": {"content": {FORM: {"schema": {}}}}})
async def issue_token(
    body: BodyDep, authenticator: AuthenticatorDep, rate: IdentityRateDep
) -> JSONResponse:
    """Return an identity token for a key; a wrong one gets a token that opens nothing."""
    if wait := rate.take(time.monotonic()):
        raise LimitReached("too many tokens are asked for just now; try again", 1 + int(wait))
    if len(body.content) > MAX_FORM_BYTES:
        raise TooLarge(f"body: it is larger than its limit of {MAX_FORM_BYTES} bytes")
    form = parse_qs(body.content.decode(errors="replace"))
    grant, key = (form.get(name, [""])[0] for name in ("grant_type", "apikey"))
    if grant != API_KEY or not key:
        return _refuse(f"grant_type must be {API_KEY}, and apikey a key")
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


def _refuse(detail: str) -> JSONResponse:
    """Return a refusal that clients of IBM Cloud and all others can read."""
    fields = {"errorCode": _BAD_REQUEST, "errorMessage": detail, "detail": detail}
    return JSONResponse(fields, 400)
