"""Today's dialect, of the official client: ``main`` mounts it under /api/v1 and /experimental."""

from fastapi import APIRouter

from api.routes.ibm import sessions

PREFIXES = ("/api/v1", "/experimental")
"""The two places: a URL with the second word is used by the official client as it is given."""

router = APIRouter()
router.include_router(sessions.router)
