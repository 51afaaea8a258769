"""The devices of an instance, each with the documents that today's dialect has."""

from typing import Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import Response

from api.dependencies import BackendReportsDep, BackendsDep, CallerDep
from api.routes.ibm.errors import describe
from qiskit_runtime.contract.resources.instance import Instance


def _check_instance(hub: str, group: str, project: str, caller: CallerDep) -> None:
    if not caller.may_use(Instance(hub, group, project)):
        raise HTTPException(404)


router = APIRouter(
    prefix="/Network/{hub}/Groups/{group}/Projects/{project}/devices",
    tags=["qiskit-ibmq-provider"],
    dependencies=[Depends(_check_instance)],
)


@router.get("/v/1", response_model=list[dict[str, Any]], responses=describe(404, 503))
async def list_devices(backends: BackendsDep, reports: BackendReportsDep) -> Response:
    """List the configurations of all backends whose jobs can run."""
    runnable = [one for one in await backends.all() if not (await reports.summary(one)).flaw]
    documents = [(await reports.documents(one)).configuration for one in runnable]
    return _send(b"[" + b",".join(documents) + b"]")


@router.get("/{name}/properties", response_model=dict[str, Any], responses=describe(404, 503))
async def get_properties(name: str, backends: BackendsDep, reports: BackendReportsDep) -> Response:
    """Return the times and errors of a device's qubits and gates; a simulator has none."""
    return _send((await reports.documents(await backends.get(name))).properties)


@router.get("/{name}/queue/status", responses=describe(404, 503))
async def get_status(
    name: str, backends: BackendsDep, reports: BackendReportsDep
) -> dict[str, Any]:
    """Return whether a backend runs jobs, and the number of those that wait."""
    summary = await reports.summary(await backends.get(name))
    return {
        "state": not summary.flaw,
        "status": "offline" if summary.flaw else "active",
        "lengthQueue": reports.queues().get(name, 0),
        "backend_version": summary.version,
    }


def _send(document: bytes) -> Response:
    return Response(document, media_type="application/json")
