"""The smallest eigenvalue by variation: what vqe and qaoa have in common.

A program checks its inputs and makes the circuit; ``solve`` does the rest, and returns what both
publish.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_runtime.programs.estimate.expectation import Inverses, make_expectation, make_reader
from qiskit_runtime.programs.estimate.fidelity import make_fidelity
from qiskit_runtime.programs.estimate.readout_mitigation import calibrate, measured_bits
from qiskit_runtime.programs.optimize.ansatz import TranspiledAnsatz
from qiskit_runtime.programs.optimize.minimization import Optimizer, OptimizerContext
from qiskit_runtime.programs.optimize.objective import Listener, Objective
from qiskit_runtime.programs.simulate.simulation import BoundRuns, Simulation

if TYPE_CHECKING:
    from qiskit_runtime.messenger import UserMessenger

Array = NDArray[np.float64]
AuxOperators = dict[str, SparsePauliOp] | list[SparsePauliOp] | None

_MAX_EXACT_QUBITS = 20
"""The probabilities of all outcomes are a vector of 2^n."""

_MAX_OUTCOMES = 4096
"""Of an exact eigenstate: more would only swell the result."""


@dataclass(frozen=True)
class Problem:
    """An operator to minimise on an ansatz, and how it is evaluated."""

    circuit: QuantumCircuit
    ansatz: TranspiledAnsatz
    operator: SparsePauliOp
    simulation: Simulation
    aux_operators: AuxOperators = None
    inverses: Inverses | None = None
    alpha: float = 1.0


def calibrate_readout(
    ansatz: TranspiledAnsatz, simulation: Simulation, field: str
) -> Inverses | None:
    """The inverse assignment matrices of the ansatz's qubits; None where nothing is sampled.

    Raises:
        ValueError: too many qubits; the text begins with ``field``.
    """
    if simulation.shots is None:
        return None
    bits = measured_bits(ansatz.measured_in("Z" * len(ansatz.qubits), {}), field)
    options = simulation.draw_options(len(ansatz.qubits))
    return calibrate(simulation.backend, [bits], options)


def solve(
    problem: Problem,
    optimizer: Optimizer,
    start: Array,
    messenger: "UserMessenger",
    listen: Listener,
) -> dict[str, Any]:
    """Minimise, then measure the state that was found: the result's fields."""
    expectation = make_expectation(
        problem.ansatz, problem.operator, problem.simulation, problem.inverses, problem.alpha
    )
    objective = Objective(expectation, messenger, listen)
    objective.total = optimizer.count_evaluations(len(start))
    around = OptimizerContext(
        seed=problem.simulation.seeds.optimizer,
        is_sampled=problem.simulation.shots is not None,
        make_fidelity=lambda: make_fidelity(problem.circuit, problem.simulation),
    )
    begin = time.perf_counter()
    minimum = optimizer.minimize(objective, start, around)
    seconds = time.perf_counter() - begin
    objective.finish()
    return {
        "optimizer_evals": minimum.evaluations,
        "optimizer_time": seconds,
        "optimal_value": minimum.value,
        "optimal_point": minimum.point,
        "optimal_parameters": None,
        "cost_function_evals": objective.evaluations,
        "eigenstate": _measure_state(problem, minimum.point),
        "eigenvalue": minimum.value,
        "aux_operator_eigenvalues": _measure_aux(problem, minimum.point),
        "optimizer_history": minimum.history,
        "optimizer_message": minimum.message,
    }


def publish_evaluations(messenger: "UserMessenger") -> Listener:
    """A listener that publishes ``[nfev, parameters, energy, stddev]`` for each evaluation."""
    return lambda number, point, value, deviation: messenger.publish(
        [number, point, value, deviation]
    )


def _measure_aux(problem: Problem, point: Array) -> dict[str, float] | list[float] | None:
    def measure(operator: SparsePauliOp) -> float:
        expectation = make_expectation(
            problem.ansatz, operator, problem.simulation, problem.inverses
        )
        return float(expectation.evaluate(point[None, :])[0][0])

    match problem.aux_operators:
        case None:
            return None
        case dict() as named:
            return {name: measure(operator) for name, operator in named.items()}
        case listed:
            return [measure(operator) for operator in listed]


def _measure_state(problem: Problem, point: Array) -> dict[str, float] | None:
    """The square roots of the outcomes' probabilities, by bits with qubit 0 last."""
    width = len(problem.ansatz.qubits)
    find = _find_sampled if problem.simulation.shots is not None else _find_exact
    if problem.simulation.shots is None and width > _MAX_EXACT_QUBITS:
        return None
    found = find(problem, point)
    return {
        f"{outcome:0{width}b}": float(share**0.5)
        for outcome, share in zip(*found, strict=True)
        if share > 0
    }


def _run_once(problem: Problem, circuit: QuantumCircuit, point: Array) -> Any:
    runs = BoundRuns(problem.simulation, [circuit], problem.ansatz.parameters)
    [[data]] = runs.run(point[None, :])
    return data


def _find_sampled(problem: Problem, point: Array) -> tuple[list[int], Array]:
    circuit = problem.ansatz.measured_in("Z" * len(problem.ansatz.qubits), {})
    read: Callable[..., tuple[list[int], Array]] = make_reader(problem.ansatz, problem.inverses)
    return read(_run_once(problem, circuit, point).counts)


def _find_exact(problem: Problem, point: Array) -> tuple[list[int], Array]:
    circuit = problem.ansatz.circuit.copy()
    circuit.save_probabilities(list(problem.ansatz.qubits), label="probabilities")
    shares = np.asarray(_run_once(problem, circuit, point).probabilities)
    likely = np.argsort(-shares, kind="stable")[:_MAX_OUTCOMES]
    likely = np.sort(likely[shares[likely] > 1e-12])
    return likely.tolist(), shares[likely]
