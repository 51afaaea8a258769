"""qaoa: the ring of four, graphs by brute force, swap strategies, CVaR, fields, refusals."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from qiskit.circuit.library import qaoa_ansatz
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import CouplingMap
from qiskit_aer import AerSimulator

from tests.programs.drawn import (
    check_progress,
    check_result,
    draw_rng,
    draw_terms,
    misread,
    post,
    to_matrix,
)

RING = [["IIZZ", 1], ["IZZI", 1], ["ZZII", 1], ["ZIIZ", 1]]
COBYLA = {"name": "COBYLA", "maxiter": 500}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(load_program, load_metadata, decoding_messenger):
    """Run the program with encoded parameters that the schema allows; give the result."""
    metadata = load_metadata("qaoa")

    def run_program(backend=None, **params):
        decoding_messenger.__init__()
        params = post(metadata, params)
        load_program("qaoa").main(backend or AerSimulator(), decoding_messenger, **params)
        [final] = decoding_messenger.final
        check_result(metadata, final)
        check_progress(decoding_messenger.progress, final["cost_function_evals"])
        assert len(decoding_messenger.interim) == final["cost_function_evals"]
        return final

    return run_program


def draw_graph(rng, width):
    """The cost of a drawn graph's cut, and its values for all assignments, one by one."""
    pairs = [(a, b) for a in range(width) for b in range(a)]
    chosen = [pairs[index] for index in rng.permutation(len(pairs))[: width + 1]]
    weights = rng.uniform(0.5, 2, len(chosen))
    terms = [
        ["".join("Z" if width - 1 - q in pair else "I" for q in range(width)), float(weight)]
        for pair, weight in zip(chosen, weights)
    ]
    values = [
        sum(
            weight * (1 if (x >> a & 1) == (x >> b & 1) else -1)
            for (a, b), weight in zip(chosen, weights)
        )
        for x in range(2**width)
    ]
    return terms, np.array(values)


def coupled():
    """A device without noise, whose qubits are coupled as in a heavy hexagon."""
    return AerSimulator(
        coupling_map=CouplingMap.from_heavy_hex(3), basis_gates=["rz", "sx", "x", "cx"]
    )


# Known answers


@pytest.mark.parametrize(("reps", "best"), [(1, -2), (2, -4)])
def test_ring_of_four(run, reps, best):
    """The ring's best is -2 with one layer, and the exact -4 with two."""
    found = min(
        run(operator=RING, reps=reps, optimizer=COBYLA, shots=None, seed_simulator=seed)[
            "optimal_value"
        ]
        for seed in (1, 2, 3)
    )

    assert found == pytest.approx(best, abs=1e-3)


def test_names_alone(run):
    """An optimizer may be its name, and an operator its label; a seed is as large as Aer's."""
    result = run(operator="ZZ", optimizer="COBYLA", shots=None, seed_transpiler=2**63 - 1)

    assert -1 <= result["optimal_value"] < 0


def test_ring_with_the_defaults(run):
    """SPSA with 300 steps from a random start comes near -2 with 1024 shots, and no start given."""
    result = run(operator=SparsePauliOp.from_list(RING), initial_point=None, seed_simulator=1)

    assert result["optimal_value"] == pytest.approx(-2, abs=0.2)
    assert result["inputs"]["optimizer"] is None
    assert result["cost_function_evals"] == 651


# Answers by brute force


def test_drawn_graphs(run):
    """The cut of a drawn graph that is likely at the end is nearly the best of all cuts."""
    rng, seed = draw_rng()
    terms, values = draw_graph(rng, 5)
    result = min(
        (
            run(
                operator=terms,
                reps=3,
                optimizer={"name": "L-BFGS-B", "maxiter": 60},
                initial_point=rng.uniform(-0.5, 0.5, 6),
                shots=None,
            )
            for _ in range(3)
        ),
        key=lambda result: result["optimal_value"],
    )

    assert values.min() - 1e-9 <= result["optimal_value"] < 0.6 * values.min(), seed
    likely = sorted(result["eigenstate"], key=result["eigenstate"].get)[-6:]
    # The cost does not change when all bits flip: half of these are different cuts.
    assert min(values[int(bits, 2)] for bits in likely) <= 0.8 * values.min(), seed


@pytest.mark.parametrize("mapping", [False, True])
@pytest.mark.parametrize("swaps", [False, True])
@pytest.mark.parametrize("shots", [None, 4096])
def test_energies_on_a_coupled_device(run, decoding_messenger, mapping, swaps, shots):
    """However it is routed, the energy is NumPy's for the state of Qiskit's own ansatz."""
    rng, seed = draw_rng()
    terms = draw_graph(rng, 6)[0] + [["IIIIIZ", 0.7], ["IZIIII", -0.4], ["IIIIII", 3.0]]
    aux = draw_terms(rng, 6, 4)
    result = run(
        coupled(),
        operator=terms,
        reps=2,
        aux_operators=[aux],
        optimizer=COBYLA | {"maxiter": 6},
        shots=shots,
        use_swap_strategies=swaps,
        use_initial_mapping=mapping,
    )

    ansatz = qaoa_ansatz(SparsePauliOp.from_list(terms), reps=2)

    def exact(point, operator):
        state = Statevector(ansatz.assign_parameters(point)).data
        return (state.conj() @ to_matrix(operator) @ state).real

    for _, point, energy, deviation in decoding_messenger.interim:
        assert abs(energy - exact(point, terms)) < 6 * deviation + 1e-9, seed
    [found] = result["aux_operator_eigenvalues"]
    spread = 0 if shots is None else 6 * sum(abs(value) for _, value in aux) / shots**0.5
    assert abs(found - exact(result["optimal_point"], aux)) < spread + 1e-9, seed


@pytest.mark.parametrize("shots", [None, 20000])
def test_cvar(run, decoding_messenger, shots):
    """With alpha the energy is the mean of the lowest share of the values, by sorting them."""
    rng, seed = draw_rng()
    terms, values = draw_graph(rng, 4)
    alpha = float(rng.uniform(0.1, 0.9))
    run(operator=terms, alpha=alpha, optimizer=COBYLA | {"maxiter": 5}, shots=shots)

    ansatz = qaoa_ansatz(SparsePauliOp.from_list(terms))
    for _, point, energy, deviation in decoding_messenger.interim:
        shares = np.abs(Statevector(ansatz.assign_parameters(point)).data) ** 2
        left, tail = alpha, 0.0
        for index in np.argsort(values):
            taken = min(left, shares[index])
            tail, left = tail + taken * values[index], left - taken
        assert abs(energy - tail / alpha) < 6 * deviation + 1e-9, seed
        assert shots is not None or deviation == 0


def test_mitigation(run, decoding_messenger):
    """Mitigated energies are near those without misreading; so are tails of mitigated counts."""
    backend = misread(*[(0.05, 0.15)] * 4)
    problem = {
        "operator": RING,
        "optimizer": COBYLA | {"maxiter": 4},
        "initial_point": [np.pi * 3 / 8, np.pi / 8],
        "shots": 8192,
    }
    run(backend, **problem)
    raw = decoding_messenger.interim[0][2]
    run(backend, **problem, measurement_error_mitigation=True)
    mitigated = decoding_messenger.interim[0][2]
    run(backend, **problem, measurement_error_mitigation=True, alpha=0.25)
    tail = decoding_messenger.interim[0][2]

    assert raw > -1.5
    assert mitigated == pytest.approx(-2, abs=0.15)
    assert tail < -3.5


# The result, and reruns


def test_every_field(run):
    """The result has the fields of vqe, the inputs, and a history with each evaluation."""
    result = run(
        operator=SparsePauliOp.from_list(RING),
        optimizer={"name": "SPSA", "maxiter": 3},
        aux_operators=[SparsePauliOp("ZZZZ"), [["XIII", 1]]],
        reps=2,
        seed_simulator=8,
    )

    assert result["optimal_point"].shape == (4,)
    assert result["optimal_parameters"] is None
    assert len(result["aux_operator_eigenvalues"]) == 2
    history = result["optimizer_history"]
    assert set(history) == {"nfevs", "params", "energy", "std"}
    assert history["nfevs"] == list(range(1, result["cost_function_evals"] + 1))
    assert history["params"][-1] == result["optimal_point"].tolist()
    assert history["energy"][-1] == result["optimal_value"] == result["eigenvalue"]
    assert min(history["std"]) > 0
    assert sorted(result["inputs"]["operator"]) == sorted(RING)
    assert result["inputs"]["aux_operators"] == [[["ZZZZ", 1]], [["XIII", 1]]]
    assert result["inputs"] | {"reps": 2, "shots": 1024, "alpha": 1} == result["inputs"]


RERUN = """
import importlib.util, sys
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit.transpiler import CouplingMap
path = "qiskit_runtime/programs/library/qaoa/qaoa.py"
spec = importlib.util.spec_from_file_location("qaoa", path)
qaoa = importlib.util.module_from_spec(spec)
spec.loader.exec_module(qaoa)
noise = NoiseModel(basis_gates=["rz", "sx", "x", "cx"])
noise.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cx"])
backend = AerSimulator(noise_model=noise, coupling_map=CouplingMap.from_line(6),
                       basis_gates=["rz", "sx", "x", "cx"])
class Messenger:
    def publish(self, message, final=False):
        print([message[0], list(message[1]), *message[2:]] if not final else "")
    def report_progress(self, *_, **__):
        pass
ring = [["IIZZ", 1], ["IZZI", 1], ["ZZII", 1], ["ZIIZ", 1], ["IZIZ", 2]]
qaoa.main(backend, Messenger(), ring, {"name": "SPSA", "maxiter": 2, "learning_rate": 0.1,
          "perturbation": 0.1}, reps=2, seed_simulator=int(sys.argv[1]))
"""


def test_same_seed_same_run_in_another_process():
    """A seed repeats a job to the bit, also where sets are ordered otherwise."""

    def messages(seed, hash_seed):
        return subprocess.run(
            [sys.executable, "-c", RERUN, seed],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    first = messages("4", "1")
    assert len(first.splitlines()) == 6
    assert messages("4", "2") == first
    assert messages("5", "1") != first


def test_fewer_swaps_for_a_shuffled_line(load_program):
    """The initial mapping finds the line in a shuffled chain: no swaps, fewer gates."""
    program = load_program("qaoa")
    order = [3, 0, 4, 1, 5, 2]
    terms = [("ZZ", pair, 1.0) for pair in pairwise(order)]
    cost = SparsePauliOp.from_sparse_list(terms, 6)
    circuit = qaoa_ansatz(cost)
    simulation = program.Simulation(coupled(), 100, 1)
    gates = {
        mapping: program.place_on_line(circuit, cost, simulation, mapping, 1).circuit.count_ops()[
            "cx"
        ]
        for mapping in (False, True)
    }

    assert gates[True] == 2 * 5
    assert gates[False] > gates[True]


@pytest.mark.parametrize(
    ("begin", "params"),
    [
        ("operator: mandatory", {"operator": None}),
        ("operator: must be diagonal", {"operator": [["ZX", 1]]}),
        ("operator: has no term with a Z", {"operator": [["II", 1]]}),
        ("operator: is not Hermitian", {"operator": [["ZZ", 1j]]}),
        ("use_pulse_efficient: Qiskit 2 has no pulse", {"use_pulse_efficient": True}),
        ("alpha: expected", {"alpha": 0}),
        ("alpha: expected", {"alpha": 1.5}),
        ("reps: expected", {"reps": 0}),
        (
            "initial_point: has 3 numbers, but the circuit has 4",
            {"reps": 2, "initial_point": [0] * 3},
        ),
        ("optimizer: there is no", {"optimizer": {"name": "Adam"}}),
        ("optimization_level: ", {"optimization_level": 4}),
        ("use_swap_strategies: ", {"use_swap_strategies": "no"}),
        (r"aux_operators\[0\]: acts on", {"aux_operators": [[["Z", 1]]]}),
        ("shots: ", {"shots": -1}),
    ],
)
def test_names_the_wrong_field(load_program, messenger, begin, params):
    """A mistake is refused by its field's name, before anything runs."""
    with pytest.raises(ValueError, match=f"^{begin}"):
        load_program("qaoa").main(AerSimulator(), messenger, **({"operator": RING} | params))
    assert messenger.final == messenger.interim == []
