"""Targets for the transpiler: the gates and instructions of each method, on a device or not.

Used by ``runner.quantum_backend`` for the target of a job's backend, and by ``transpiling`` for the
programs. Program process only.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import Target

from qiskit_runtime.contract.devices.simulators import ALWAYS, CLIFFORD, TURNS, UNIVERSAL
from qiskit_runtime.contract.nearest import suggest

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

CLIFFORD_TRANSLATION = "clifford"
"""The name of the translation stage for it (``clifford_translation``, an entry point)."""

_TURNABLE = frozenset(("cx", "cz", "ecr", "rxx", "ryy", "rzx", "rzz", "swap"))
"""Gates of two qubits that the transpiler can put on a connection of the other direction."""


class UnknownGate(ValueError):
    """A gate that does not exist, or that the method or a connection can't run."""


@lru_cache(maxsize=16)
def list_gates(method: str) -> frozenset[str]:
    """Return the names of Aer's gates for this method."""
    return frozenset(_configure(method).basis_gates) - list_instructions(method) - {"store"}


@lru_cache(maxsize=16)
def list_instructions(method: str) -> frozenset[str]:
    """Return what else the method can do: measure, branch and loop, save, apply a channel."""
    configuration = _configure(method)
    stored = {"store"} & set(configuration.basis_gates)
    return frozenset(configuration.custom_instructions) | stored | set(ALWAYS)


def make_device(
    num_qubits: int | None,
    names: Iterable[str] | None = None,
    edges: Sequence[Sequence[int]] | None = None,
) -> Target:
    """Return a device of these gates, or of all that Aer has, that connects these pairs of qubits.

    ``num_qubits`` None is any number: the transpiler looks at each qubit of a device, and at the
    10,000 of a simulator for 60 ms a circuit.

    Raises:
        UnknownGate: there is no such gate, or a map of pairs does not go with it.
    """
    known = _map_names()
    given = dict.fromkeys((UNIVERSAL if edges else _list_all()) if names is None else names)
    device = Target(num_qubits=num_qubits)
    for name in given:
        if not _is_gate(name):
            continue
        device.add_instruction(known[name], _place(name, num_qubits, edges), name=name)
    return device


def fit_method(device: Target, method: str, has_angles: bool = False) -> Target:
    """Return the target of the device's simulation by this method.

    It has the device's gates that the method runs, and what else the method can do.
    ``has_angles`` keeps ``rz`` on a stabilizer method, for circuits whose parameters get their
    values later.

    Raises:
        UnknownGate: none of the device's gates is one of the method.
    """
    known, runs = _map_names(), list_gates(method)
    target = copy_frame(device)
    for name in device.operation_names:
        is_turned = method == CLIFFORD and name == "rz" and not has_angles
        if name in runs | list_instructions(method) and not is_turned:
            operation = device.operation_from_name(name)
            target.add_instruction(operation, _read_places(device, name), name=name)
        for turn in TURNS if is_turned else ():
            if turn not in device.operation_names:
                target.add_instruction(known[turn], _read_places(device, name), name=turn)
    if not target.operation_names:
        raise UnknownGate(
            f"the method {method} runs none of the gates ({', '.join(device.operation_names)});"
            f" it has {', '.join(sorted(runs))}"
        )
    for name in sorted(list_instructions(method) - {"initialize"} - set(target.operation_names)):
        target.add_instruction(known[name], None, name=name)
    return target


def copy_frame(device: Target) -> Target:
    """Return a target with the device's qubits and times, and without its gates."""
    return Target(
        num_qubits=device.num_qubits,
        dt=device.dt,
        granularity=device.granularity,
        min_length=device.min_length,
        pulse_alignment=device.pulse_alignment,
        acquire_alignment=device.acquire_alignment,
        qubit_properties=device.qubit_properties,
        concurrent_measurements=device.concurrent_measurements,
    )


def check_gates(names: Iterable[str], method: str) -> None:
    """Refuse a name that is no gate's, and a gate that the method does not run.

    Raises:
        UnknownGate: the first one.
    """
    gates = list_gates(method)
    for name in names:
        if _is_gate(name) and name not in gates and name in list_gates("automatic"):
            raise UnknownGate(
                f"the method {method} has no {name}; it has {', '.join(sorted(gates))}"
            )


def is_method(name: Any) -> bool:
    """Return whether the installed Aer has a method of this name."""
    return isinstance(name, str) and name in _list_methods()


def choose_translation(method: str) -> str | None:
    """Return the transpiler's translation stage for the method; None is its own."""
    return CLIFFORD_TRANSLATION if method == CLIFFORD else None


def list_noisy_gates(noise: Any) -> list[str] | None:
    """Return the gates whose circuits have the noise model's noise; None is all."""
    if noise is None:
        return None
    return [*sorted(list_gates("automatic") & set(noise.basis_gates)), "initialize"]


def find_device(backend: "AerSimulator") -> Target:
    """Return the device that the backend simulates: the runner's description, or Aer's own."""
    device: Target | None = getattr(backend, "device", None)
    if device is not None:
        return device
    if backend.coupling_map is None:
        return make_device(None, list_noisy_gates(backend.options.noise_model))
    if any(len(qubits or ()) == 2 for qubits in backend.target.qargs or ()):
        return backend.target
    # Aer lists the connections separately, and gates that work everywhere.
    return change_device(backend.target, None, [*backend.coupling_map.get_edges()])


def change_device(
    device: Target,
    basis_gates: Sequence[str] | None,
    coupling_map: Sequence[Sequence[int]] | None,
) -> Target:
    """Return the device with other gates, other connections or both; None leaves them.

    Raises:
        UnknownGate: as ``make_device``.
    """
    connections = device.build_coupling_map()
    edges = coupling_map or (connections.get_edges() if connections else None)
    names = basis_gates
    if names is None:
        known = _map_names()
        names = [
            name
            for name in device.operation_names
            if name in _TURNABLE or getattr(known.get(name), "num_qubits", 0) == 1
        ]
        names = [name for name in names if name not in list_instructions("automatic")]
    width = 1 + max(max(edge) for edge in edges) if coupling_map and edges else device.num_qubits
    return make_device(width, names, edges)


@lru_cache(maxsize=1)
def _list_methods() -> tuple[str, ...]:
    from qiskit_aer import AerSimulator

    return tuple(AerSimulator().available_methods())


def _configure(method: str) -> Any:
    from qiskit_aer import AerSimulator

    return AerSimulator(method=method).configuration()


@lru_cache(maxsize=1)
def _map_names() -> dict[str, Any]:
    from qiskit_aer.backends.name_mapping import NAME_MAPPING

    return {**get_standard_gate_name_mapping(), **NAME_MAPPING}


def _list_all() -> list[str]:
    return [*sorted(list_gates("automatic") & set(_map_names())), "initialize"]


def _is_gate(name: str) -> bool:
    """Return whether it is a gate, or else an instruction that lists of gates may name.

    Raises:
        UnknownGate: it is neither.
    """
    if name in ALWAYS or name == "barrier":
        return False
    others = list_instructions("automatic") - {"initialize"}
    if name in others:
        raise UnknownGate(f"{name} is no gate; every backend whose method can do it has it already")
    if name not in _map_names():
        hint = suggest(name, sorted(list_gates("automatic")))
        raise UnknownGate(f"there is no gate {name!r}{hint}")
    return True


def _place(
    name: str, num_qubits: int | None, edges: Sequence[Sequence[int]] | None
) -> dict[tuple[int, ...], None] | None:
    """Return the qubits that a gate works on: all of them (None), each one, or each pair."""
    if not edges:
        return None
    size = getattr(_map_names()[name], "num_qubits", None)
    if size == 2:
        return dict.fromkeys((first, second) for first, second in edges)
    if size != 1 or num_qubits is None:
        raise UnknownGate(f"{name} is no gate of one or two qubits, and a coupling map has pairs")
    return dict.fromkeys((qubit,) for qubit in range(num_qubits))


def _read_places(device: Target, name: str) -> Any:
    places = device[name]
    return None if places is None or None in places else dict(places)
