"""Today's dialect, of the official client: ``main`` mounts it under /api/v1 and /experimental."""

from fastapi import APIRouter

from api.routes.ibm import stream
from api.routes.root import programs

PREFIXES = ("/api/v1", "/experimental")
"""The two places: a URL with the second word is used by the official client as it is given."""

router = APIRouter()
# The official clients of 2021 to 2023 ask for programs as the root's clients do.
for part in (stream, programs):
    router.include_router(part.router)
