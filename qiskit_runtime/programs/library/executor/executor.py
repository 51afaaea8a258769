"""Runs a quantum program: the program behind Executor of qiskit-ibm-runtime.

The client's own SamplerV2, EstimatorV2 and noise learner of ``qiskit_ibm_runtime.executor_*`` ride
on it: they send circuits with a samplex, which draws the circuits' random parameters, and make
their result of what comes back. ``schema_models`` reads and writes the forms of each schema
version, ``item_arguments`` draws the parameters.

The samplex is evaluated by the client package, and circuits run by ``simulate.runs`` as those of
every program. The package's own local executor runs them by Aer's ``SamplerV2``, on a copy of the
backend, without the checks of memory and of failed circuits; 256 randomisations of 16 shots on five
qubits take it 4.3 s, against 0.4 s here (on a noisy device 11.3 s against 5.4 s), side by side on
two busy cores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from entangled_parts import PRODUCT_STATE, is_mostly_apart
from item_arguments import Outputs, check_items, draw_arguments
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit_ibm_runtime.quantum_program import QuantumProgramItem
from schema_models import Chunk, read_params, write_result

from qiskit_runtime.programs.inputs.aer_options import say_left_out
from qiskit_runtime.programs.inputs.boxes import open_boxes
from qiskit_runtime.programs.inputs.checks import MAX_SHOTS, check_seed, naming
from qiskit_runtime.programs.simulate.memory import ANGLE_ERROR, check_memory, find_method
from qiskit_runtime.programs.simulate.runs import Task, run_pubs
from qiskit_runtime.programs.simulate.sampling import sample_registers
from qiskit_runtime.programs.simulate.seeds import seed_of_run
from qiskit_runtime.programs.simulate.transpile_to_isa import IsaTranspiler

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

RunOptions = dict[str, Any]

CHUNK_SHOTS = 2**20
"""The shots of one run, where the client leaves the size of chunks to us."""

logger = logging.getLogger("qiskit_runtime.programs.executor")


class ItemRunner:
    """Runs items one after another, in chunks, each run with a seed of its own."""

    def __init__(self, backend: AerSimulator, shots: int, seed: int | None) -> None:
        self._backend = backend
        self._shots = shots
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._run_numbers = count()
        self.chunks: list[Chunk] = []

    def run(self, index: int, item: QuantumProgramItem, circuit: QuantumCircuit) -> Outputs:
        """Return the item's arrays; ``circuit`` is its own, as the backend runs it."""
        values, outputs = draw_arguments(item, self._rng)
        options = self._choose_method(item.circuit, values)
        names = [parameter.name for parameter in item.circuit.parameters]
        parts: dict[str, list[Any]] = {}
        for start, stop in self._split(item):
            began = datetime.now(UTC)
            columns = dict(zip(names, values[start:stop].T.tolist(), strict=True))
            sampled = self._sample(Task(circuit, stop - start, columns), options)
            ended = datetime.now(UTC)
            self.chunks.append(Chunk(index, item.shape, start, stop, began, ended))
            for name, bits in sampled.items():
                parts.setdefault(name, []).append(bits)
        for name, arrays in parts.items():
            outputs[name] = np.concatenate(arrays).reshape(*item.shape, *arrays[0].shape[1:])
        return outputs

    def _choose_method(self, circuit: QuantumCircuit, values: NDArray[np.float64]) -> RunOptions:
        """Return the method, where it is another than the backend's for these values.

        Raises:
            TooLarge: there is no memory for the circuit, and it is no Clifford.
        """
        if circuit.num_parameters:
            bound = circuit.assign_parameters(values[_find_least_clifford(values)])
        else:
            bound = circuit
        bound.name = circuit.name
        if self._backend.options.method == "automatic" and is_mostly_apart(bound):
            return {"method": PRODUCT_STATE}
        check_memory(self._backend, bound)
        method = find_method(self._backend, [bound])
        return {} if method == self._backend.options.method else {"method": method}

    def _sample(self, task: Task, options: RunOptions) -> dict[str, np.ndarray[Any, Any]]:
        seed = seed_of_run(self._seed, next(self._run_numbers))
        sampled = sample_registers(self._backend, task, (task.rows,), self._shots, seed, options)
        return {
            name: bits.to_bool_array(order="little")
            if bits.num_bits
            else np.zeros((task.rows, self._shots, 0), bool)
            for name, bits in sampled.items()
        }

    def _split(self, item: QuantumProgramItem) -> Iterator[tuple[int, int]]:
        """Yield the first and the last element, exclusive, of each run of the item."""
        step = item.chunk_size or max(1, CHUNK_SHOTS // self._shots)
        for start in range(0, item.size(), step):
            yield start, min(start + step, item.size())


def _find_least_clifford(values: NDArray[np.float64]) -> int:
    """Return the row with the most angles that are no quarter turns: it needs the most memory."""
    quarters = values / (np.pi / 2)
    between = np.abs(quarters - np.round(quarters)) > ANGLE_ERROR
    return int(np.argmax(between.sum(axis=1)))


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    schema_version: str,
    quantum_program: dict[str, Any],
    options: dict[str, Any],
    seed_simulator: int | None = None,
) -> None:
    """Publish the quantum program's result in the form of the same schema version.

    ``executor.json`` describes the parameters. A mistake raises a ValueError that names the field,
    before anything runs.
    """
    seed = check_seed("seed_simulator", seed_simulator)
    asked = read_params(schema_version, quantum_program, options)
    say_left_out(asked.ignored)
    items, shots = asked.program.items, asked.program.shots
    check_items(items, shots, MAX_SHOTS)
    for item in items:
        item.circuit = open_boxes(item.circuit)
    # Whether others are Cliffords, for which there always is, depends on their values.
    check_memory(backend, [item.circuit for item in items if not item.circuit.num_parameters])
    logger.info("a quantum program %s of %d items, %d shots", asked.version, len(items), shots)
    transpiler, circuits = IsaTranspiler(backend, seed), []
    for index, item in enumerate(items):
        with naming(f"quantum_program.items[{index}]"):
            circuits.append(transpiler.run(item.circuit))
    runner = ItemRunner(backend, shots, seed)

    def run(work: tuple[int, QuantumProgramItem, QuantumCircuit], _: int | None) -> Outputs:
        return runner.run(*work)

    works = list(zip(count(), items, circuits, strict=False))
    results = run_pubs(works, None, run, user_messenger, "quantum_program.items")
    user_messenger.publish(write_result(asked, results, runner.chunks), final=True)
