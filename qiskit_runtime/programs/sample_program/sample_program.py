"""Random circuits, one an iteration: a program whose interim results arrive one by one.

The 2021 test server's sample program, with the same messages. It shows a stream, and it loads one.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from qiskit.circuit.random import random_circuit
from qiskit.transpiler import generate_preset_pass_manager

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

NUM_QUBITS = 5
DEPTH = 4
MAX_SEED = 1000


def prepare_circuit() -> QuantumCircuit:
    """A random measured circuit, one of ``MAX_SEED + 1``; ``random.seed`` fixes which."""
    seed = random.randint(0, MAX_SEED)
    return random_circuit(NUM_QUBITS, DEPTH, measure=True, seed=seed)


def check_iterations(iterations: object) -> int:
    """The number of iterations, or a ValueError that names the field."""
    # True is an int to Python, and never what a client meant by a number.
    if isinstance(iterations, bool) or not isinstance(iterations, int) or iterations < 0:
        msg = f"iterations: expected an integer of 0 or more, got {iterations!r}"
        raise ValueError(msg)
    return iterations


def main(backend: AerSimulator, user_messenger: UserMessenger, iterations: int = 5) -> None:
    """Publish ``{"iteration": i, "counts": {...}}`` for each iteration, then "All done!"."""
    rounds = range(check_iterations(iterations))
    # Built once: transpile() builds one at each call, which costs far more than the circuit's run.
    pass_manager = generate_preset_pass_manager(1, backend=backend)
    for iteration in rounds:
        circuit = pass_manager.run(prepare_circuit())
        # Five qubits are too few for threads: a second one only burns CPU beside the first.
        result = backend.run(circuit, max_parallel_threads=1).result()
        user_messenger.publish({"iteration": iteration, "counts": result.get_counts()})
    user_messenger.publish("All done!", final=True)
