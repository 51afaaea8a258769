"""/backends of today's dialect: what the official client builds its backends and targets from."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from api.backend_reports import NOTHING, Summary
from api.backendstore.base import UnknownCalibration
from api.dependencies import BackendReportsDep, BackendsDep
from api.routes.ibm.errors import describe
from api.routes.ibm.versions import BACKENDS_AS_OBJECTS, api_version

CalibrationId = Annotated[str | None, Query(description="No backend has calibrations by id.")]
UpdatedBefore = Annotated[
    datetime | None, Query(description="Properties that are not older are left out.")
]
VersionDep = Annotated[date | None, Depends(api_version)]

router = APIRouter(tags=["backends"])


class DeviceStatus(BaseModel):
    """The state of a backend: offline where its jobs can't run, with the reason."""

    name: Literal["online", "offline"]
    reason: str


class DeviceResponse(BaseModel):
    """A backend in the list."""

    name: str
    status: DeviceStatus
    is_simulator: bool
    qubits: int
    physical_qubits: int
    queue_length: int = Field(description="The number of its queued jobs.")
    processor_type: dict[str, Any] | None


class DevicesResponse(BaseModel):
    """All backends: objects, or names for a client of before 2025-05-01."""

    devices: list[DeviceResponse] | list[str]


class StatusResponse(BaseModel):
    """The state of a backend and its queue."""

    backend_name: str
    backend_version: str
    state: bool
    status: Literal["active", "offline"]
    message: str
    length_queue: int


@router.get("/backends", responses=describe(400, 503))
async def list_backends(
    backends: BackendsDep, reports: BackendReportsDep, asked: VersionDep
) -> DevicesResponse:
    """List all backends."""
    found = await backends.all()
    if asked is None or asked < BACKENDS_AS_OBJECTS:
        return DevicesResponse(devices=[backend.name for backend in found])
    queues = reports.queues()
    return DevicesResponse(
        devices=[
            _describe(backend.name, await reports.summary(backend), queues.get(backend.name, 0))
            for backend in found
        ]
    )


def _describe(name: str, summary: Summary, queue_length: int) -> DeviceResponse:
    status = DeviceStatus(name="online", reason="available")
    if summary.flaw:
        status = DeviceStatus(name="offline", reason=summary.flaw)
    return DeviceResponse(
        name=name,
        status=status,
        is_simulator=summary.is_simulator,
        qubits=summary.qubits,
        physical_qubits=summary.qubits,
        queue_length=queue_length,
        processor_type=summary.processor and dict(summary.processor),
    )


@router.get(
    "/backends/{name}/configuration", response_model=dict[str, Any], responses=describe(404, 503)
)
async def get_configuration(
    name: str,
    backends: BackendsDep,
    reports: BackendReportsDep,
    calibration_id: CalibrationId = None,
) -> Response:
    """Return a backend's qubits, gates and connections."""
    backend = await backends.get(name)
    _refuse_calibration(calibration_id)
    return _send((await reports.documents(backend)).configuration)


@router.get(
    "/backends/{name}/properties",
    response_model=dict[str, Any],
    responses=describe(400, 404, 503),
)
async def get_properties(
    name: str,
    backends: BackendsDep,
    reports: BackendReportsDep,
    calibration_id: CalibrationId = None,
    updated_before: UpdatedBefore = None,
) -> Response:
    """Return the times and errors of a device's qubits and gates; a simulator has none."""
    backend = await backends.get(name)
    _refuse_calibration(calibration_id)
    if updated_before is not None and updated_before.tzinfo is None:
        updated_before = updated_before.replace(tzinfo=UTC)
    return _send((await reports.documents(backend)).properties_before(updated_before))


@router.get(
    "/backends/{name}/defaults", response_model=dict[str, Any], responses=describe(404, 503)
)
async def get_defaults(name: str, backends: BackendsDep) -> Response:
    """Return a backend's pulses, which clients of before April 2025 ask for: there are none."""
    await backends.get(name)
    return _send(NOTHING)


@router.get("/backends/{name}/status", responses=describe(404, 503))
async def get_status(
    name: str, backends: BackendsDep, reports: BackendReportsDep
) -> StatusResponse:
    """Return whether a backend runs jobs, and the number of those that wait."""
    backend = await backends.get(name)
    summary, queues = await reports.summary(backend), reports.queues()
    return StatusResponse(
        backend_name=name,
        backend_version=summary.version,
        state=not summary.flaw,
        status="offline" if summary.flaw else "active",
        message=summary.flaw or "available",
        length_queue=queues.get(name, 0),
    )


def _refuse_calibration(calibration_id: str | None) -> None:
    if calibration_id is not None:
        raise UnknownCalibration(calibration_id)


def _send(document: bytes) -> Response:
    return Response(document, media_type="application/json")
