"""Samples circuits: the program behind SamplerV2 of qiskit-ibm-runtime.

It takes pubs as that client sends them, or as a person types them, and publishes the
``PrimitiveResult`` that the client's decoder restores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qiskit.primitives.containers import DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.inputs.primitive_options import choose_shots, read_options
from qiskit_runtime.programs.inputs.pubs import read_sampler_pubs
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.run_times import RunTimes
from qiskit_runtime.programs.simulate.runs import Task, run_pubs
from qiskit_runtime.programs.simulate.sampling import sample_registers
from qiskit_runtime.programs.simulate.transpile_to_isa import IsaTranspiler, select_values

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def sample(
    backend: AerSimulator, pub: SamplerPub, seed: int | None, run_options: dict[str, Any]
) -> SamplerPubResult:
    """Return the measured bits of one pub, whose circuit fits the backend."""
    circuit = pub.circuit
    names = [parameter.name for parameter in circuit.parameters]
    values = pub.parameter_values.as_array(names).reshape(pub.size, len(names))
    task = Task(circuit, pub.size, dict(zip(names, values.T.tolist(), strict=True)))
    registers = sample_registers(backend, task, pub.shape, pub.shots, seed, run_options)
    metadata = {"shots": pub.shots, "circuit_metadata": circuit.metadata}
    return SamplerPubResult(DataBin(**registers, shape=pub.shape), metadata=metadata)


def warn_of_lost_bits(index: int, circuit: QuantumCircuit) -> None:
    """Print which measured bits the result will lack: it has those of registers alone."""
    used = {bit for item in circuit.data for bit in item.clbits}
    lost = [place.index for place in map(circuit.find_bit, circuit.clbits) if not place.registers]
    lost = [number for number in lost if circuit.clbits[number] in used]
    if lost or not circuit.cregs:
        what = f"bits {', '.join(map(str, lost))} are in none" if lost else "there is none"
        print(f"WARNING: pubs[{index}]: a result has what is measured into registers, and {what}")


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    pubs: Any,
    options: dict[str, Any] | None = None,
    version: int = 2,
    support_qiskit: bool = True,
    default_shots: int = 4096,
    seed_simulator: int | None = None,
    skip_transpilation: bool | None = False,
) -> None:
    """Publish the ``PrimitiveResult`` of the pubs, as the final result.

    ``sampler.json`` describes the parameters. A mistake raises a ValueError that names the field,
    before anything runs.
    """
    wishes = read_options(
        options, seed_simulator, version, support_qiskit, skip_transpilation=skip_transpilation
    )
    asked = read_sampler_pubs(pubs, choose_shots(wishes, default_shots))
    check_memory(backend, [pub.circuit for pub in asked])
    transpiler = IsaTranspiler(
        backend, wishes.seed, wishes.basis_gates, wishes.coupling_map, wishes.skip_transpilation
    )
    transpiled = []
    for index, pub in enumerate(asked):
        with naming(f"pubs[{index}]"):
            warn_of_lost_bits(index, pub.circuit)
            circuit = transpiler.run(pub.circuit)
            transpiled.append(SamplerPub(circuit, select_values(pub, circuit), pub.shots))

    times = RunTimes()

    def run(pub: SamplerPub, seed: int | None) -> SamplerPubResult:
        with times.measure((*pub.shape, pub.shots)):
            return sample(backend, pub, seed, wishes.run_options)

    results = run_pubs(transpiled, wishes.seed, run, user_messenger)
    metadata = wishes.metadata | times.metadata
    user_messenger.publish(PrimitiveResult(results, metadata=metadata), final=True)
