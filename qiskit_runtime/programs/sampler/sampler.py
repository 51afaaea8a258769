"""Samples circuits: the program behind SamplerV2 of qiskit-ibm-runtime.

It takes pubs as that client sends them, or as a person types them, and publishes the
``PrimitiveResult`` that the client's decoder restores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_aer.primitives import SamplerV2

from qiskit_runtime.admission import check_memory
from qiskit_runtime.algorithms.inputs import naming
from qiskit_runtime.algorithms.isa import CircuitFitter
from qiskit_runtime.algorithms.primitive_options import choose_shots, read_options
from qiskit_runtime.algorithms.primitive_pubs import read_sampler_pubs, run_pubs, select_values
from qiskit_runtime.algorithms.threads import spread_threads
from qiskit_runtime.algorithms.touched import touched_qubits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def sample(
    backend: AerSimulator, pub: SamplerPub, seed: int | None, run_options: dict[str, Any]
) -> SamplerPubResult:
    """The measured bits of one pub, whose circuit fits the backend."""
    threads = spread_threads(len(touched_qubits(pub.circuit)), max(pub.size, 1))
    options = {"run_options": run_options | threads}
    sampler = SamplerV2.from_backend(backend, seed=seed, options=options)
    if pub.circuit.num_parameters or not pub.shape:
        data = sampler.run([pub]).result()[0].data
    else:
        # A shape without parameters: Aer would run the circuit once for all of its entries.
        alone = SamplerPub(pub.circuit, shots=pub.shots)
        data = stack([item.data for item in sampler.run([alone] * pub.size).result()], pub.shape)
    metadata = {"shots": pub.shots, "circuit_metadata": pub.circuit.metadata}
    return SamplerPubResult(data, metadata=metadata)


def stack(items: list[DataBin], shape: tuple[int, ...]) -> DataBin:
    """One array of what was sampled entry by entry."""
    fields = {}
    for name, first in items[0].items():
        arrays = np.stack([item[name].array for item in items])
        fields[name] = BitArray(arrays.reshape(*shape, *first.array.shape), first.num_bits)
    return DataBin(**fields, shape=shape)


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    pubs: Any,
    options: dict[str, Any] | None = None,
    version: int = 2,
    support_qiskit: bool = True,
    default_shots: int = 4096,
    seed_simulator: int | None = None,
) -> None:
    """Publish the ``PrimitiveResult`` of the pubs, as the final result.

    ``sampler.json`` describes the parameters. A mistake raises a ValueError that names the field,
    before anything runs.
    """
    wishes = read_options(options, seed_simulator, version, support_qiskit)
    asked = read_sampler_pubs(pubs, choose_shots(wishes, default_shots))
    check_memory(backend, [pub.circuit for pub in asked])
    fitter = CircuitFitter(backend, wishes.seed, wishes.basis_gates, wishes.coupling_map)
    fitted = []
    for index, pub in enumerate(asked):
        with naming(f"pubs[{index}]"):
            circuit = fitter.fit(pub.circuit)
            fitted.append(SamplerPub(circuit, select_values(pub, circuit), pub.shots))

    def run(pub: SamplerPub, seed: int | None) -> SamplerPubResult:
        return sample(backend, pub, seed, wishes.run_options)

    results = run_pubs(fitted, wishes.seed, run, user_messenger)
    user_messenger.publish(PrimitiveResult(results, metadata=wishes.metadata), final=True)
