"""Memory admission: the bytes that a simulation would take, and a refusal if they can't fit.

The library's programs ask before they transpile, the runner's simulator before each run: a job
then fails with the numbers, instead of being killed. Program process only.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from qiskit_runtime.programs.inputs.checks import CompleteError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

MIB = 2**20

_STATES = {
    "automatic": ("statevector", 2),
    "statevector": ("statevector", 2),
    "density_matrix": ("density matrix", 4),
    "unitary": ("unitary", 4),
    "superop": ("superoperator", 16),
}
"""By Aer's method: the kind of state, and the base of its 2^n, 4^n or 16^n complex numbers.

The size of other methods' states depends on entanglement or on the circuit's length, so it is not
known beforehand.
"""

_CLIFFORD = {"cx", "cy", "cz", "delay", "ecr", "h", "id", "pauli", "s", "sdg", "swap", "sx", "sxdg"}
_CLIFFORD |= {"barrier", "measure", "reset", "x", "y", "z", "save_amplitudes_sq", "save_clifford"}
_CLIFFORD |= {"save_expval", "save_expval_var", "save_stabilizer"}
"""Instructions that Aer's method ``automatic`` gives to its stabilizer simulator, at any size."""

_HARMLESS = {"clifford", "break_loop", "continue_loop", "store"}
"""Instructions that the transpiler makes Clifford gates of, or that act on classical bits."""

ANGLE_ERROR = 1e-9
"""An angle this near to a whole number of quarter turns, in their unit, is one."""


class TooLarge(CompleteError):
    """A simulation needs more memory than there is; the text has both numbers."""


def check_memory(
    backend: "AerSimulator",
    circuits: "QuantumCircuit | Iterable[QuantumCircuit]",
    run_options: Mapping[str, Any] | None = None,
    as_they_are: bool = False,
) -> None:
    """Refuse circuits that this simulator has no memory for.

    ``run_options`` are those of one run, which go before the simulator's own. ``as_they_are`` says
    that the circuits go to Aer, which knows a Clifford by fewer names than the transpiler.

    A dense simulation of n qubits holds 16 bytes times 2^n (a statevector), 4^n (a density matrix
    or unitary) or 16^n (a superoperator); half of it in single precision.

    Raises:
        TooLarge: the first circuit that does not fit.
    """
    options = {**backend.options, **(run_options or {})}
    is_known = _is_spelt_as_clifford if as_they_are else _is_clifford
    several: Iterable[QuantumCircuit] = [circuits] if hasattr(circuits, "num_qubits") else circuits
    for circuit in several:
        if (excess := _describe_excess(options, circuit)) is None:
            continue
        if not _goes_to_stabilizer(options, circuit, is_known):
            raise TooLarge(
                f"circuit {circuit.name!r} needs {excess}. Fewer qubits, more memory for jobs, or"
                " shots on a backend with another method would do: matrix_product_state, where"
                " little is entangled, or stabilizer, for Clifford circuits"
            )


def find_method(
    backend: "AerSimulator",
    circuits: "Iterable[QuantumCircuit]",
    run_options: Mapping[str, Any] | None = None,
) -> str:
    """Return the method that circuits are simulated by, as far as it is known beforehand.

    ``automatic`` is the stabilizer's for Clifford circuits that there is no other memory for: they
    have to stay Clifford when they are transpiled.
    """
    options = {**backend.options, **(run_options or {})}
    method: str = options.get("method") or "automatic"
    if method == "automatic" and any(
        _describe_excess(options, circuit) and _goes_to_stabilizer(options, circuit, _is_clifford)
        for circuit in circuits
    ):
        return "stabilizer"
    return method


def find_used_qubits(circuit: "QuantumCircuit", idle: Iterable[str] = ("barrier",)) -> set[int]:
    """Return the indices of the qubits that a state is held of: Aer drops the others.

    ``idle`` are the instructions that do not use a qubit.
    """
    return {
        circuit.find_bit(qubit).index
        for item in circuit.data
        if item.operation.name not in idle
        for qubit in item.qubits
    }


def _describe_excess(options: Mapping[str, Any], circuit: "QuantumCircuit") -> str | None:
    """Return the numbers of a dense simulation that takes more than there is; None if it fits."""
    limit = options.get("max_memory_mb")
    state = _STATES.get(options.get("method") or "automatic")
    if not limit or state is None:
        return None
    what, base = state
    amplitude = 8 if options.get("precision") == "single" else 16
    if amplitude * base**circuit.num_qubits <= limit * MIB:
        return None
    qubits = len(find_used_qubits(circuit, ("barrier", "delay")))
    needed = amplitude * base**qubits
    if needed <= limit * MIB:
        return None
    return (
        f"{_format_size(needed)} of memory: its {what} is {amplitude} bytes x {base}^{qubits} for"
        f" {qubits} qubits, and the limit is {limit} MiB"
    )


def _goes_to_stabilizer(
    options: Mapping[str, Any], circuit: "QuantumCircuit", is_known: Callable[[Any], bool]
) -> bool:
    return options.get("method") in (None, "automatic") and (
        all(is_known(item.operation) for item in circuit.data)
        and _is_clifford_noise(options.get("noise_model"))
    )


def _is_clifford(operation: Any) -> bool:
    """Return whether it is a Clifford by name, matrix, branches or definition."""
    from qiskit_runtime.programs.simulate.clifford_translation import spell_clifford

    if _is_spelt_as_clifford(operation) or operation.name in _HARMLESS:
        return True
    if blocks := getattr(operation, "blocks", ()):
        return all(_is_clifford(item.operation) for block in blocks for item in block.data)
    if spell_clifford(operation) is not None:
        return True
    definition = getattr(operation, "definition", None)
    return definition is not None and all(_is_clifford(item.operation) for item in definition.data)


def _is_spelt_as_clifford(operation: Any) -> bool:
    if operation.name == "rz":
        # As a device with this basis gate spells S, Z and, with SX, H.
        angle = operation.params[0]
        turns = angle / (math.pi / 2) if isinstance(angle, int | float) else 0.5
        return abs(turns - round(turns)) < ANGLE_ERROR
    return operation.name in _CLIFFORD


def _is_clifford_noise(noise: Any) -> bool:
    """Return whether it does nothing to a state but Paulis, resets and the like."""
    if noise is None:
        return True
    parts = [part for error in noise.to_dict()["errors"] for part in error.get("instructions", ())]
    return all(step["name"] in _CLIFFORD for part in parts for step in part)


def _format_size(size: int) -> str:
    if size >= MIB << 40:
        # Such a number does not fit a float, and nobody has that much.
        return f"2^{size.bit_length() - 1} bytes"
    power = max(size.bit_length() - 21, 0) // 10
    return f"{size / (MIB << 10 * power):.0f} {('MiB', 'GiB', 'TiB', 'PiB')[power]}"
