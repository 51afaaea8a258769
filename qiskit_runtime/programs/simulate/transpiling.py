"""The one door to Qiskit's transpiler.

Circuits are transpiled for the backend as the run's method simulates it (``targets``), with other
gates or connections where a client gave some.
"""

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager

from qiskit_runtime.contract.devices.simulators import CLIFFORD
from qiskit_runtime.programs.inputs.aer_options import read_edges
from qiskit_runtime.programs.simulate import targets
from qiskit_runtime.programs.simulate.circuit_words import describe
from qiskit_runtime.programs.simulate.memory import find_method

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

logger = logging.getLogger(__name__)


def transpile_circuits(
    backend: "AerSimulator",
    circuits: Sequence[QuantumCircuit],
    run_options: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> list[QuantumCircuit]:
    """Return the circuits, transpiled for a run with these options.

    ``arguments`` are those of Qiskit's ``transpile``. Circuits of one call share their passes,
    which each call builds, at a fixed cost.
    """
    has_angles = any(circuit.num_parameters for circuit in circuits)
    method = find_method(backend, circuits, run_options)
    if not targets.is_method(method):
        method = backend.options.method  # the run refuses it by its field
    options = _aim(backend, arguments, method, has_angles)
    began = time.perf_counter()
    transpiled: list[QuantumCircuit] = transpile(list(circuits), **options)
    _log_result(circuits, transpiled, began)
    return transpiled


def make_passes(
    backend: "AerSimulator",
    optimization_level: int,
    has_angles: bool = False,
    method: str | None = None,
    **arguments: Any,
) -> PassManager:
    """Return the passes that transpile for the backend; ``arguments`` as ``transpile`` has them.

    ``has_angles`` means that circuits have parameters whose values come later.
    """
    arguments["optimization_level"] = optimization_level
    return generate_preset_pass_manager(**_aim(backend, arguments, method, has_angles))


def run_passes(passes: PassManager, circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit as the passes of ``make_passes`` transpile it."""
    began = time.perf_counter()
    transpiled: QuantumCircuit = passes.run(circuit)
    _log_result([circuit], [transpiled], began)
    return transpiled


def find_target(
    backend: "AerSimulator",
    method: str | None = None,
    has_angles: bool = False,
    basis_gates: Sequence[str] | None = None,
    coupling_map: Any = None,
) -> Target:
    """Return the target; gates and connections that are None are the backend's own.

    Raises:
        ValueError: there is no such gate, or the map is no list of pairs.
    """
    own = backend.options.method
    changed = basis_gates is not None or coupling_map is not None
    if not changed and not has_angles and method in (None, own) and hasattr(backend, "device"):
        return backend.target  # made once
    device = targets.find_device(backend)
    if changed:
        device = targets.change_device(device, basis_gates, read_edges(coupling_map))
        targets.check_gates(basis_gates or (), method or own)
    return targets.fit_method(device, method or own, has_angles)


def _log_result(
    circuits: Sequence[QuantumCircuit], transpiled: Sequence[QuantumCircuit], began: float
) -> None:
    if logger.isEnabledFor(logging.INFO):
        seconds = time.perf_counter() - began
        before, after = describe(circuits), describe(transpiled)
        logger.info("transpiled %s to %s in %.3f s", before, after, seconds)


def _aim(
    backend: "AerSimulator",
    arguments: Mapping[str, Any],
    method: str | None,
    has_angles: bool,
) -> dict[str, Any]:
    """Return the arguments, with a target in the place of gates and connections."""
    options = dict(arguments)
    basis_gates, edges = options.pop("basis_gates", None), options.pop("coupling_map", None)
    method = method or backend.options.method
    if options.get("target") is None:
        options["target"] = find_target(backend, method, has_angles, basis_gates, edges)
    if options.get("dt") is not None:
        options["target"] = copy.deepcopy(options["target"])
        options["target"].dt = options["dt"]
    translation = targets.choose_translation(method)
    if translation is not None and options.get("translation_method") is None:
        options["translation_method"] = translation
    if has_angles and method == CLIFFORD:
        # From level 2 on gates are put together to rotations by any angle.
        options["optimization_level"] = min(options.get("optimization_level") or 0, 1)
    return options
