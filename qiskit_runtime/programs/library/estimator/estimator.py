"""Estimates expectation values: the program behind EstimatorV2 of qiskit-ibm-runtime.

It takes pubs as that client sends them, or as a person types them, and publishes the
``PrimitiveResult`` that the client's decoder restores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qiskit.primitives.containers import PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qiskit_runtime.programs.estimate.pub_estimation import (
    count_shots,
    estimate_by_shots,
    estimate_exactly,
)
from qiskit_runtime.programs.inputs.checks import naming
from qiskit_runtime.programs.inputs.primitive_options import choose_precision, read_options
from qiskit_runtime.programs.inputs.pubs import read_estimator_pubs
from qiskit_runtime.programs.simulate.memory import check_memory
from qiskit_runtime.programs.simulate.purity import needs_density_matrix
from qiskit_runtime.programs.simulate.runs import run_pubs
from qiskit_runtime.programs.simulate.transpile_to_isa import IsaTranspiler, select_values

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

DENSE = ("automatic", "statevector", "density_matrix")
"""Methods of Aer that a density matrix can stand for: it holds noise exactly."""


def find_exact_method(backend: AerSimulator, pub: EstimatorPub, noise_model: Any) -> str:
    """Return the method that gives the pub's exact values."""
    method: str = backend.options.method
    if not needs_density_matrix(backend, [pub.circuit], noise_model):
        return method
    if method not in DENSE:
        raise ValueError(
            f"with noise or resets, the method {method} gives no exact values; give a precision"
        )
    return "density_matrix"


def check_size(backend: AerSimulator, pubs: list[EstimatorPub], noise_model: Any) -> None:
    """Refuse pubs that there is no memory for, each by the method that it will run with."""
    check_memory(backend, [pub.circuit for pub in pubs if pub.precision])
    for index, pub in enumerate(pubs):
        if not pub.precision:
            with naming(f"pubs[{index}]"):
                method = find_exact_method(backend, pub, noise_model)
            check_memory(backend, pub.circuit, {"method": method})


def transpile_pub(transpiler: IsaTranspiler, pub: EstimatorPub) -> EstimatorPub:
    """Return the pub with a circuit that the backend runs, and its observables laid out on it."""
    source = pub.circuit
    if not pub.precision and "initialize" in source.count_ops():
        source = source.decompose("initialize")  # which no density matrix takes
    circuit, observables = transpiler.run(source), pub.observables
    if circuit is not source:
        observables = observables.apply_layout(circuit.layout, circuit.num_qubits)
    return EstimatorPub(circuit, observables, select_values(pub, circuit), pub.precision)


def estimate(
    backend: AerSimulator, pub: EstimatorPub, seed: int | None, run_options: dict[str, Any]
) -> PubResult:
    """Return the expectation values of one pub, whose circuit the backend runs."""
    if pub.precision:
        return estimate_by_shots(backend, pub, seed, run_options)
    method = find_exact_method(backend, pub, run_options.get("noise_model"))
    return estimate_exactly(backend, pub, seed, {**run_options, "method": method})


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    pubs: Any,
    options: dict[str, Any] | None = None,
    version: int = 2,
    support_qiskit: bool = True,
    resilience_level: int | None = None,
    default_precision: float | None = 0.015625,
    seed_simulator: int | None = None,
    skip_transpilation: bool | None = False,
) -> None:
    """Publish the ``PrimitiveResult`` of the pubs, as the final result.

    ``estimator.json`` describes the parameters. A mistake raises a ValueError that names the field,
    before anything runs.
    """
    wishes = read_options(
        options,
        seed_simulator,
        version,
        support_qiskit,
        resilience_level,
        skip_transpilation,
        is_estimator=True,
    )
    asked = read_estimator_pubs(pubs, choose_precision(wishes, default_precision))
    check_size(backend, asked, wishes.noise_model)
    transpiler = IsaTranspiler(
        backend, wishes.seed, wishes.basis_gates, wishes.coupling_map, wishes.skip_transpilation
    )
    transpiled = []
    for index, pub in enumerate(asked):
        with naming(f"pubs[{index}]"):
            if pub.precision:
                count_shots(pub.precision)
            transpiled.append(transpile_pub(transpiler, pub))

    def run(pub: EstimatorPub, seed: int | None) -> PubResult:
        return estimate(backend, pub, seed, wishes.run_options)

    results = run_pubs(transpiled, wishes.seed, run, user_messenger)
    user_messenger.publish(PrimitiveResult(results, metadata=wishes.metadata), final=True)
