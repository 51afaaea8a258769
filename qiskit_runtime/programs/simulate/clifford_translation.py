"""The transpiler's translation stage for methods of Clifford gates only.

Qiskit finds it as the entry point ``clifford`` of ``qiskit.transpiler.translation``; a backend of
such a method asks for it. At levels 2 and 3 the transpiler puts gates together to matrices, and
writes these as rotations by any angles; here a Clifford becomes Clifford gates again.
"""

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit.controlflow import CONTROL_FLOW_OP_NAMES
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.converters import circuit_to_dag
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford
from qiskit.transpiler import PassManager, PassManagerConfig, Target
from qiskit.transpiler.basepasses import TransformationPass
from qiskit.transpiler.passes import HighLevelSynthesis
from qiskit.transpiler.passes.utils import control_flow
from qiskit.transpiler.preset_passmanagers.builtin_plugins import DefaultTranslationPassManager
from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePlugin

MAX_QUBITS = 4
"""The largest gate that is compared with the Cliffords by its matrix."""


class CliffordTranslation(PassManagerStagePlugin):  # type: ignore[misc]  # (ships no types)
    """Qiskit's own translation stage, after Cliffords of any spelling are Clifford gates."""

    def pass_manager(
        self, pass_manager_config: PassManagerConfig, optimization_level: int | None = None
    ) -> PassManager:
        target = pass_manager_config.target
        names = {*get_standard_gate_name_mapping(), *CONTROL_FLOW_OP_NAMES, "unitary"}
        unroll = HighLevelSynthesis(
            hls_config=pass_manager_config.hls_config,
            basis_gates=sorted(names | set(target.operation_names)),
            qubits_initially_zero=pass_manager_config.qubits_initially_zero,
        )
        rest = DefaultTranslationPassManager().pass_manager(pass_manager_config, optimization_level)
        # Before the unrolling, for matrices, which it would write as rotations; and after it.
        recognise = RecogniseCliffords(target)
        return PassManager([recognise, unroll, recognise]) + rest


class RecogniseCliffords(TransformationPass):  # type: ignore[misc]  # (ships no types)
    """Replaces Cliffords that the target lacks by Clifford gates.

    The global phase is lost: a stabilizer state has no phase.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._names = set(target.operation_names)

    @control_flow.trivial_recurse  # type: ignore[untyped-decorator]  # (ships no types)
    def run(self, dag: Any) -> Any:
        for node in dag.op_nodes():  # (a unitary is none of its gate nodes)
            circuit = None if node.name in self._names else spell_clifford(node)
            if circuit is not None:
                dag.substitute_node_with_dag(node, circuit_to_dag(circuit))
        return dag


def spell_clifford(gate: Any) -> QuantumCircuit | None:
    """Return the gate as a circuit of Clifford gates, or None if it is no Clifford."""
    matrix = _find_matrix(gate)
    if matrix is None:
        return None
    try:
        circuit: QuantumCircuit = Clifford.from_matrix(matrix).to_circuit()
    except QiskitError:
        return None
    return circuit


def _find_matrix(gate: Any) -> Any:
    """Return the matrix of a small gate, or of a transpiler's node of one."""
    if gate.num_qubits > MAX_QUBITS or getattr(gate, "is_parameterized", bool)():
        return None
    if hasattr(gate, "matrix"):
        return gate.matrix
    try:
        return gate.to_matrix() if hasattr(gate, "to_matrix") else None
    except QiskitError:
        return None
