"""Aer's own instructions in circuits that travel as QPY, which keeps names and loses classes.

A plain instruction with one of these names becomes Aer's class again when it is read. QPY also
loses whatever is neither a label nor a parameter: the way a save instruction adds up shots (its
subtype) and the error of a quantum channel. Both are written as parameters here. A client with
Qiskit's own writer loses the subtype, so that the default is read, and keeps a channel's Kraus
operators.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qiskit.circuit import Instruction, QuantumCircuit

Convert = Callable[["Instruction"], "Instruction"]

_SAVES = {
    "save_clifford": "SaveClifford",
    "save_density_matrix": "SaveDensityMatrix",
    "save_matrix_product_state": "SaveMatrixProductState",
    "save_probabilities": "SaveProbabilities",
    "save_probabilities_dict": "SaveProbabilitiesDict",
    "save_stabilizer": "SaveStabilizer",
    "save_state": "SaveState",
    "save_statevector": "SaveStatevector",
    "save_statevector_dict": "SaveStatevectorDict",
    "save_superop": "SaveSuperOp",
    "save_unitary": "SaveUnitary",
}
"""The save instructions that need nothing but qubits and a label, by their names."""

_SAVED_AMPLITUDES = {
    "save_amplitudes": "SaveAmplitudes",
    "save_amplitudes_sq": "SaveAmplitudesSquared",
}
_SAVED_VALUES = {
    "save_expval": "SaveExpectationValue",
    "save_expval_var": "SaveExpectationValueVariance",
}
_SETS = {
    "set_density_matrix": "SetDensityMatrix",
    "set_statevector": "SetStatevector",
    "set_superop": "SetSuperOp",
    "set_unitary": "SetUnitary",
}
"""The set instructions whose one parameter is a matrix or vector, by their names."""

_CHANNEL = "quantum_channel"
_STABILIZER = "set_stabilizer"
_MATRIX_PRODUCT_STATE = "set_matrix_product_state"
_LOST = ("jump", "mark", "aer_store")
"""Aer's own form of control flow, whose conditions QPY loses. Circuits have Qiskit's instead."""

_NAMES = {*_SAVES, *_SAVED_AMPLITUDES, *_SAVED_VALUES, *_SETS, *_LOST}
_NAMES |= {_CHANNEL, _STABILIZER, _MATRIX_PRODUCT_STATE}


def strip_aer_classes(circuit: "QuantumCircuit") -> "QuantumCircuit":
    """Return the circuit with plain instructions, which QPY keeps whole, in place of Aer's.

    Raises:
        TypeError: an instruction can't be kept; the text names it.
    """
    return _replace(circuit, _strip)


def restore_aer_classes(circuit: "QuantumCircuit") -> "QuantumCircuit":
    """Return the circuit with Aer's instructions in place of the plain ones that QPY reads.

    Raises:
        ValueError: an instruction lacks something that QPY has lost; the text names it.
    """
    return _replace(circuit, _restore)


def _replace(circuit: "QuantumCircuit", convert: Convert) -> "QuantumCircuit":
    """Return the circuit, or a copy with converted instructions, also in blocks and definitions."""
    if circuit.count_ops().keys() <= _standard_names():
        return circuit
    instructions = list(circuit.data)
    old = [instruction.operation for instruction in instructions]
    new = [convert(_replace_within(operation, convert)) for operation in old]
    if all(one is other for one, other in zip(new, old, strict=True)):
        return circuit
    # Not by assigning to circuit.data, at which Qiskit 2.6 panics for control flow.
    result = circuit.copy_empty_like()
    result._layout = circuit._layout  # noqa: SLF001  (QPY keeps it, and has no public name for it)
    for instruction, operation in zip(instructions, new, strict=True):
        result.append(instruction.replace(operation=operation), copy=False)
    return result


@cache
def _standard_names() -> frozenset[str]:
    """Return the names of gates that need no conversion: nearly all of most circuits."""
    from qiskit.circuit.library import get_standard_gate_name_mapping

    return frozenset([*get_standard_gate_name_mapping(), "barrier"])


def _replace_within(operation: Any, convert: Convert) -> Any:
    """Convert in the blocks of a control flow operation, or in the definition of a user's own."""
    from qiskit.circuit import ControlFlowOp, Instruction

    if isinstance(operation, ControlFlowOp):
        blocks = [_replace(block, convert) for block in operation.blocks]
        if any(new is not old for new, old in zip(blocks, operation.blocks, strict=True)):
            return operation.replace_blocks(blocks)
    elif type(operation) is Instruction and operation.definition is not None:
        definition = _replace(operation.definition, convert)
        if definition is not operation.definition:
            operation = operation.copy()
            operation.definition = definition
    return operation


def _strip(operation: Any) -> Any:
    if not f"{type(operation).__module__}".startswith("qiskit_aer."):
        return operation
    from qiskit.circuit import Instruction

    name = operation.name
    if name in _LOST:
        raise TypeError(f"a circuit with Aer's instruction {name!r} can't be written as QPY")
    plain = Instruction(name, operation.num_qubits, 0, _plain_params(operation), operation.label)
    if name == _CHANNEL:
        plain.definition = operation.definition
    return plain


def _plain_params(operation: Any) -> list[Any]:
    """Return the parameters, and after them the facts that QPY would lose."""
    from qiskit_aer.library.save_instructions.save_data import SaveAverageData, SaveData

    if isinstance(operation, SaveData):
        default = "average" if isinstance(operation, SaveAverageData) else "single"
        subtype = operation._subtype  # noqa: SLF001  (it has no public name)
        return [*operation.params, *([subtype] if subtype != default else [])]
    if operation.name == _CHANNEL:
        return _write_error(operation._quantum_error)  # noqa: SLF001  (it has no public name)
    if operation.name == _STABILIZER:
        from qiskit.quantum_info import Clifford

        return [Clifford.from_dict(operation.params[0]).tableau.astype("uint8")]
    return list(operation.params)


def _write_error(error: Any) -> list[Any]:
    """Return a quantum error as circuits with their probabilities."""
    mixture = error if hasattr(error, "circuits") else error.to_quantum_error()
    pairs = zip(mixture.circuits, mixture.probabilities, strict=True)
    return [part for circuit, probability in pairs for part in (circuit, float(probability))]


def _restore(operation: Any) -> Any:
    from qiskit.circuit import Instruction

    if type(operation) is not Instruction or operation.name not in _NAMES:
        return operation
    if operation.definition is not None and not _is_channel(operation.definition):
        # A user's own composite instruction that has this name by chance.
        return operation
    try:
        return _make(operation, list(operation.params))
    except Exception as error:  # Aer and NumPy raise a dozen types for unfit parameters
        name = operation.name
        raise ValueError(f"Aer's instruction {name!r} can't be made again: {error}") from error


def _is_channel(definition: "QuantumCircuit") -> bool:
    """Return whether the definition is that of Aer's channels."""
    # A channel with a single Kraus operator is a unitary gate.
    names = [instruction.operation.name for instruction in definition.data]
    return names in (["kraus"], ["unitary"])


def _make(plain: "Instruction", params: list[Any]) -> Any:
    """Return Aer's instruction of this name."""
    from qiskit_aer import library

    name = plain.name
    if name == _CHANNEL:
        return _read_error(params, plain.definition).to_instruction()
    if name in _LOST:
        raise ValueError("QPY has lost its condition")
    if name in _SAVES | _SAVED_AMPLITUDES | _SAVED_VALUES:
        return _make_save(plain, params)
    if not params:
        raise ValueError("QPY has lost its state")
    if name == _STABILIZER:
        from qiskit.quantum_info import Clifford

        return library.SetStabilizer(Clifford(params[0].astype(bool)))
    if name == _MATRIX_PRODUCT_STATE:
        matrices, vectors = params[0]
        pairs = [tuple(pair) for pair in matrices]
        return library.SetMatrixProductState((pairs, [list(vector) for vector in vectors]))
    return getattr(library, _SETS[name])(params[0])


def _make_save(plain: "Instruction", params: list[Any]) -> Any:
    from qiskit_aer import library

    subtype = params.pop() if params and isinstance(params[-1], str) else None
    label = {} if plain.label is None else {"label": plain.label}
    name = plain.name
    if name in _SAVED_VALUES:
        made = getattr(library, _SAVED_VALUES[name])(_read_operator(params), **label)
    elif name in _SAVED_AMPLITUDES:
        states = [int(state) for state in params]  # QPY makes them floats
        made = getattr(library, _SAVED_AMPLITUDES[name])(plain.num_qubits, states, **label)
    else:
        made = getattr(library, _SAVES[name])(plain.num_qubits, **label)
    if subtype is not None:
        if subtype not in made._allowed_subtypes:  # noqa: SLF001  (as above)
            raise ValueError(f"{subtype!r} is not among its subtypes")
        made._subtype = subtype  # noqa: SLF001  (as above)
    return made


def _read_operator(params: list[Any]) -> Any:
    """Return the operator of terms: labels with the factors of the operator and its square."""
    from qiskit.quantum_info import SparsePauliOp

    terms = [(label, factor) for label, (factor, _) in params]
    if not terms:
        raise ValueError("QPY has lost its operator")
    return SparsePauliOp.from_list([term for term in terms if term[1]] or terms)


def _read_error(params: list[Any], definition: "QuantumCircuit | None") -> Any:
    from qiskit.quantum_info import Kraus
    from qiskit_aer.noise import QuantumError

    if params:
        return QuantumError(list(zip(params[::2], params[1::2], strict=True)))
    if definition is None:
        raise ValueError("QPY has lost its error")
    return QuantumError(Kraus(list(definition.data[0].operation.params)))
