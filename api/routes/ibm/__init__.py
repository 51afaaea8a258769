"""Today's dialect, of the official client: ``main`` mounts it under /api/v1 and /experimental."""

from fastapi import APIRouter

from api.routes.ibm import account, backends, discovery, jobs, sessions
from api.routes.ibm.errors import describe

PREFIXES = ("/api/v1", "/experimental")
"""The two places: a URL with the second word is used by the official client as it is given."""

router = APIRouter(responses=describe(401, 403, 421))
for part in (jobs, account, backends, sessions):
    router.include_router(part.router)

root_router = APIRouter()
"""The services beside the API, which the official client is given the addresses of."""
root_router.include_router(discovery.router)
