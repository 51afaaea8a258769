"""/backends: what a program can run on."""

from fastapi import APIRouter

from api.models import BackendsResponse
from qiskit_runtime.contract.backend import BACKENDS

router = APIRouter(tags=["backends"])


@router.get("/backends")
async def list_backends() -> BackendsResponse:
    """All backends."""
    return BackendsResponse(backends=list(BACKENDS))
