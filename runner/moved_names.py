"""The code to write today for names of 2021 to 2023 that Qiskit has no more.

A program that fails for one of them gets a sentence at the end of its message and traceback. Code
between backticks in it exists here: a test imports it.
"""

import sys
import types

PACKAGES_PAGE = "docs/how-to/packages.md"
"""The page about packages of a program's author, in the project's documentation."""

_BACKEND = "The simulator is the first argument of main, `backend`"
_PRIMITIVES = "Write `from qiskit.primitives import BackendSamplerV2, BackendEstimatorV2`, or "
_PRIMITIVES += "run the programs sampler and estimator"
_OPERATORS = (
    "Operators are in `qiskit.quantum_info`: `from qiskit.quantum_info import SparsePauliOp`"
)
_ALGORITHMS = "It is the package `qiskit_algorithms` today"
_FAKE_DEVICES = (
    "Write `from qiskit_ibm_runtime.fake_provider import FakeMontrealV2` for such a device"
)
_CIRCUITS_AS_THEY_ARE = "`backend.run` takes circuits as they are: leave it out"
_NO_PULSES = "Pulses left Qiskit with version 2, and the simulator runs none: leave it out"
_MESSENGER = (
    "The messenger is the second argument of main; its class:"
    " `from qiskit_runtime.messenger import UserMessenger`"
)
_CONDITION = "Write `with circuit.if_test((clbit, 1)):` and the gate below it"

MOVED = {
    "backend.name()": "`backend.name` is text in today's Qiskit: write it without brackets",
    "qiskit.Aer": f"{_BACKEND}; another one: `from qiskit_aer import AerSimulator`",
    "qiskit.BasicAer": _BACKEND,
    "qiskit.IBMQ": f"{_BACKEND}: no account is needed here",
    "qiskit.algorithms": _ALGORITHMS,
    "qiskit.aqua": f"{_ALGORITHMS}. {_OPERATORS}",
    "qiskit.assemble": _CIRCUITS_AS_THEY_ARE,
    "qiskit.assembler": _CIRCUITS_AS_THEY_ARE,
    "qiskit.compiler.assemble": _CIRCUITS_AS_THEY_ARE,
    "qiskit.compiler.schedule": _NO_PULSES,
    "qiskit.compiler.sequence": _NO_PULSES,
    "qiskit.execute": "Write `from qiskit import transpile` and"
    " `backend.run(transpile(circuit, backend))`",
    "qiskit.extensions": "Write `from qiskit.circuit.library import UnitaryGate, Initialize`",
    "qiskit.ignis": "Readout errors are mitigated by the program circuit-runner, with its parameter"
    " measurement_error_mitigation",
    "qiskit.opflow": _OPERATORS,
    "qiskit.primitives.BackendEstimator": _PRIMITIVES,
    "qiskit.primitives.BackendSampler": _PRIMITIVES,
    "qiskit.primitives.Estimator": _PRIMITIVES,
    "qiskit.primitives.Sampler": _PRIMITIVES,
    "qiskit.providers.BaseBackend": f"{_BACKEND}; its class:"
    " `from qiskit.providers import BackendV2`",
    "qiskit.providers.aer": "It is the package `qiskit_aer` today",
    "qiskit.providers.basicaer": _BACKEND,
    "qiskit.providers.fake_provider": _FAKE_DEVICES,
    "qiskit.providers.ibmq": f"{_BACKEND}, and the messenger the second: leave it out, or write"
    " `from qiskit_runtime.messenger import UserMessenger` and"
    " `from qiskit_ibm_runtime import RuntimeEncoder, RuntimeDecoder`",
    "qiskit.pulse": _NO_PULSES,
    "qiskit.qobj": _CIRCUITS_AS_THEY_ARE,
    "qiskit.schedule": _NO_PULSES,
    "qiskit.scheduler": _NO_PULSES,
    "qiskit.test": _FAKE_DEVICES,
    "qiskit.tools": "Write `from qiskit.visualization import plot_histogram`; a job here has no"
    " queue to watch",
    "qiskit.utils.QuantumInstance": f"{_BACKEND}. {_PRIMITIVES}",
    "qiskit.utils.algorithm_globals": "Write"
    " `from qiskit_algorithms.utils import algorithm_globals`",
    "qiskit_ibm_runtime.UserMessenger": _MESSENGER,
    "qiskit_ibm_runtime.program": _MESSENGER,
    "Instruction.c_if": _CONDITION,
    "InstructionSet.c_if": _CONDITION,
    "QuantumCircuit.bind_parameters": "Write `circuit.assign_parameters`",
    "QuantumCircuit.cnot": "Write `circuit.cx`",
    "QuantumCircuit.cu1": "Write `circuit.cp`",
    "QuantumCircuit.cu3": "Write `circuit.cu`",
    "QuantumCircuit.fredkin": "Write `circuit.cswap`",
    "QuantumCircuit.i": "Write `circuit.id`",
    "QuantumCircuit.mct": "Write `circuit.mcx`",
    "QuantumCircuit.qasm": "Write `from qiskit import qasm2` and `qasm2.dumps(circuit)`",
    "QuantumCircuit.snapshot": "Write `circuit.save_statevector`, or another save_ method",
    "QuantumCircuit.toffoli": "Write `circuit.ccx`",
    "QuantumCircuit.u1": "Write `circuit.p`",
    "QuantumCircuit.u2": "Write `circuit.u`, with pi/2 as its first angle",
    "QuantumCircuit.u3": "Write `circuit.u`",
}
"""By the missing name: a module, a name in one, or ``Class.attribute``. A module's entry is for all
names in it without an entry of their own."""

_CALLED_TEXT = "'str' object is not callable"
_NAME_CALL = ".name()"
_MISSING_NAME = "cannot import name '"
_OPTIONAL = "MissingOptionalLibraryError"
"""Qiskit's ImportError where one of its functions needs a package that is not installed."""


def find_remedy(error: BaseException, line: str) -> str:
    """Return a sentence with the code to write today, or an empty text.

    ``line`` is the program's own line that the error came from.
    """
    for missing in _missing_names(error, line):
        parts = missing.split(".")
        for length in range(len(parts), 0, -1):
            if remedy := MOVED.get(".".join(parts[:length])):
                return f"{remedy}."
    return _explain_how_to_add(error)


def honour_unused_imports() -> None:
    """Give ``qiskit.compiler`` a ``schedule``: several programs import it, and never call it."""
    import qiskit.compiler

    if not hasattr(qiskit.compiler, "schedule"):
        qiskit.compiler.schedule = _schedule


def _schedule(*_args: object, **_kwargs: object) -> None:
    raise NotImplementedError(f"qiskit.compiler.schedule is gone. {_NO_PULSES}.")


def _missing_names(error: BaseException, line: str) -> list[str]:
    """Return the names under which the table may have the missing one of an error."""
    match error:
        case ModuleNotFoundError(name=str(module)):
            return [module]
        case ImportError(name=str(module)) if (text := str(error)).startswith(_MISSING_NAME):
            missing = text.removeprefix(_MISSING_NAME).partition("'")[0]
            return [f"{module}.{missing}"]
        case AttributeError(name=str(attribute), obj=owner):
            return [f"{name}.{attribute}" for name in _names_of(owner)]
        case TypeError() if str(error) == _CALLED_TEXT and _NAME_CALL in line:
            return ["backend.name()"]
    return []


def _names_of(owner: object) -> list[str]:
    """Return the names that an attribute's owner may have in the table: of a module, of classes."""
    if isinstance(owner, types.ModuleType):
        return [owner.__name__]
    return [base.__name__ for base in (owner if isinstance(owner, type) else type(owner)).__mro__]


def _explain_how_to_add(error: BaseException) -> str:
    """Return a sentence on how to add a package, if the error is one that is not installed."""
    missing = isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0]
    if missing and missing not in sys.modules:
        what = f"{missing} is not installed where jobs run"
    elif type(error).__name__ == _OPTIONAL:
        what = "Jobs run where the server's packages are, not yours"
    else:
        return ""
    return f"{what}: {PACKAGES_PAGE} says how to add a package, or a module of your own."
