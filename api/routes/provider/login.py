"""The login of the client of 2021: the account of a token, its instances, the runtime's address."""

from collections import defaultdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field, StringConstraints

from api.accounts.authenticator import MAX_CREDENTIAL_CHARACTERS
from api.bodies import OpenRoute
from api.browser.cookies import is_secure
from api.dependencies import AuthenticatorDep, CallerDep
from api.routes.ibm.errors import describe
from api.routes.ibm.identity import count_exchange
from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE

RUNTIME = "/runtime"
"""The place of the runtime beside the login."""

router = APIRouter(tags=["qiskit-ibmq-provider"], route_class=OpenRoute)


class Login(BaseModel):
    """The token of an account."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CREDENTIAL_CHARACTERS)] = (
        Field(alias="apiToken")
    )


class AccessToken(BaseModel):
    """The token that all other requests bring in ``X-Access-Token``."""

    id: str


@router.get("/version")
async def get_version() -> dict[str, Any]:
    """Return that this is the API which the client knows; it asks before it logs in."""
    return {"new_api": True, "api-auth": "0.1"}


@router.post("/users/loginWithToken", responses=describe(400, 401, 413, 415, 429, 503))
async def log_in(request: Request, login: Login, authenticator: AuthenticatorDep) -> AccessToken:
    """Return the token itself, if it is an account's: it is presented with each request."""
    count_exchange(request)
    if await authenticator.authenticate(login.token) is None:
        raise HTTPException(401, "apiToken: no account has this token")
    return AccessToken(id=login.token)


@router.get("/users/me", responses=describe(401))
async def get_user(request: Request, caller: CallerDep) -> dict[str, Any]:
    """Return where the services are: under the address that the client has used."""
    # A proxy that ends TLS says so; the answer goes to nobody else.
    scheme = "https" if is_secure(request.scope, request.headers) else "http"
    base = f"//{request.url.netloc}{request.url.path.removesuffix('/users/me')}"
    urls = {
        "http": f"{scheme}:{base}",
        "ws": f"{scheme.replace('http', 'ws')}:{base}",
        "services": {"runtime": f"{scheme}:{base}{RUNTIME}"},
    }
    return {"id": caller.name, "username": caller.name, "urls": urls}


@router.get("/Network", responses=describe(401))
async def list_instances(caller: CallerDep) -> list[dict[str, Any]]:
    """List the account's instances, hub by hub; the first is its default."""
    instances = caller.instances or (DEFAULT_INSTANCE,)
    hubs: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for instance in instances:
        project = {"name": instance.project, "isDefault": instance == instances[0]}
        hubs[instance.hub][instance.group][instance.project] = project
    return [
        {
            "name": hub,
            "groups": {
                group: {"name": group, "projects": projects} for group, projects in groups.items()
            },
        }
        for hub, groups in hubs.items()
    ]
