"""/backends: the simulated devices that a program can run on."""

from fastapi import APIRouter

from api.dependencies import BackendsDep
from api.errors import describe
from api.models import BackendsResponse
from qiskit_runtime.contract.resources.backend import BackendSpec

router = APIRouter(tags=["backends"])


@router.get("/backends", responses=describe(503))
async def list_backends(backends: BackendsDep) -> BackendsResponse:
    """List all backends."""
    return BackendsResponse(backends=await backends.all())


@router.get("/backends/{name}", responses=describe(404, 503))
async def get_backend(name: str, backends: BackendsDep) -> BackendSpec:
    """Return a backend: method, qubits, coupling map, basis gates, noise and seed policy."""
    return await backends.get(name)
