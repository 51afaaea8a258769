"""The dialect of the 2021 test server, at the root, without its bugs and its limits."""

from fastapi import APIRouter

from api.routes.root import backends, jobs, programs, stream, system

router = APIRouter()
for part in (jobs, programs, backends, stream, system):
    router.include_router(part.router)
