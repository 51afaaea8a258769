"""The errors and times that a ``NoiseSpec`` gives to qubits and gates.

The runner makes Aer's noise of the same numbers. A noise is its plain JSON form, as a job's input
has it. Standard library only.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

Value = tuple[str, str, float]
"""A value of a qubit or a gate: its name, its unit, and the number."""

VIRTUAL = frozenset(("rz", "p", "u1", "delay", "barrier"))
"""Gates that take no time on a device, and have no noise."""

NOISY = {
    1: (
        *("id", "sx", "x", "y", "z", "h", "s", "sdg", "sxdg", "t", "tdg"),
        *("rx", "ry", "u", "u2", "u3"),
    ),
    2: ("cx", "cz", "ecr", "rzz", "swap", "cy", "ch", "cp", "iswap", "rxx", "ryy", "rzx"),
}
"""The gates of one and of two qubits that noise is put on."""

DT_NANOSECONDS = 1.0
"""The unit of schedules on a device whose gates have durations: they are whole numbers of it."""

READOUT_NANOSECONDS = 1600.0
"""The duration of a measurement there, about that of a Heron processor.

The noise has the errors of a measurement and no time of it, and clients schedule none without one.
"""

_SIZES = {1: "one_qubit", 2: "two_qubit"}


def list_noisy(noise: Mapping[str, Any], qubits: int, basis: Iterable[str] | None) -> list[str]:
    """Return the gates of so many qubits that have noise: of a basis, or of all that may."""
    named = NOISY[qubits] if basis is None else basis
    return [gate for gate in named if gate in NOISY[qubits] and find_error(noise, qubits)]


def find_depolarizing(noise: Mapping[str, Any], qubits: int) -> float:
    """Return the depolarizing probability of gates of so many qubits."""
    return float((noise.get("depolarizing") or {}).get(_SIZES[qubits], 0.0))


def find_dt(noise: Mapping[str, Any]) -> float | None:
    """Return the unit of schedules in nanoseconds; None where gates have no durations."""
    return DT_NANOSECONDS if noise.get("relaxation") else None


def find_nanoseconds(noise: Mapping[str, Any], gate: str) -> float | None:
    """Return the duration of a gate; None where the noise does not say one."""
    if gate in VIRTUAL:
        return 0.0
    qubits = next((size for size, gates in NOISY.items() if gate in gates), None)
    times = noise.get("relaxation")
    return float(times[f"{_SIZES[qubits]}_gate_nanoseconds"]) if times and qubits else None


def find_gate_error(noise: Mapping[str, Any], gate: str) -> float:
    """Return the average error of a gate."""
    return next((find_error(noise, size) for size, gates in NOISY.items() if gate in gates), 0.0)


def find_error(noise: Mapping[str, Any], qubits: int) -> float:
    """Return the average error of gates of so many qubits: 1 less their average fidelity."""
    dimension = 2**qubits
    depolarizing = find_depolarizing(noise, qubits)
    kept = (1 - depolarizing) * _relaxed_fidelity(noise, qubits) + depolarizing / dimension**2
    error: float = (1 - kept) * dimension / (dimension + 1)
    return error


def _relaxed_fidelity(noise: Mapping[str, Any], qubits: int) -> float:
    """Return the process fidelity of relaxation during a gate: a quarter of its Pauli trace."""
    if not (times := noise.get("relaxation")):
        return 1.0
    microseconds = times[f"{_SIZES[qubits]}_gate_nanoseconds"] / 1e3
    relaxed = math.exp(-microseconds / times["t1_microseconds"])
    dephased = math.exp(-microseconds / times["t2_microseconds"])
    return float(((1 + relaxed + 2 * dephased) / 4) ** qubits)


def list_gate_values(noise: Mapping[str, Any], gate: str) -> list[Value]:
    """Return the name, unit and value of what a gate has: its error, and its duration if known."""
    nanoseconds = find_nanoseconds(noise, gate)
    error: Value = ("gate_error", "", find_gate_error(noise, gate))
    return [error] if nanoseconds is None else [error, ("gate_length", "ns", nanoseconds)]


def renew(known: Iterable[Value], newer: list[Value]) -> list[Value]:
    """Return values with newer ones in the place of those of the same names."""
    names = {name for name, _, _ in newer}
    return [*(value for value in known if value[0] not in names), *newer]


def list_qubit_values(noise: Mapping[str, Any]) -> list[Value]:
    """Return the name, unit and value of what each qubit has: times, and those of its readout."""
    readout = noise.get("readout") or {}
    one, zero = readout.get("prob1_given0", 0.0), readout.get("prob0_given1", 0.0)
    values = [
        ("readout_error", "", (one + zero) / 2),
        ("prob_meas0_prep1", "", zero),
        ("prob_meas1_prep0", "", one),
    ]
    if not (times := noise.get("relaxation")):
        return values
    return [
        ("T1", "us", times["t1_microseconds"]),
        ("T2", "us", times["t2_microseconds"]),
        *values,
        ("readout_length", "ns", READOUT_NANOSECONDS),
    ]
