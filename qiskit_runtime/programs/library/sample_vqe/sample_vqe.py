"""A VQE to learn from: an ansatz by its name, a Hamiltonian as a list, a result as SciPy's.

The program ``vqe`` does more; both use the rooms of ``qiskit_runtime.programs``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit
from qiskit.circuit import library

from qiskit_runtime.contract.nearest import suggest
from qiskit_runtime.programs.estimate.expectation import make_expectation
from qiskit_runtime.programs.inputs import checks as inputs
from qiskit_runtime.programs.inputs import operators
from qiskit_runtime.programs.inputs.circuits import read_ansatz
from qiskit_runtime.programs.inputs.parameters import read_point
from qiskit_runtime.programs.optimize import eigensolver
from qiskit_runtime.programs.optimize.minimization import Minimum, Objective
from qiskit_runtime.programs.optimize.optimizers import is_spsa, read_optimizer
from qiskit_runtime.programs.simulate.placed_circuit import place_circuit
from qiskit_runtime.programs.simulate.simulation import Simulation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger

MITIGATION = "use_measurement_mitigation"

ANSATZES = {
    "EfficientSU2": library.efficient_su2,
    "RealAmplitudes": library.real_amplitudes,
    "ExcitationPreserving": library.excitation_preserving,
    "PauliTwoDesign": library.pauli_two_design,
    "TwoLocal": library.n_local,
    "NLocal": library.n_local,
}
"""Qiskit's circuits by the names of their old classes, made by its functions of today."""


def build_ansatz(name: Any, config: Any, num_qubits: int) -> QuantumCircuit:
    """Return the named circuit with these options.

    Raises:
        ValueError: an unknown name, or options that do not make a circuit.
    """
    if name not in ANSATZES:
        raise ValueError(
            f"ansatz: there is no {name!r}; there are {', '.join(ANSATZES)}"
            f"{suggest(name, ANSATZES)}"
        )
    function, options = ANSATZES[name], dict(config or {})
    known = set(inspect.signature(function).parameters) - {"num_qubits"}
    for option in options:
        if option not in known:
            raise ValueError(
                f"ansatz_config: {option!r} is no option of {name}: {', '.join(sorted(known))}"
                f"{suggest(option, known)}"
            )
    try:
        circuit = function(num_qubits, **options)
    except Exception as error:  # Qiskit raises many types for bad options
        raise ValueError(f"ansatz_config: does not make a {name}: {error}") from error
    return read_ansatz("ansatz", circuit)


def read_config(optimizer: Any, config: Any) -> dict[str, Any]:
    """Return the optimizer with its options, which default to 100 iterations."""
    if config is not None and not isinstance(config, dict):
        raise ValueError(f"optimizer_config: expected an object, got {config!r}")
    options: dict[str, Any] = {"maxiter": 100} | (config or {})
    if options["maxiter"] is None:
        options["maxiter"] = 100
    if "name" in options:
        raise ValueError("optimizer_config: 'name' is no option; it belongs into optimizer")
    if not is_spsa(optimizer):
        # SciPy's own options stand on one level with maxiter here, as in SciPy.
        common: dict[str, Any] = {
            name: options.pop(name) for name in ("maxiter", "tol") if name in options
        }
        options = common | {"options": options}
    return {"name": optimizer, **options}


def describe(minimum: Minimum) -> dict[str, Any]:
    """Return the fields of SciPy's ``OptimizeResult``."""
    return {
        "fun": minimum.value,
        "x": minimum.point,
        "nit": minimum.iterations,
        "nfev": minimum.evaluations,
        "message": minimum.message,
        "success": minimum.is_success,
    }


def main(
    backend: AerSimulator,
    user_messenger: UserMessenger,
    hamiltonian: Any = None,
    ansatz: str = "EfficientSU2",
    ansatz_config: dict[str, Any] | None = None,
    x0: Any = None,
    optimizer: str = "SPSA",
    optimizer_config: dict[str, Any] | None = None,
    shots: int | None = 8192,
    use_measurement_mitigation: bool = False,
    seed_simulator: int | None = None,
    seed_transpiler: int | None = None,
) -> None:
    """Publish the parameters after each step, then the result in the form of SciPy's.

    ``sample_vqe.json`` describes the parameters and the result's fields.
    """
    inputs.require(hamiltonian=hamiltonian)
    operator = operators.read_operator("hamiltonian", hamiltonian)
    circuit = build_ansatz(ansatz, ansatz_config, operator.num_qubits)
    minimizer = read_optimizer(
        "optimizer", read_config(optimizer, optimizer_config), options_name="optimizer_config"
    )
    minimizer.check_ansatz(circuit)
    simulation = Simulation(backend, shots, seed_simulator, seed_transpiler)
    start = read_point("x0", x0, circuit.num_parameters, simulation.seeds.points)
    mitigate = inputs.check_flag(MITIGATION, use_measurement_mitigation)

    placed = place_circuit(circuit, simulation)
    inverses = eigensolver.calibrate_readout(placed, simulation, MITIGATION) if mitigate else None
    expectation = make_expectation(placed, operator, simulation, inverses)
    objective = Objective(expectation, user_messenger)

    def publish_step(point: NDArray[np.float64]) -> None:
        user_messenger.publish(point.tolist())

    minimum = eigensolver.search(circuit, simulation, minimizer, objective, start, publish_step)
    user_messenger.publish(describe(minimum), final=True)
