"""A backend: a quantum device as Aer simulates it, described for the runner to build.

The API lists backends and puts one into a job's hand-over; ``runner.quantum_backend`` builds it.
"""

from typing import Annotated, Literal

from pydantic import Field

from qiskit_runtime.contract.job import ContractModel

DEFAULT_BACKEND = "aer_simulator"
"""What a job runs on that names no backend."""


class BackendSpec(ContractModel):
    """An Aer device.

    ``fake_device`` names a device of ``qiskit_ibm_runtime.fake_provider`` whose coupling map,
    basis gates and noise it takes over; ``qubits`` None means as many as its memory holds.
    """

    name: str
    description: str
    method: Literal[
        "automatic", "statevector", "density_matrix", "stabilizer", "matrix_product_state"
    ] = "automatic"
    qubits: Annotated[int, Field(ge=1)] | None = None
    fake_device: str | None = None


BACKENDS: tuple[BackendSpec, ...] = (
    BackendSpec(
        name=DEFAULT_BACKEND,
        description="Aer's simulator; it picks the method that suits a circuit.",
    ),
    BackendSpec(
        name="aer_simulator_statevector",
        description="Aer's dense statevector: 16 bytes times 2 to the number of qubits.",
        method="statevector",
    ),
    BackendSpec(
        name="aer_simulator_density_matrix",
        description="Aer's dense density matrix: 16 bytes times 4 to the number of qubits.",
        method="density_matrix",
    ),
    BackendSpec(
        name="aer_simulator_stabilizer",
        description="Aer's stabilizer simulator: Clifford circuits only, with many qubits.",
        method="stabilizer",
    ),
    BackendSpec(
        name="aer_simulator_matrix_product_state",
        description="Aer's matrix product state: many qubits with little entanglement.",
        method="matrix_product_state",
    ),
    BackendSpec(
        name="aer_montreal",
        description="A 27-qubit device: Aer with the coupling map, basis gates and noise"
        " once measured on ibmq_montreal.",
        qubits=27,
        fake_device="FakeMontrealV2",
    ),
)
"""The backends that are always there."""


class UnknownBackend(LookupError):
    """No backend has this name."""


def find_backend(name: str) -> BackendSpec:
    """The backend of this name.

    Raises:
        UnknownBackend: there is none.
    """
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise UnknownBackend(name)
