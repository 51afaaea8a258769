"""The cost of the program vqe beyond the same loop written by hand, without a server.

Both run the tutorial: ZZII on four qubits, 50 steps of SPSA, 1024 shots. The loop by hand is what
a competent user writes: transpiled once, a look-up for the energy, one run an evaluation.
"""

import importlib.util
import statistics
import time
from pathlib import Path

import numpy as np
from qiskit import transpile
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from qiskit_algorithms.optimizers import SPSA
from qiskit_algorithms.utils import algorithm_globals

from tests.benchmarks.table import Row, milliseconds

VQE = Path(__file__).parents[2] / "qiskit_runtime" / "programs" / "library" / "vqe" / "vqe.py"
PAIRS = 9
MAXITER = 50
SHOTS = 1024


class NullMessenger:
    """A messenger that drops its messages."""

    def publish(self, message, final=False):
        """Drop it."""

    def report_progress(self, done, total, best=None):
        """Drop it."""


def run() -> list[Row]:
    """The ratio of the medians of pairs that were run in turn."""
    spec = importlib.util.spec_from_file_location("vqe", VQE)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    backend = AerSimulator()
    ansatz = efficient_su2(4, reps=1, entanglement="linear")
    ours, theirs = [], []
    for seed in range(PAIRS + 1):
        ours.append(_time(run_program, program, backend, ansatz, seed))
        theirs.append(_time(run_by_hand, backend, ansatz, seed))
    # The first of each warms up: imports, and Aer's own first run.
    (wall, cpu), (wall_by_hand, cpu_by_hand) = (
        map(statistics.median, zip(*times[1:])) for times in (ours, theirs)
    )
    return [
        Row(
            "Program vqe against the same loop by hand",
            "<= 1.3",
            f"{wall / wall_by_hand:.2f} ({milliseconds(wall)} against"
            f" {milliseconds(wall_by_hand)}); of CPU time {cpu / cpu_by_hand:.2f}",
            f"medians of {PAIRS} pairs in turn: ZZII, SPSA {MAXITER}, {SHOTS} shots; no server",
        )
    ]


def run_program(program, backend, ansatz, seed):
    """The tutorial by the program."""
    optimizer = {"name": "SPSA", "maxiter": MAXITER}
    operator = SparsePauliOp("ZZII")
    program.main(
        backend, NullMessenger(), ansatz, operator, optimizer, shots=SHOTS, seed_simulator=seed
    )


def run_by_hand(backend, ansatz, seed):
    """The tutorial by a loop of one's own."""
    circuit = transpile(ansatz.measure_all(inplace=False), backend, seed_transpiler=seed)
    signs = {f"{x:04b}": (-1) ** (x >> 2).bit_count() for x in range(16)}
    algorithm_globals.random_seed = seed
    seeds = iter(range(seed, seed + 10_000))

    def energy(point):
        bound = circuit.assign_parameters(point)
        job = backend.run(bound, shots=SHOTS, seed_simulator=next(seeds), max_parallel_threads=1)
        counts = job.result().get_counts()
        return sum(signs[bits] * count for bits, count in counts.items()) / SHOTS

    start = np.random.default_rng(seed).random(ansatz.num_parameters)
    return SPSA(maxiter=MAXITER).minimize(energy, start)


def _time(function, *arguments):
    wall, cpu = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - wall, time.process_time() - cpu
