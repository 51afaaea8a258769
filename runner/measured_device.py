"""The measured devices of ``contract.devices.fake_devices`` as backends that Aer can simulate.

Used by ``quantum_backend``. They are equal to those of ``qiskit_ibm_runtime.fake_provider``, whose
import takes longer than a job.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from qiskit.circuit import ForLoopOp, IfElseOp, Instruction, Parameter, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import InstructionProperties, QubitProperties, Target
from qiskit.transpiler.passes import WrapAngles
from qiskit.utils.units import apply_prefix

from qiskit_runtime.contract.devices.fake_devices import FakeDevice, Place, read_fake_device
from qiskit_runtime.contract.devices.noise import Value
from qiskit_runtime.programs.simulate.targets import copy_frame

Places = dict[Place, InstructionProperties | None] | None
"""The places of an instruction, with what is known of each; None is every place."""

_CONTROL_FLOW = {
    "for_loop": ForLoopOp,
    "if_else": IfElseOp,
    "switch_case": SwitchCaseOp,
    "while_loop": WhileLoopOp,
}

_BOUNDS = {"rzz": [(0, math.pi / 2)]}
"""The angles of gates that take no others."""


class MeasuredDevice(BackendV2):  # type: ignore[misc]  # (ships no types)
    """A device with these gates and errors, to be simulated by Aer; it runs nothing itself."""

    max_circuits = None

    def __init__(self, target: Target, names: list[str] | None = None, **facts: Any) -> None:
        super().__init__(**facts)
        self._target = target
        self._names = [*target.operation_names] if names is None else names

    @property
    def target(self) -> Target:
        """Return its qubits, gates and errors."""
        return self._target

    @property
    def operation_names(self) -> list[str]:
        """Return the names of its instructions."""
        return self._names

    def cut(self, kept: Iterable[tuple[str, Place]]) -> "MeasuredDevice":
        """Return the device with these instructions at these places alone, and all its names."""
        target = copy_frame(self._target)
        for name, meetings in groupby(sorted(kept), itemgetter(0)):
            places = {place: self._target[name][place] for _, place in meetings}
            target.add_instruction(self._target.operation_from_name(name), places, name)
        return MeasuredDevice(target, self._names)

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        """Raise NotImplementedError: a simulator of it runs circuits."""
        raise NotImplementedError


@lru_cache(maxsize=4)
def make_measured(name: str) -> MeasuredDevice:
    """Return the device of a class of ``qiskit_ibm_runtime.fake_provider``. Nobody changes it.

    Raises:
        UnknownFakeDevice: there is no such device.
    """
    device = read_fake_device(name)
    return MeasuredDevice(
        make_target(device),
        name=name,
        description=device.description,
        backend_version=device.facts["backend_version"],
    )


def make_target(device: FakeDevice) -> Target:
    """Return the target of a device: its qubits, its instructions, and what was measured."""
    qubits = [_read_qubit(_read(values)) for values in device.values]
    target = Target(
        num_qubits=device.qubits,
        dt=device.facts["dt"] * 1e-9 if "dt" in device.facts else None,
        qubit_properties=qubits,
        **device.facts.get("timing_constraints", {}),
    )
    operations = _find_operations(device)
    for name, places in _list_places(device):
        target.add_instruction(operations[name], places, name, angle_bounds=_BOUNDS.get(name))
        if name in _BOUNDS:
            WrapAngles.DEFAULT_REGISTRY.add_wrapper(name, _fold_angle)
    return target


def _find_operations(device: FakeDevice) -> dict[str, Any]:
    own = {
        name: Instruction(
            name=name,
            num_qubits=signature["num_qubits"],
            num_clbits=signature["num_clbits"],
            params=[*map(Parameter, signature["parameters"])],
        )
        for name, signature in device.signatures.items()
    }
    return {**get_standard_gate_name_mapping(), **_CONTROL_FLOW, **own}


def _list_places(device: FakeDevice) -> Iterator[tuple[str, Places]]:
    """Yield the names of its instructions, and where each of them works."""
    for name, places in device.gates.items():
        yield name, {place: _read_place(_read(values)) for place, values in places.items()}
    readouts = [_read(values) for values in device.values]
    yield "measure", {(qubit,): _read_readout(values) for qubit, values in enumerate(readouts)}
    for name in (*device.instructions, *device.signatures):
        if name in _CONTROL_FLOW or name in device.signatures.keys() - device.gates.keys():
            yield name, None
        elif name not in device.gates:
            yield name, dict.fromkeys((qubit,) for qubit in range(device.qubits))


def _read(values: list[Value]) -> dict[str, float]:
    """Return values by name, in seconds, Hertz and the like."""
    return {name: apply_prefix(value, unit) if unit else value for name, unit, value in values}


def _read_qubit(values: dict[str, float]) -> QubitProperties:
    return QubitProperties(
        t1=values.get("T1"), t2=values.get("T2"), frequency=values.get("frequency")
    )


def _read_place(values: dict[str, float]) -> InstructionProperties | None:
    if not values:
        return None
    return InstructionProperties(error=values.get("gate_error"), duration=values.get("gate_length"))


def _read_readout(values: dict[str, float]) -> InstructionProperties:
    return InstructionProperties(
        error=values.get("readout_error"), duration=values.get("readout_length")
    )


def _fold_angle(angles: list[float], qubits: list[Any]) -> Any:
    """Return a circuit with angles within the bounds, as IBM's client has it."""
    # Imported here: it takes seconds, and circuits are translated for a simulator, without bounds.
    from qiskit_ibm_runtime.utils.backend_converter import rzz_wrapper

    return rzz_wrapper(angles, qubits)
