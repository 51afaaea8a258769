"""Samples of a circuit: the bits that its registers read, shot by shot.

Used by the programs ``sampler`` and ``executor``.
"""

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.primitives.containers import BitArray

from qiskit_runtime.programs.simulate.memory import find_used_qubits
from qiskit_runtime.programs.simulate.runs import Task, choose_parallelism, run_tasks

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator


def sample_registers(
    backend: "AerSimulator",
    task: Task,
    shape: tuple[int, ...],
    shots: int,
    seed: int | None,
    run_options: dict[str, Any],
) -> dict[str, BitArray]:
    """Return the bits of each of the circuit's registers; ``shape`` is that of the task's rows."""
    options = run_options | choose_parallelism(len(find_used_qubits(task.circuit)), task.rows)
    result = run_tasks(backend, [task], shots=shots, seed_simulator=seed, memory=True, **options)
    if not task.circuit.cregs:
        return {}
    # A circuit that measures nothing has bits, and no memory.
    memories = [getattr(item.data, "memory", None) or ["0x0"] * shots for item in result.results]
    return _read_registers(task.circuit, chain.from_iterable(memories), (*shape, shots))


def _read_registers(
    circuit: QuantumCircuit, shots: Iterable[str], shape: tuple[int, ...]
) -> dict[str, BitArray]:
    read = BitArray.from_samples(shots, circuit.num_clbits)
    registers = {}
    for register in circuit.cregs:
        places = [circuit.find_bit(bit).index for bit in register]
        array = read.slice_bits(places).array
        registers[register.name] = BitArray(array.reshape(*shape, array.shape[-1]), len(register))
    return registers
