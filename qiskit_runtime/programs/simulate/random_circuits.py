"""Random circuits, one an iteration: what ``hello_world`` and ``sample_program`` run.

They are one program of two generations, which differ in their default number of iterations.
"""

import random
from typing import TYPE_CHECKING

from qiskit.circuit.random import random_circuit

from qiskit_runtime.programs.inputs.checks import check_integer, check_seed
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.runs import run_circuits
from qiskit_runtime.programs.simulate.seeds import seed_of_run
from qiskit_runtime.programs.simulate.transpiling import make_passes, run_passes

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

NUM_QUBITS = 5
DEPTH = 4
MAX_SEED = 1000


def draw_circuit(seed: int) -> "QuantumCircuit":
    """Return the random measured circuit of this seed."""
    return random_circuit(NUM_QUBITS, DEPTH, measure=True, seed=seed)


def publish_random_counts(
    backend: "AerSimulator",
    user_messenger: "UserMessenger",
    iterations: int,
    seed_simulator: int | None = None,
) -> None:
    """Publish ``{"iteration": i, "counts": {...}}`` for each iteration, then "All done!".

    With a seed, circuits and counts are the same at each call. Without one, ``random.seed`` of
    the program's process still fixes the circuits.

    Raises:
        ValueError: an input of a wrong type; the text names it.
    """
    rounds = check_integer("iterations", iterations, 0)
    seed = check_seed("seed_simulator", seed_simulator)
    draw = random.randint if seed is None else random.Random(seed).randint  # noqa: S311  (no secret)
    # Built once: transpile() builds one at each call, which costs far more than the circuit's run.
    pass_manager = make_passes(backend, 1, seed_transpiler=seed)
    user_messenger.report_progress(0, rounds)
    for iteration in range(rounds):
        circuit = draw_circuit(draw(0, MAX_SEED))
        check_memory(backend, circuit)
        # Five qubits are too few for threads: a second one only burns CPU.
        result = run_circuits(
            backend,
            [run_passes(pass_manager, circuit)],
            labels=[f"iteration {iteration}"],
            max_parallel_threads=1,
            seed_simulator=seed_of_run(seed, iteration),
        )
        counts = result.get_counts()
        user_messenger.publish({"iteration": iteration, "counts": counts})
        user_messenger.report_progress(iteration + 1, rounds)
    user_messenger.publish("All done!", final=True)
