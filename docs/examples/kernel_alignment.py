"""Align a quantum kernel with two classes of points: how much better does it tell them apart?"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from qiskit_runtime.client import Client, Message, decode

Array = NDArray[np.float64]

PROGRAM = "quantum-kernel-alignment"
QUBITS = 4
EDGES = [[0, 1], [1, 2], [2, 3]]
START = 0.1


def make_points(rng: np.random.Generator, size: int, noise: float) -> tuple[Array, Array]:
    """Points of two classes in turn, two features a qubit.

    A point is a rotation of its class, one angle a qubit, after a random element of the group that
    leaves the graph state of EDGES as it is. The group hides the class from a kernel that does not
    know that state.
    """
    rotations = np.linspace(0.2, 0.5, QUBITS), np.linspace(-0.5, -0.1, QUBITS)
    points, labels = np.zeros((size, 2 * QUBITS)), np.tile([1.0, -1.0], size // 2)
    for point, label in zip(points, labels, strict=True):
        x = rng.integers(0, 2, QUBITS)
        z = np.zeros(QUBITS, int)
        for first, second in EDGES:
            z[first] ^= x[second]
            z[second] ^= x[first]
        point[0::2] = rotations[int(label < 0)] + x * np.pi / 2
        point[1::2] = z * np.pi / 2
    return points + rng.normal(0, noise, points.shape), labels


def make_params(seed: int, size: int) -> dict[str, Any]:
    """The parameters that both jobs share: a training set, a test set, and the feature map."""
    rng = np.random.default_rng(seed)
    data, labels = make_points(rng, size, noise=0.12)
    test_data, test_labels = make_points(rng, size, noise=0.12)
    return {
        "feature_map": {"feature_dimension": 2 * QUBITS, "entangler_map": EDGES},
        "data": data,
        "labels": labels,
        "test_data": test_data,
        "test_labels": test_labels,
        "initial_kernel_parameters": [START],
        "seed_simulator": seed,
    }


def align(client: Client, params: dict[str, Any]) -> tuple[list[float], dict[str, Any]]:
    """Run the alignment; print each step as it comes, and return the costs and the result."""
    costs: list[float] = []
    job = client.run(PROGRAM, params=params)
    for event in job.stream():
        if isinstance(event, Message) and not event.final:
            step = decode(event.text)
            costs.append(step["cost"])
            angle = float(step["kernel_parameters"][0])
            print(f"step {len(costs):2}: cost {costs[-1]:7.4f}, parameter {angle:.4f}")
    return costs, job.result()


def show_kernel(axes: Axes, result: dict[str, Any], labels: Array, title: str) -> None:
    """Draw the kernel of the training points, sorted by class."""
    order = np.argsort(labels, kind="stable")
    kernel = np.array(result["aligned_kernel_matrix"])[np.ix_(order, order)]
    end = len(kernel) + 0.5
    image = axes.imshow(kernel, vmin=0, vmax=1, extent=(0.5, end, end, 0.5))
    axes.figure.colorbar(image, ax=axes, label="kernel entry (fidelity)", shrink=0.85)
    axes.set(
        title=f"{title}: {result['test_accuracy']:.0%} of the test points right",
        xlabel="training point, sorted by class",
        ylabel="training point, sorted by class",
    )


def draw(
    costs: list[float], before: dict[str, Any], after: dict[str, Any], labels: Array
) -> plt.Figure:
    """The cost of each step, and the kernel before and after."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    axes[0].plot(range(1, len(costs) + 1), costs, "o-", color="tab:blue", ms=4)
    axes[0].set(
        title="The cost falls",
        xlabel="step of SPSA",
        ylabel="cost of the classifier (its dual value)",
    )
    axes[0].set_ylim(bottom=0)
    for each in axes:
        each.xaxis.get_major_locator().set_params(integer=True)
    show_kernel(axes[1], before, labels, "Before")
    show_kernel(axes[2], after, labels, "After")
    return figure


def main() -> None:
    """Try the kernel as it is, align it, try it again; print and draw what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", type=Path, help="write the figure to this file")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", type=int, default=16, help="points of a set; even")
    parser.add_argument("--shots", type=int, default=1024, help="0 for exact kernels")
    parser.add_argument("--seed", type=int, default=7, help="the same seed, the same numbers")
    options = parser.parse_args()

    params = make_params(options.seed, options.size) | {"shots": options.shots or None}
    with Client() as client:
        before = client.run(PROGRAM, params=params, maxiters=0).result()
        costs, after = align(client, params | {"maxiters": options.steps})
    print(f"\n{'':12}{'parameter':>10}{'training':>10}{'test':>8}")
    for name, result in (("before", before), ("after", after)):
        accuracies = f"{result['accuracy']:10.0%}{result['test_accuracy']:8.0%}"
        print(f"{name:12}{float(result['aligned_kernel_parameters'][0]):10.4f}{accuracies}")
    figure = draw(costs, before, after, params["labels"])
    if options.save:
        options.save.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(options.save, dpi=80)
        print(f"\nThe figure is in {options.save}")
    else:
        plt.show()


if __name__ == "__main__":
    main()
