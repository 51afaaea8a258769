"""The variational quantum eigensolver: the smallest eigenvalue of an operator on an ansatz.

Inputs are checked first, so that a mistake names its field and costs no run. The ansatz is
transpiled once. The parts are in the rooms of ``qiskit_runtime.programs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qiskit_runtime.programs.inputs import checks as inputs
from qiskit_runtime.programs.inputs import operators
from qiskit_runtime.programs.inputs.circuits import read_ansatz, read_layout
from qiskit_runtime.programs.inputs.parameters import read_point
from qiskit_runtime.programs.optimize import eigensolver
from qiskit_runtime.programs.optimize.optimizers import read_optimizer
from qiskit_runtime.programs.simulate.placed_circuit import place_circuit
from qiskit_runtime.programs.simulate.simulation import Simulation

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

MITIGATION = "measurement_error_mitigation"


def choose_point(initial_point: Any, initial_parameters: Any) -> tuple[str, Any]:
    """Return the initial point by its name; ``initial_parameters`` is its name of 2021."""
    if initial_parameters is None:
        return "initial_point", initial_point
    if initial_point is not None:
        raise ValueError("initial_parameters: is the old name of initial_point; give one of them")
    return "initial_parameters", initial_parameters


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    ansatz: Any = None,
    operator: Any = None,
    optimizer: Any = None,
    initial_point: Any = None,
    initial_parameters: Any = None,
    aux_operators: Any = None,
    shots: int | None = 1024,
    measurement_error_mitigation: bool = False,
    initial_layout: Any = None,
    seed_simulator: int | None = None,
    seed_transpiler: int | None = None,
) -> None:
    """Publish ``[nfev, parameters, energy, stddev]`` for each evaluation, then the result.

    ``vqe.json`` describes the parameters and the result's fields.
    """
    inputs.require(ansatz=ansatz, operator=operator)
    circuit = read_ansatz("ansatz", ansatz)
    observable = operators.read_operator("operator", operator, circuit.num_qubits)
    aux = operators.read_aux_operators("aux_operators", aux_operators, circuit.num_qubits)
    minimizer = read_optimizer("optimizer", optimizer)
    minimizer.check_ansatz(circuit)
    simulation = Simulation(backend, shots, seed_simulator, seed_transpiler)
    name, point = choose_point(initial_point, initial_parameters)
    start = read_point(name, point, circuit.num_parameters, simulation.seeds.points)
    layout = read_layout(initial_layout, circuit.num_qubits, backend)
    mitigate = inputs.check_flag(MITIGATION, measurement_error_mitigation)

    placed = place_circuit(circuit, simulation, layout)
    inverses = None
    if mitigate:
        inverses = eigensolver.calibrate_readout(placed, simulation, MITIGATION)
    problem = eigensolver.Problem(circuit, placed, observable, simulation, aux, inverses)
    listen = eigensolver.publish_evaluations(user_messenger)
    result = eigensolver.solve(problem, minimizer, start, user_messenger, listen)
    user_messenger.publish(result, final=True)
