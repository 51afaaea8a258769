"""Aligns a quantum kernel with a data set: finds the kernel that classifies it best.

It trains a support vector machine on a parameterised quantum kernel, and lowers the machine's cost
over the kernel's parameters. ``kernel_inputs`` reads the inputs, ``fidelity_kernel`` evaluates the
kernel on the backend, ``alignment`` is the classical part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignment import align, average_last, find_cost, train
from fidelity_kernel import Array, FidelityKernel
from kernel_inputs import (
    choose_start,
    read_feature_map,
    read_labels,
    read_layout,
    read_points,
    read_test_set,
)

from qiskit_runtime.programs.inputs.checks import (
    MAX_SHOTS,
    check_integer,
    check_number,
    check_seed,
)

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def search(
    kernel: FidelityKernel,
    user_messenger: UserMessenger,
    start: Array,
    points: Array,
    labels: Array,
    steps: int,
    box: float,
) -> Array:
    """Return the aligned parameters; each step is published."""

    def cost(parameters: Array) -> float:
        return find_cost(kernel.evaluate(parameters, points), labels, box)

    # One more than the steps: the final kernel is as much work as half of one.
    user_messenger.report_progress(0, steps + 1)
    found, costs = [], []
    for value, parameters in align(cost, start, steps):
        found.append(parameters)
        costs.append(value)
        user_messenger.publish({"cost": value, "kernel_parameters": parameters})
        user_messenger.report_progress(len(found), steps + 1, best=min(costs))
    return average_last(found) if found else start


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    feature_map: Any,
    data: Any,
    labels: Any,
    initial_kernel_parameters: Any = None,
    maxiters: int = 1,
    C: float = 1,  # noqa: N803  (the name that clients send)
    initial_layout: Any = None,
    shots: int | None = 8192,
    test_data: Any = None,
    test_labels: Any = None,
    seed_simulator: int | None = None,
    seed_transpiler: int | None = None,
) -> None:
    """Publish each step, then the aligned parameters, their kernel matrix and its accuracy.

    ``quantum_kernel_alignment.json`` describes the parameters. A mistake in an input raises a
    ValueError that names its field, before anything runs.
    """
    features = read_feature_map(feature_map)
    points = read_points("data", data, features.feature_dimension)
    classes = read_labels("labels", labels, len(points))
    tests = read_test_set(test_data, test_labels, features.feature_dimension)
    steps = check_integer("maxiters", maxiters, 0)
    box = check_number("C", C, 1e-12)
    seed = check_seed("seed_simulator", seed_simulator)
    start = choose_start(initial_kernel_parameters, features.num_qubits, seed)
    kernel = FidelityKernel(
        backend,
        features,
        None if shots is None else check_integer("shots", shots, 1, MAX_SHOTS),
        seed,
        check_seed("seed_transpiler", seed_transpiler),
        read_layout(initial_layout, features.num_qubits, backend.num_qubits),
    )
    aligned = search(kernel, user_messenger, start, points, classes, steps, box)
    matrix = kernel.evaluate(aligned, points)
    machine = train(matrix, classes, box)
    final: dict[str, Any] = {
        "aligned_kernel_parameters": aligned,
        "aligned_kernel_matrix": matrix,
        "accuracy": float(machine.score(matrix, classes)),
    }
    if tests is not None:
        rows = kernel.evaluate(aligned, tests[0], points)
        final["test_accuracy"] = float(machine.score(rows, tests[1]))
    user_messenger.report_progress(steps + 1, steps + 1, best=find_cost(matrix, classes, box))
    user_messenger.publish(final, final=True)
