"""/livez and /readyz: what Kubernetes asks. They need no token, and say nothing but yes or no."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from api.dependencies import JobStoreDep, ProgramsDep

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def is_alive() -> PlainTextResponse:
    """The process serves."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(store: JobStoreDep, programs: ProgramsDep) -> PlainTextResponse:
    """What it would answer is true just now."""
    if store.is_ready and programs.is_ready:
        return PlainTextResponse("ok")
    return PlainTextResponse("not ready", 503)
