"""/livez and /readyz: the probes of Kubernetes. They need no token, and answer yes or no alone."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from api.dependencies import JobStoreDep, ProgramsDep

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def is_alive() -> PlainTextResponse:
    """Answer that the process serves."""
    return PlainTextResponse("ok")


@router.get("/readyz")
async def is_ready(store: JobStoreDep, programs: ProgramsDep) -> PlainTextResponse:
    """Answer whether this server's answers are up to date."""
    if store.is_ready and programs.is_ready:
        return PlainTextResponse("ok")
    return PlainTextResponse("not ready", 503)
