"""/programs: what can be run."""

from fastapi import APIRouter

from api.dependencies import CatalogDep
from api.errors import describe
from api.models import ProgramResponse, ProgramsResponse

router = APIRouter(tags=["programs"])


@router.get("/programs")
async def list_programs(catalog: CatalogDep) -> ProgramsResponse:
    """All programs."""
    return ProgramsResponse(programs=[ProgramResponse.of(program) for program in catalog.all()])


@router.get("/programs/{program_id}", responses=describe(404))
async def get_program(program_id: str, catalog: CatalogDep) -> ProgramResponse:
    """One program."""
    return ProgramResponse.of(catalog.get(program_id))
