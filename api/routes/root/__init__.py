"""The dialect of the 2021 test server, at the root, without its bugs and its limits."""

from fastapi import APIRouter

from api.routes.root import backends, jobs, programs, stream

router = APIRouter()
for part in (jobs, programs, backends, stream):
    router.include_router(part.router)
