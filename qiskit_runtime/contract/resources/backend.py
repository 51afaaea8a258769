"""A backend: a quantum device as Aer simulates it, described for the runner to build.

Some are built in; others are RuntimeBackends (``k8s/crds/runtimebackends.yaml``): resources of
the cluster, or in local mode documents of the same form in a file. The API lists them, a job's
input holds one, and ``runner.quantum_backend`` builds it. Pure.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from qiskit_runtime.contract.resources.job import ContractModel
from qiskit_runtime.contract.resources.resource import API_VERSION, MAX_NAME_LENGTH, is_name

DEFAULT_BACKEND = "aer_simulator"
"""The backend of a job that names none."""

KIND = "RuntimeBackend"
"""The kind's name."""

PLURAL = "runtimebackends"
"""The kind's name in URLs."""

MAX_QUBITS = 10_000

Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Duration = Annotated[float, Field(ge=0)]
Qubit = Annotated[int, Field(ge=0, lt=MAX_QUBITS)]
CouplingMap = Annotated[tuple[tuple[Qubit, Qubit], ...], Field(min_length=1, max_length=4096)]
CONTROL_FLOW = (
    "if_else",
    "switch_case",
    "for_loop",
    "while_loop",
    "break_loop",
    "continue_loop",
    "store",
)
"""The instructions of every backend that are no gates; no list of basis gates names them."""

ClassName = Annotated[
    str, StringConstraints(pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=MAX_NAME_LENGTH)
]
GateName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$", max_length=32)]


class Depolarizing(ContractModel):
    """Depolarizing error probability of one-qubit and of two-qubit gates."""

    one_qubit: Probability = 0.0
    two_qubit: Probability = 0.0


class ReadoutNoise(ContractModel):
    """Probability that a measurement returns 1 for a qubit in 0, and 0 for one in 1."""

    prob1_given0: Probability = 0.0
    prob0_given1: Probability = 0.0


class Relaxation(ContractModel):
    """Thermal relaxation: T1, T2 and the durations of gates."""

    t1_microseconds: Positive
    t2_microseconds: Positive
    one_qubit_gate_nanoseconds: Duration = 50.0
    two_qubit_gate_nanoseconds: Duration = 300.0

    @model_validator(mode="after")
    def check_times(self) -> Self:
        """Refuse times that no physical qubit has."""
        if self.t2_microseconds > 2 * self.t1_microseconds:
            raise ValueError("t2Microseconds: it is at most twice t1Microseconds")
        return self


class NoiseSpec(ContractModel):
    """Noise that is the same for every qubit and gate; an omitted part is noiseless."""

    depolarizing: Depolarizing | None = None
    readout: ReadoutNoise | None = None
    relaxation: Relaxation | None = None


class SeedPolicy(ContractModel):
    """The seed of a job's random numbers, unless its parameters have a ``seed_simulator``.

    ``PerJob`` draws a seed for each job and puts it on its status; ``Fixed`` gives each job the
    seed ``value``, so that equal jobs have equal results.
    """

    policy: Literal["PerJob", "Fixed"] = "PerJob"
    value: Annotated[int, Field(ge=0, lt=2**53)] | None = None

    @model_validator(mode="after")
    def check_value(self) -> Self:
        """Refuse Fixed without a value, and a value without Fixed."""
        if (self.policy == "Fixed") != (self.value is not None):
            raise ValueError("value: it goes with the policy Fixed, and that with it")
        return self


class BackendSpec(ContractModel):
    """An Aer device.

    ``fake_device`` names a device of ``qiskit_ibm_runtime.fake_provider``, whose coupling map,
    basis gates and noise the backend has, unless ``noise`` is given; ``qubits`` None means as many
    as its memory holds. ``coupling_map`` lists the pairs of qubits that two-qubit gates act on.
    ``resource_class`` names the class of pods that run its jobs; a laptop has no pods.
    """

    name: str
    description: str = ""
    method: Literal[
        "automatic", "statevector", "density_matrix", "stabilizer", "matrix_product_state"
    ] = "automatic"
    qubits: Annotated[int, Field(ge=1, le=MAX_QUBITS)] | None = None
    fake_device: Annotated[str, StringConstraints(pattern="^Fake[A-Za-z0-9]+$", max_length=63)] | (
        None
    ) = None
    noise: NoiseSpec | None = None
    coupling_map: CouplingMap | None = None
    basis_gates: Annotated[tuple[GateName, ...], Field(min_length=1, max_length=64)] | None = None
    seed: SeedPolicy | None = None
    resource_class: ClassName | None = None

    @model_validator(mode="after")
    def check_coupling_map(self) -> Self:
        """Refuse a map without qubits, beyond them, or of a device that has one."""
        if self.fake_device and (self.coupling_map is not None or self.basis_gates is not None):
            raise ValueError("fakeDevice: it has a couplingMap and basisGates of its own")
        if self.coupling_map is not None:
            if self.qubits is None:
                raise ValueError("couplingMap: it needs qubits, the number of them")
            highest = max((max(pair) for pair in self.coupling_map), default=0)
            if highest >= self.qubits:
                raise ValueError(
                    f"couplingMap: it names qubit {highest}, and {self.qubits} are counted from 0"
                )
        return self

    @model_validator(mode="after")
    def check_basis_gates(self) -> Self:
        """Refuse control flow in a list of gates: every backend has it."""
        for gate in self.basis_gates or ():
            if gate in CONTROL_FLOW:
                raise ValueError(f"basisGates: {gate} is no gate and there already; leave it out")
        return self


class NotARuntimeBackend(ValueError):
    """The CRD does not admit this manifest; the text names the field that is wrong."""


def parse_runtimebackend(manifest: Any) -> BackendSpec:
    """Parse a resource, or a document of ``backends.yaml``, as a backend.

    Raises:
        NotARuntimeBackend: a field is missing, unknown or wrong.
    """
    try:
        kind = (manifest["apiVersion"], manifest["kind"])
        name, spec = manifest["metadata"]["name"], manifest.get("spec") or {}
        if kind != (API_VERSION, KIND):
            raise NotARuntimeBackend(f"kind: {KIND} of {API_VERSION} is needed, not {kind}")
        if not isinstance(name, str) or not is_name(name):
            raise NotARuntimeBackend(
                "metadata.name: at most 40 small letters, digits and dashes are needed"
            )
        return BackendSpec.model_validate({**spec, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("spec", *first["loc"])))
        raise NotARuntimeBackend(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise NotARuntimeBackend(f"it is no {KIND}: {error!r}") from error


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
    BackendSpec(
        name="aer_heron",
        description="A device of 12 qubits in a ring, one cell of a heavy-hexagon lattice, with the"
        " fractional gates rx and rzz, and noise of the size that Heron processors have.",
        qubits=12,
        coupling_map=tuple(
            pair
            for qubit in range(12)
            for pair in ((qubit, (qubit + 1) % 12), ((qubit + 1) % 12, qubit))
        ),
        basis_gates=("id", "rz", "sx", "x", "rx", "cz", "rzz"),
        noise=NoiseSpec(
            depolarizing=Depolarizing(one_qubit=0.0003, two_qubit=0.002),
            readout=ReadoutNoise(prob1_given0=0.008, prob0_given1=0.012),
            relaxation=Relaxation(
                t1_microseconds=250.0,
                t2_microseconds=150.0,
                one_qubit_gate_nanoseconds=32.0,
                two_qubit_gate_nanoseconds=68.0,
            ),
        ),
    ),
)
"""The built-in backends."""


class UnknownBackend(LookupError):
    """No backend has this name."""


def find_backend(name: str) -> BackendSpec:
    """Return the built-in backend of this name.

    Raises:
        UnknownBackend: no built-in backend has this name.
    """
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    raise UnknownBackend(name)
