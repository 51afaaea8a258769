"""Expectation values: exact ones by NumPy, sampled ones within an honest deviation."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator

from qiskit_runtime.programs.estimate.expectation import make_expectation
from qiskit_runtime.programs.estimate.fidelity import make_fidelity
from qiskit_runtime.programs.simulate.memory import TooLarge
from qiskit_runtime.programs.simulate.placed_circuit import place_circuit
from qiskit_runtime.programs.simulate.simulation import Simulation
from tests.programs.drawn import draw_rng, draw_terms, misread, to_matrix


def by_numpy(ansatz, terms, points):
    """The values by state vectors and matrices."""
    states = [Statevector(ansatz.assign_parameters(point)).data for point in points]
    return [(state.conj() @ to_matrix(terms) @ state).real for state in states]


@pytest.mark.parametrize("coupled", [False, True])
def test_exact_values(coupled):
    """Without shots values are NumPy's, at all points of a batch, wherever the qubits end."""
    rng, seed = draw_rng()
    backend = AerSimulator()
    if coupled:
        backend = AerSimulator(
            coupling_map=CouplingMap.from_line(6), basis_gates=["rz", "sx", "x", "cx"]
        )
    ansatz = efficient_su2(4, reps=1, entanglement="full")
    terms = draw_terms(rng, 4, 20)
    simulation = Simulation(backend, None, 1)
    expectation = make_expectation(
        place_circuit(ansatz, simulation), SparsePauliOp.from_list(terms), simulation
    )
    points = rng.uniform(-3, 3, (7, 16))

    values, deviations = expectation.evaluate(points)
    assert values == pytest.approx(by_numpy(ansatz, terms, points), abs=1e-9), seed
    assert not deviations.any()


def test_exact_values_in_layouts_with_gaps():
    """Wherever drawn layouts put the qubits, and whatever routing touches, values are NumPy's."""
    rng, seed = draw_rng()
    backend = AerSimulator(
        coupling_map=CouplingMap.from_line(8), basis_gates=["rz", "sx", "x", "cx"]
    )
    for _ in range(12):
        width = int(rng.integers(2, 4))
        ansatz = efficient_su2(width, reps=1, entanglement="full")
        terms = draw_terms(rng, width, 6)
        simulation = Simulation(backend, None, 1)
        layout = rng.permutation(8)[:width].tolist()
        operator = SparsePauliOp.from_list(terms)
        transpiled = place_circuit(ansatz, simulation, layout)
        points = rng.uniform(-3, 3, (2, ansatz.num_parameters))
        values, _ = make_expectation(transpiled, operator, simulation).evaluate(points)
        assert values == pytest.approx(by_numpy(ansatz, terms, points), abs=1e-9), (seed, layout)
        # Probabilities, which tails and eigenstates are made of.
        diagonal = SparsePauliOp("Z" * width)
        tail = make_expectation(transpiled, diagonal, simulation, alpha=1 - 1e-12)
        exact = by_numpy(ansatz, [["Z" * width, 1]], points)
        assert tail.evaluate(points)[0] == pytest.approx(exact, abs=1e-9), (seed, layout)


def test_fidelity_on_a_coupled_device():
    """Although routing uses other qubits, the exact fidelity is still the overlap."""
    rng, seed = draw_rng()
    backend = AerSimulator(
        coupling_map=CouplingMap.from_line(8), basis_gates=["rz", "sx", "x", "cx"]
    )
    ansatz = efficient_su2(4, reps=1, entanglement="full")
    left, right = rng.uniform(-1, 1, (2, 16))
    states = [Statevector(ansatz.assign_parameters(point)).data for point in (left, right)]

    found = make_fidelity(ansatz, Simulation(backend, None, 1))(left, right)
    assert found == pytest.approx([abs(np.vdot(*states)) ** 2]), seed


def test_deviation_is_that_of_repeats():
    """The reported deviation is the one that repeats at one point show, over several bases."""
    rng, seed = draw_rng()
    ansatz = efficient_su2(2, reps=1)
    terms = draw_terms(rng, 2, 9)
    simulation = Simulation(AerSimulator(), 300)
    expectation = make_expectation(
        place_circuit(ansatz, simulation), SparsePauliOp.from_list(terms), simulation
    )
    point = rng.uniform(-3, 3, 8)
    values, deviations = expectation.evaluate(np.tile(point, (300, 1)))

    [exact] = by_numpy(ansatz, terms, [point])
    assert abs(values.mean() - exact) < 6 * deviations.mean() / 300**0.5 + 1e-9, seed
    assert 0.8 < values.std() / deviations.mean() < 1.25, seed


def test_unused_parameters_and_constant_operators():
    """An operator of I alone is its coefficient; a parameter without effect is no matter."""
    ansatz = QuantumCircuit(1)
    angles = ParameterVector("angle", 2)
    ansatz.ry(angles[0], 0)
    ansatz.p(0 * angles[1], 0)
    for shots in (None, 10):
        simulation = Simulation(AerSimulator(), shots, 1)
        transpiled = place_circuit(ansatz, simulation)
        constant = make_expectation(transpiled, SparsePauliOp("I", 2.5), simulation)
        values, deviations = constant.evaluate(np.zeros((3, 2)))
        assert values.tolist() == [2.5] * 3
        assert deviations.tolist() == [0] * 3


def test_fidelity_is_the_overlap():
    """The fidelity of drawn points is the squared overlap of their states."""
    rng, seed = draw_rng()
    ansatz = efficient_su2(3, reps=1)
    left, right = rng.uniform(-1, 1, (2, 5, 12))
    exact = [
        abs(
            np.vdot(
                Statevector(ansatz.assign_parameters(a)).data,
                Statevector(ansatz.assign_parameters(b)).data,
            )
        )
        ** 2
        for a, b in zip(left, right)
    ]

    assert make_fidelity(ansatz, Simulation(AerSimulator(), None))(left, right) == pytest.approx(
        exact
    ), seed
    sampled = make_fidelity(ansatz, Simulation(AerSimulator(), 10_000))
    assert sampled(left, right) == pytest.approx(exact, abs=0.03), seed
    assert sampled(left[0], right[0]) == pytest.approx(exact[:1], abs=0.03), seed


def test_memory_is_that_of_the_method():
    """Exact values under noise need a density matrix; shots need what the backend's method does."""
    ansatz = efficient_su2(10, reps=1)
    backend = AerSimulator(
        method="statevector", noise_model=misread((0.1, 0.1)).options.noise_model, max_memory_mb=8
    )

    place_circuit(ansatz, Simulation(backend, 100))
    with pytest.raises(TooLarge, match="density matrix"):
        place_circuit(ansatz, Simulation(backend, None))
