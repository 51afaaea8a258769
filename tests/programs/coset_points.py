"""Data that a quantum kernel separates: noisy points of two cosets of a graph's stabilizers.

The recipe of Glick et al., arXiv:2105.03406. A stabilizer leaves the graph state as it is, so all
points of one coset have one and the same state where the kernel's parameter is pi/2.
"""

import numpy as np

EDGES = {
    7: [(0, 2), (3, 4), (2, 5), (1, 4), (2, 3), (4, 6)],
    10: [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (1, 2), (3, 4), (5, 6), (7, 8)],
}
"""The two graphs of the tutorial of 2021, by their number of qubits."""


def draw_points(num_qubits, edges, size, rng, noise=0.01):
    """As many points of two features a qubit, and their classes, 1 and -1 in turn."""
    centers = rng.uniform(0, np.pi / 2, (2, num_qubits, 2))
    labels = np.resize([1.0, -1.0], size)
    points = np.empty((size, num_qubits, 2))
    for point, label in zip(points, labels):
        flips = rng.integers(0, 2, num_qubits)
        phases = np.zeros(num_qubits, dtype=int)
        for left, right in edges:
            phases[left] ^= flips[right]
            phases[right] ^= flips[left]
        center = centers[int(label < 0)]
        # An X before a rotation about Z is one after it, and turns it round.
        point[:, 0] = center[:, 0] + np.pi / 2 * flips
        point[:, 1] = center[:, 1] * (-1.0) ** flips + np.pi / 2 * phases
    points += noise * rng.normal(size=points.shape)
    return points.reshape(size, -1), labels
