"""The gates and instructions of Aer's methods, and the widths of simulators without a number.

Those who describe a backend have no Aer: tests compare these tables with the one installed.
Standard library only.
"""

from dataclasses import dataclass

WIDTHS = {
    "automatic": 100,
    "statevector": 32,
    "density_matrix": 16,
    "matrix_product_state": 100,
    "stabilizer": 5000,
}
"""The qubits that a backend without a number of them is told to have, by method.

The official client's transpiler needs a number, and refuses what is wider; it adds no qubits to a
circuit where there are no connections. What runs is decided by memory: 16 bytes times 2^32 and
times 4^16 are 64 GiB. The others are the widths of IBM's former simulators; with ``automatic``, Aer
may take a stabilizer state for a wide circuit.
"""

UNIVERSAL = ("id", "rz", "sx", "x", "cx")
"""The gates of a device that has a coupling map and names no gates."""

NOISY_DEFAULT = ("id", "rz", "sx", "cx")
"""The gates that circuits are translated to for noise on no gate, as Aer's noise models have it."""

TURNS = ("s", "sdg", "z")
"""The gates that ``rz`` is on a stabilizer method: its angles are multiples of a quarter turn."""

CLIFFORD = "stabilizer"
"""The method that runs Clifford gates only."""

ALWAYS = ("measure", "reset", "delay")
"""What every device can do besides gates; lists of basis gates may name it too."""

CONTROL_FLOW = ("if_else", "for_loop", "while_loop", "switch_case")
"""The control flow of every method here, as targets name it."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate of Qiskit's standard library that Aer runs."""

    qubits: int
    parameters: tuple[str, ...] = ()


GATES = {
    **{name: Gate(1) for name in ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "t", "tdg")},
    **{name: Gate(1, ("theta",)) for name in ("rx", "ry", "rz", "p", "u1")},
    "u2": Gate(1, ("phi", "lam")),
    "r": Gate(1, ("theta", "phi")),
    **{name: Gate(1, ("theta", "phi", "lam")) for name in ("u", "u3")},
    **{name: Gate(2) for name in ("cx", "cy", "cz", "csx", "ecr", "swap")},
    **{
        name: Gate(2, ("theta",))
        for name in ("cp", "cu1", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx")
    },
    "cu": Gate(2, ("theta", "phi", "lam", "gamma")),
    "cu3": Gate(2, ("theta", "phi", "lam")),
    **{name: Gate(3) for name in ("ccx", "ccz", "cswap")},
}
"""Every such gate, by name."""

_CLIFFORD = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr")
_DENSE_ONLY = ("csx", "cu", "cu3", "ccz", "crx", "cry", "crz", "cswap")

METHOD_GATES = {
    "automatic": frozenset(GATES),
    "statevector": frozenset(GATES),
    "density_matrix": frozenset(GATES).difference(_DENSE_ONLY),
    "matrix_product_state": frozenset(GATES).difference(_DENSE_ONLY, ("cu1",)) | {"csx", "cswap"},
    "stabilizer": frozenset((*_CLIFFORD, "rz")),
}
"""The gates of each method; ``rz`` of a stabilizer takes multiples of a quarter turn."""


def is_fractional(gate: str) -> bool:
    """Return whether the official client leaves the gate out unless it is asked for.

    Such gates take an angle, and time on a device.
    """
    return bool(GATES[gate].parameters) and gate not in ("rz", "p", "u1")
