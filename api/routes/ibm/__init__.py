"""Today's dialect, of the official client: ``main`` mounts it under /api/v1 and /experimental."""

from fastapi import APIRouter

from api.routes.ibm import account, backends, discovery, identity, jobs, sessions, stream
from api.routes.ibm.errors import describe
from api.routes.root import programs

PREFIXES = ("/api/v1", "/experimental")
"""The two places: a URL with the second word is used by the official client as it is given."""

router = APIRouter(responses=describe(401, 403, 421))
for part in (jobs, account, backends, sessions, stream):
    router.include_router(part.router)
# Its clients of 2021 to 2023 ask for programs as the root's clients do: see there in the document.
router.include_router(programs.router, include_in_schema=False)

root_router = APIRouter()
"""The services beside the API, which the official client is given the addresses of."""
for part in (discovery, identity):
    root_router.include_router(part.router)
