"""/programs: the programs to run; users upload, change and delete their own here."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from api.bodies import JSON, MULTIPART, RAW, BodyDep, CheckedRoute
from api.dependencies import CallerDep, NonNegative, ParamsCheckDep, ProgramsDep
from api.errors import WITH_BODY, InvalidField, describe
from api.models import (
    ChangedProgramResponse,
    ProgramId,
    ProgramResponse,
    ProgramsResponse,
    UploadedProgramResponse,
)
from api.params_check import ParamsCheck
from api.program_forms import (
    ProgramData,
    ProgramFields,
    ProgramUpload,
    read_fields,
    read_source,
    read_upload,
)
from api.programstore.base import MAX_PROGRAMS, ProgramChange, SourceNotKept
from qiskit_runtime.contract.resources.program import (
    ARCHIVE_SUFFIX,
    Program,
    ProgramMetadata,
)
from qiskit_runtime.contract.schemas.params_schema import SchemaInvalid

PAGE = MAX_PROGRAMS + 50
"""The default page: as many programs as may be uploaded, and a library."""

CHANGES = describe(403, 404, 503, *WITH_BODY)
"""The errors of a change of a program."""

router = APIRouter(tags=["programs"], route_class=CheckedRoute)


def _takes(*kinds: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the OpenAPI of a body that the route reads itself, by content types.

    ``CheckedRoute`` takes these types and no other.
    """
    content = {kind: {"schema": schema} for kind, schema in kinds}
    return {"requestBody": {"required": True, "content": content}}


_BYTES = {"type": "string", "format": "binary"}
_UPLOAD = ProgramUpload.model_json_schema()
_FORM = _UPLOAD | {"properties": {**_UPLOAD["properties"], "data": _BYTES}}
_WHOLE = _takes((JSON, _UPLOAD), (MULTIPART, _FORM))
_FIELDS = _takes((JSON, ProgramFields.model_json_schema()))
_SOURCE = _takes((JSON, ProgramData.model_json_schema()), *((kind, _BYTES) for kind in RAW))


@router.get("/programs", response_model=ProgramsResponse, responses=describe(422, 503))
async def list_programs(
    programs: ProgramsDep,
    limit: NonNegative = PAGE,
    offset: NonNegative = 0,
    name: Annotated[str | None, Query(description="Programs of this name or id.")] = None,
    search: Annotated[
        str | None, Query(description="Programs with this in id, name or description.")
    ] = None,
) -> StreamingResponse:
    """List a page of programs, by id."""
    found = [one for one in await programs.all() if _matches(one, name, search)]
    page = found[offset : offset + limit]
    # Program by program: each may bring schemas of 64 KiB, and other requests wait meanwhile.
    return StreamingResponse(_write_page(page, len(found)), media_type="application/json")


async def _write_page(page: list[Program], total: int) -> AsyncIterator[str]:
    """Write a ``ProgramsResponse`` as JSON."""
    yield '{"programs":['
    for number, program in enumerate(page):
        yield "," * (number > 0) + ProgramResponse.from_program(program).model_dump_json(
            by_alias=True
        )
    yield f'],"count":{total}}}'


def _matches(program: Program, name: str | None, search: str | None) -> bool:
    metadata = program.metadata
    text = f"{program.id}\n{metadata.name}\n{metadata.description}".lower()
    return name in (None, program.id, metadata.name) and (search or "").lower() in text


@router.post("/programs", responses=describe(403, 409, 429, 503, *WITH_BODY), openapi_extra=_WHOLE)
async def upload_program(
    body: BodyDep, programs: ProgramsDep, check: ParamsCheckDep, caller: CallerDep
) -> ProgramId:
    """Upload a new program. Its id is made of its name."""
    fields, source = read_upload(body)
    given, warnings = await _read_metadata(fields, check)
    metadata = ProgramMetadata(**{"description": "", "is_public": False} | given)
    program = await programs.create(metadata, source, caller.instance)
    return ProgramId(id=program.id, warnings=warnings)


@router.get("/programs/{program_id}", responses=describe(404, 503))
async def get_program(
    program_id: str, programs: ProgramsDep
) -> UploadedProgramResponse | ProgramResponse:
    """Return a program; an uploaded one with its source."""
    resolved = await programs.resolve(program_id)
    if resolved.source is None:
        return ProgramResponse.from_program(resolved.program)
    return UploadedProgramResponse.with_source(resolved.program, resolved.source)


@router.patch("/programs/{program_id}", responses=CHANGES, openapi_extra=_FIELDS)
async def change_metadata(
    program_id: str, body: BodyDep, programs: ProgramsDep, check: ParamsCheckDep
) -> ChangedProgramResponse:
    """Change an uploaded program's metadata: name, description, cost, visibility, spec."""
    given, warnings = await _read_metadata(read_fields(body), check)
    return await _change(programs, program_id, ProgramChange(given), warnings)


@router.put("/programs/{program_id}", responses=CHANGES, openapi_extra=_WHOLE)
async def change_program(
    program_id: str, body: BodyDep, programs: ProgramsDep, check: ParamsCheckDep
) -> ChangedProgramResponse:
    """Change an uploaded program's metadata and source at once; omitted fields stay."""
    fields, source = read_upload(body)
    given, warnings = await _read_metadata(fields, check)
    return await _change(programs, program_id, ProgramChange(given, source), warnings)


@router.put("/programs/{program_id}/data", responses=CHANGES, openapi_extra=_SOURCE)
async def change_source(
    program_id: str, body: BodyDep, programs: ProgramsDep
) -> ChangedProgramResponse:
    """Change an uploaded program's source; a different source increments its version."""
    source = read_source(body)
    return await _change(programs, program_id, ProgramChange(source=source), [])


@router.get(
    "/programs/{program_id}/data",
    responses=describe(404, 503) | {200: {"content": {kind: {"schema": _BYTES} for kind in RAW}}},
    response_class=Response,
)
async def get_source(program_id: str, programs: ProgramsDep) -> Response:
    """Return an uploaded program's source, byte for byte. Library programs have none here."""
    source = await programs.read_source(program_id)
    if source is None:
        raise SourceNotKept(program_id)
    kind = RAW[source.suffix != ARCHIVE_SUFFIX]
    # No browser may take it for a page, whatever its text is.
    return Response(source.data, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})


@router.put("/programs/{program_id}/public", status_code=204, responses=CHANGES)
async def make_public(program_id: str, programs: ProgramsDep) -> None:
    """Make an uploaded program visible to everybody."""
    await programs.update(program_id, ProgramChange({"is_public": True}))


@router.put("/programs/{program_id}/private", status_code=204, responses=CHANGES)
async def make_private(program_id: str, programs: ProgramsDep) -> None:
    """Make an uploaded program visible to its instance alone, where there are accounts."""
    await programs.update(program_id, ProgramChange({"is_public": False}))


@router.delete("/programs/{program_id}", status_code=204, responses=CHANGES)
async def delete_program(program_id: str, programs: ProgramsDep) -> None:
    """Delete an uploaded program. Jobs that were posted for it still run."""
    await programs.delete(program_id)


async def _read_metadata(
    fields: ProgramFields, check: ParamsCheck
) -> tuple[dict[str, Any], list[str]]:
    """Return the metadata that was given, and warnings about what was translated in it.

    Raises:
        InvalidField: a schema can't be used; it is named.
    """
    given, warnings = fields.to_metadata()
    if "spec" in given and (schema := given["spec"].parameters):
        try:
            await check.check_schema(schema)
        except SchemaInvalid as error:
            place = ("body", "spec", "parameters")
            raise InvalidField(place, f"spec.parameters: {error}") from None
    return given, warnings


async def _change(
    programs: ProgramsDep, program_id: str, change: ProgramChange, warnings: list[str]
) -> ChangedProgramResponse:
    changed = await programs.update(program_id, change)
    return ChangedProgramResponse.with_warnings(changed, warnings)
