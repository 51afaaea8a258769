"""Lines on devices, and places on lines."""

from itertools import pairwise

import numpy as np
import pytest
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap

from qiskit_runtime.programs.optimize.swap_routing import can_route, find_line, order_along_line
from tests.programs.drawn import draw_rng


@pytest.mark.parametrize(
    ("device", "length"),
    [
        (CouplingMap.from_line(9), 9),
        (CouplingMap.from_grid(4, 5), 20),
        (CouplingMap.from_heavy_hex(5), 30),
        (CouplingMap.from_ring(7), 7),
    ],
)
def test_lines(device, length):
    """A line has different qubits, each coupled with the next."""
    line = find_line(device, length)

    assert len(set(line)) == length
    edges = {frozenset(edge) for edge in device.get_edges()}
    assert all(frozenset(edge) in edges for edge in pairwise(line))


def test_no_line():
    """A device that is too small, or not connected so, has none."""
    assert find_line(CouplingMap.from_line(3), 4) is None
    star = CouplingMap([(0, leaf) for leaf in range(1, 6)])
    assert find_line(star, 4) is None


def test_places_are_a_permutation():
    """Each qubit gets its own place, whatever the graph is."""
    rng, seed = draw_rng()
    for _ in range(20):
        width = int(rng.integers(2, 9))
        pairs = [(a, b) for a in range(width) for b in range(a)]
        chosen = [pairs[i] for i in rng.permutation(len(pairs))[: max(len(pairs) // 2, 1)]]
        operator = SparsePauliOp.from_sparse_list([("ZZ", pair, 1.0) for pair in chosen], width)
        assert sorted(order_along_line(operator)) == list(range(width)), seed


def test_what_can_be_routed():
    """Two-qubit terms, and nothing larger."""
    assert can_route(SparsePauliOp(["ZZI", "IIZ", "III"], np.ones(3)))
    assert not can_route(SparsePauliOp(["ZZZ", "ZZI"], np.ones(2)))
    assert not can_route(SparsePauliOp(["IIZ"], np.ones(1)))
