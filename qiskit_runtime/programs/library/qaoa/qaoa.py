"""QAOA: the smallest eigenvalue of a diagonal operator, such as the cost of a cut of a graph.

On a backend whose qubits are not all coupled, swap strategies route the circuit along a line of
qubits. The parts are in the rooms of ``qiskit_runtime.programs``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qiskit.circuit.library import qaoa_ansatz

from qiskit_runtime.programs.inputs import checks as inputs
from qiskit_runtime.programs.inputs import operators
from qiskit_runtime.programs.inputs.parameters import read_point
from qiskit_runtime.programs.optimize import eigensolver, swap_routing
from qiskit_runtime.programs.optimize.minimization import Listener
from qiskit_runtime.programs.optimize.optimizers import read_optimizer
from qiskit_runtime.programs.simulate.placed_circuit import PlacedCircuit, place_circuit
from qiskit_runtime.programs.simulate.simulation import Simulation

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

MAX_REPS = 1000
MITIGATION = "measurement_error_mitigation"


def read_cost(value: Any) -> SparsePauliOp:
    """Return the operator, which must be diagonal."""
    operator = operators.read_operator("operator", value)
    if not operators.is_diagonal(operator):
        raise ValueError("operator: must be diagonal: made of the Paulis I and Z alone")
    if not operator.paulis.z.any():
        raise ValueError("operator: has no term with a Z; there is nothing to minimise")
    return operator


def read_alpha(value: Any) -> float:
    """Return the share of the best shots that count: over 0, and 1 at most."""
    alpha = inputs.check_number("alpha", value)
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha: expected a number over 0 and up to 1, got {value!r}")
    return alpha


def place_on_line(
    circuit: QuantumCircuit,
    cost: SparsePauliOp,
    simulation: Simulation,
    use_initial_mapping: bool,
    optimization_level: int,
) -> PlacedCircuit | None:
    """Return the ansatz by a swap strategy; None if the device or operator has no use for one."""
    coupling_map = simulation.backend.coupling_map
    if coupling_map is None or not swap_routing.can_route(cost):
        return None
    line = swap_routing.find_line(coupling_map, cost.num_qubits)
    if line is None:
        print(f"No line of {cost.num_qubits} qubits found: the transpiler routes by itself.")
        return None
    places = list(range(cost.num_qubits))
    if use_initial_mapping:
        places = swap_routing.order_along_line(cost)
    routed, ends = swap_routing.route(circuit, cost, places)
    on_line = place_circuit(routed, simulation, line, optimization_level)
    return replace(
        on_line,
        qubits=[on_line.qubits[end] for end in ends],
        parameters=list(circuit.parameters),
    )


def describe_inputs(given: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs as the result repeats them: operators as [label, coefficient] pairs."""
    described = {name: given[name] for name in given if name not in {"backend", "user_messenger"}}
    described["operator"] = _describe(given["operator"])
    aux = given["aux_operators"]
    if isinstance(aux, dict):
        described["aux_operators"] = {name: _describe(item) for name, item in aux.items()}
    elif isinstance(aux, list | tuple):
        described["aux_operators"] = [_describe(item) for item in aux]
    return described


def _describe(operator: Any) -> Any:
    if not hasattr(operator, "to_list"):
        return operator
    return [
        [label, value.real if value.imag == 0 else value] for label, value in operator.to_list()
    ]


def keep_history(history: dict[str, list[Any]], messenger: UserMessenger) -> Listener:
    """Return a listener that appends each evaluation to the history, and publishes it."""
    publish = eigensolver.publish_evaluations(messenger)

    def listen(number: int, point: Any, energy: float, deviation: float) -> None:
        history["nfevs"].append(number)
        history["params"].append(point.tolist())
        history["energy"].append(energy)
        history["std"].append(deviation)
        publish(number, point, energy, deviation)

    return listen


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    operator: Any = None,
    optimizer: Any = None,
    initial_point: Any = None,
    aux_operators: Any = None,
    reps: int = 1,
    shots: int | None = 1024,
    alpha: float = 1.0,
    measurement_error_mitigation: bool = False,
    use_swap_strategies: bool = True,
    use_pulse_efficient: bool = False,
    optimization_level: int = 1,
    use_initial_mapping: bool = False,
    seed_simulator: int | None = None,
    seed_transpiler: int | None = None,
) -> None:
    """Publish ``[nfev, parameters, energy, stddev]`` for each evaluation, then the result.

    ``qaoa.json`` describes the parameters and the result's fields.
    """
    given = describe_inputs(locals())
    inputs.require(operator=operator)
    if use_pulse_efficient:
        raise ValueError("use_pulse_efficient: Qiskit 2 has no pulse module; leave it out")
    cost = read_cost(operator)
    depth = inputs.check_integer("reps", reps, 1, MAX_REPS)
    circuit = qaoa_ansatz(cost, reps=depth)
    aux = operators.read_aux_operators("aux_operators", aux_operators, cost.num_qubits)
    minimizer = read_optimizer("optimizer", optimizer, default_maxiter=300)
    minimizer.check_ansatz(circuit)
    simulation = Simulation(backend, shots, seed_simulator, seed_transpiler)
    start = read_point("initial_point", initial_point, 2 * depth, simulation.seeds.points)
    share = read_alpha(alpha)
    mitigate = inputs.check_flag(MITIGATION, measurement_error_mitigation)
    use_line = inputs.check_flag("use_swap_strategies", use_swap_strategies)
    use_mapping = inputs.check_flag("use_initial_mapping", use_initial_mapping)
    level = inputs.check_integer("optimization_level", optimization_level, 0, 3)

    ansatz = None
    if use_line:
        ansatz = place_on_line(circuit, cost, simulation, use_mapping, level)
    ansatz = ansatz or place_circuit(circuit, simulation, None, level)
    inverses = eigensolver.calibrate_readout(ansatz, simulation, MITIGATION) if mitigate else None
    problem = eigensolver.Problem(circuit, ansatz, cost, simulation, aux, inverses, share)
    history: dict[str, list[Any]] = {"nfevs": [], "params": [], "energy": [], "std": []}
    result = eigensolver.solve(
        problem, minimizer, start, user_messenger, keep_history(history, user_messenger)
    )
    result |= {"optimizer_history": history, "inputs": given}
    user_messenger.publish(result, final=True)
