"""QAOA circuits routed by swap strategies: fixed layers of swaps along a line of qubits.

The terms of a cost operator commute, so each two-qubit term is applied when the layers have
brought its qubits together: far fewer swaps than a router needs that keeps the order
(arXiv:2202.03459).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.converters import circuit_to_dag
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap, PassManager
from qiskit.transpiler.passes.routing.commuting_2q_gate_routing import (
    Commuting2qGateRouter,
    FindCommutingPauliEvolutions,
    SwapStrategy,
)

_MAX_STEPS = 100_000
"""The longest search for a line: no device is worth a longer wait."""


def can_route(operator: SparsePauliOp) -> bool:
    """Return whether it has two-qubit terms, and no larger ones."""
    weights = operator.paulis.z.sum(axis=1)
    return bool(weights.max() == 2)


def find_line(coupling_map: CouplingMap, length: int) -> list[int] | None:
    """Return different qubits, each coupled with the next; None if the search found no line."""
    neighbors: dict[int, set[int]] = {qubit: set() for qubit in coupling_map.physical_qubits}
    for left, right in coupling_map.get_edges():
        neighbors[left].add(right)
        neighbors[right].add(left)
    # The device's ends first, and neighbours with few connections first: fewer dead ends.
    stack = [[qubit] for qubit in sorted(neighbors, key=lambda q: (-len(neighbors[q]), -q))]
    for _ in range(_MAX_STEPS):
        if not stack:
            return None
        line = stack.pop()
        if len(line) == length:
            return line
        onward = sorted(neighbors[line[-1]].difference(line), key=lambda q: (-len(neighbors[q]), q))
        stack += [[*line, qubit] for qubit in onward]
    return None


def order_along_line(operator: SparsePauliOp) -> list[int]:
    """Return a place on the line for each qubit, such that few layers of swaps are needed.

    The heuristic: the graph's reverse Cuthill-McKee order, which puts neighbours close together,
    where it needs fewer layers than the qubits' own order.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    width = operator.num_qubits
    edges = [pair for pair, _ in _edges(operator)]
    graph = np.zeros((width, width))
    for left, right in edges:
        graph[left, right] = graph[right, left] = 1
    order = reverse_cuthill_mckee(csr_array(graph), symmetric_mode=True)
    places = [int(place) for place in np.argsort(order)]
    distances = SwapStrategy.from_line(list(range(width))).distance_matrix

    def layers(at: Sequence[int]) -> tuple[int, int]:
        needed = [int(distances[at[left], at[right]]) for left, right in edges]
        return max(needed), sum(needed)

    return min(list(range(width)), places, key=layers)


def route(
    ansatz: QuantumCircuit, operator: SparsePauliOp, places: Sequence[int]
) -> tuple[QuantumCircuit, list[int]]:
    """Return the QAOA circuit on a line, with ``ansatz``'s parameters, and where its qubits end.

    One layer is routed, and every second one is applied backwards: that takes the qubits back to
    where they were. (Qiskit 2.6's router loses track of them in a second layer of its own.)

    Args:
        ansatz: The circuit of ``qaoa_ansatz``, whose parameters are all betas, then all gammas.
        operator: Its cost operator.
        places: Where on the line each qubit starts.
    """
    width = operator.num_qubits
    angle = Parameter("angle")
    layer, ends = _route_layer(operator, places, angle)
    parameters = list(ansatz.parameters)
    reps = len(parameters) // 2
    circuit = QuantumCircuit(width)
    circuit.h(range(width))
    at, other = list(places), ends
    for beta, gamma in zip(parameters[:reps], parameters[reps:], strict=True):
        circuit.compose(layer.assign_parameters({angle: gamma}), inplace=True)
        layer, at, other = layer.reverse_ops(), other, at
        for qubit, value in _single_terms(operator):
            circuit.rz(2 * value * gamma, at[qubit])
        circuit.rx(2 * beta, range(width))
    return circuit, at


def _route_layer(
    operator: SparsePauliOp, places: Sequence[int], angle: Parameter
) -> tuple[QuantumCircuit, list[int]]:
    """Return all two-qubit terms with the swaps that they need, and where each qubit ends."""
    width = operator.num_qubits
    terms = [("ZZ", [places[a], places[b]], value) for (a, b), value in _edges(operator)]
    evolution = PauliEvolutionGate(SparsePauliOp.from_sparse_list(terms, width), angle)
    circuit = QuantumCircuit(width, width)
    circuit.append(evolution, range(width))
    # The router moves these with the qubits, and so shows where each one ends.
    circuit.measure(list(places), range(width))
    # Each edge of the line has its colour: the order of the gates then does not vary.
    coloring = {
        edge: place % 2
        for place in range(width - 1)
        for edge in ((place, place + 1), (place + 1, place))
    }
    strategy = SwapStrategy.from_line(list(range(width)))
    passes = PassManager(
        [FindCommutingPauliEvolutions(), Commuting2qGateRouter(strategy, coloring)]
    )
    routed = passes.run(circuit)
    ends = {
        routed.find_bit(item.clbits[0]).index: routed.find_bit(item.qubits[0]).index
        for item in routed.get_instructions("measure")
    }
    return _in_fixed_order(routed), [ends[qubit] for qubit in range(width)]


def _edges(operator: SparsePauliOp) -> list[tuple[tuple[int, int], float]]:
    """Return the pairs of qubits in two-qubit terms, with their coefficients."""
    return [
        ((int(qubits[0]), int(qubits[1])), value)
        for qubits, value in _supports(operator)
        if len(qubits) == 2
    ]


def _single_terms(operator: SparsePauliOp) -> list[tuple[int, float]]:
    return [(int(qubits[0]), value) for qubits, value in _supports(operator) if len(qubits) == 1]


def _supports(operator: SparsePauliOp) -> list[tuple[NDArray[np.intp], float]]:
    coefficients = operator.coeffs.real.tolist()
    return list(zip(map(np.flatnonzero, operator.paulis.z), coefficients, strict=True))


def _in_fixed_order(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with each layer of gates sorted: the router's order is a set's."""
    ordered = QuantumCircuit(circuit.num_qubits)
    for layer in circuit_to_dag(circuit).layers():
        gates = [
            (sorted(circuit.find_bit(qubit).index for qubit in node.qargs), node.op)
            for node in layer["graph"].op_nodes()
            if node.op.name != "measure"
        ]
        for places, gate in sorted(gates, key=lambda item: item[0]):
            ordered.append(gate, places)
    return ordered
