"""Samples circuits: the program behind SamplerV2 of qiskit-ibm-runtime.

It takes pubs as that client sends them, or as a person types them, and publishes the
``PrimitiveResult`` that the client's decoder restores.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qiskit_runtime.programs.estimate.primitive_pubs import (
    read_sampler_pubs,
    run_pubs,
    select_values,
)
from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.inputs.circuits import as_it_is
from qiskit_runtime.programs.inputs.primitive_options import choose_shots, read_options
from qiskit_runtime.programs.simulate.checked_run import run_circuits
from qiskit_runtime.programs.simulate.isa import CircuitFitter
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.threads import spread_threads
from qiskit_runtime.programs.simulate.touched import touched_qubits

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def sample(
    backend: AerSimulator, pub: SamplerPub, seed: int | None, run_options: dict[str, Any]
) -> SamplerPubResult:
    """The measured bits of one pub, whose circuit fits the backend."""
    circuit, tasks = pub.circuit, [pub.circuit]
    options = run_options | spread_threads(len(touched_qubits(circuit)), max(pub.size, 1))
    if circuit.num_parameters:
        values = pub.parameter_values.as_array(circuit.parameters)
        columns = values.reshape(-1, circuit.num_parameters).T.tolist()
        options["parameter_binds"] = [dict(zip(circuit.parameters, columns, strict=True))]
    else:
        # A shape without parameters: Aer would run the circuit once for all of its entries.
        tasks = tasks * pub.size
    result = run_circuits(
        backend, tasks, shots=pub.shots, seed_simulator=seed, memory=True, **options
    )
    memories = [getattr(item.data, "memory", None) for item in result.results]
    metadata = {"shots": pub.shots, "circuit_metadata": circuit.metadata}
    return SamplerPubResult(read_registers(pub, memories), metadata=metadata)


def read_registers(pub: SamplerPub, memories: list[list[str] | None]) -> DataBin:
    """What each register of the pub's circuit read, from the shots of each of the pub's entries."""
    circuit = pub.circuit
    if not circuit.cregs:
        return DataBin(shape=pub.shape)
    # A circuit that measures nothing has bits, and no memory.
    shots = chain.from_iterable(memory or ["0x0"] * pub.shots for memory in memories)
    read = BitArray.from_samples(shots, circuit.num_clbits)
    fields = {}
    for register in circuit.cregs:
        places = [circuit.find_bit(bit).index for bit in register]
        array = read.slice_bits(places).array
        array = array.reshape(*pub.shape, pub.shots, array.shape[-1])
        fields[register.name] = BitArray(array, len(register))
    return DataBin(**fields, shape=pub.shape)


def warn_of_lost_bits(index: int, circuit: QuantumCircuit) -> None:
    """Print which measured bits the result will not have: it has those of registers alone."""
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
    fitter = CircuitFitter(backend, wishes.seed, wishes.basis_gates, wishes.coupling_map)
    fit = as_it_is if wishes.skip_transpilation else fitter.fit
    fitted = []
    for index, pub in enumerate(asked):
        with naming(f"pubs[{index}]"):
            warn_of_lost_bits(index, pub.circuit)
            circuit = fit(pub.circuit)
            fitted.append(SamplerPub(circuit, select_values(pub, circuit), pub.shots))

    def run(pub: SamplerPub, seed: int | None) -> SamplerPubResult:
        return sample(backend, pub, seed, wishes.run_options)

    results = run_pubs(fitted, wishes.seed, run, user_messenger)
    user_messenger.publish(PrimitiveResult(results, metadata=wishes.metadata), final=True)
