"""The noise of a measured device, made as far as circuits meet it.

Used by ``quantum_backend`` and ``runtime_simulator``. Aer makes the errors of all gates on all
qubits, which takes 1 s for 27 qubits and 4 s for 133, and reads all of them at each run, for half
as long: a small circuit meets a few.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.transpiler import QubitProperties, Target
from qiskit_aer.noise import NoiseModel

from qiskit_runtime.contract.devices.fake_devices import Place
from runner.measured_device import MeasuredDevice

Meeting = tuple[str, Place]
"""The name of an instruction, and the qubits that it acts on."""

_TABLES = frozenset(vars(NoiseModel())) - {"_basis_gates"}
"""The attributes of Aer's noise models that hold errors, or that are told by them."""


class DeviceNoise(NoiseModel):  # type: ignore[misc]  # (ships no types)
    """The noise model that ``NoiseModel.from_backend(device)`` is.

    A run of circuits needs a part of it (``find_part``). Whoever reads or changes anything else
    than the basis gates has all of it made, and runs get all of it from then on.
    """

    def __init__(self, basis_gates: Any = None, device: MeasuredDevice | None = None) -> None:
        super().__init__(basis_gates)
        self._device = device
        if device is not None:
            for name in _TABLES:
                delattr(self, name)

    def __getattr__(self, name: str) -> Any:
        if name not in _TABLES:
            raise AttributeError(name)
        self.__dict__ |= _read_tables(self._device)
        return self.__dict__[name]

    def is_ideal(self) -> bool:
        """Return whether there is no noise: a device has some."""
        return self._device is None and bool(super().is_ideal())

    def find_part(self, circuits: Iterable[QuantumCircuit]) -> NoiseModel:
        """Return a model with the errors that these circuits meet, for one run of them.

        Aer's choice of a method depends on what kinds of errors there are, wherever they are. So
        there is one of each kind that the device has, also where the circuits meet none.
        """
        if self._device is None or not _TABLES.isdisjoint(vars(self)):
            return self
        errors = open_errors(self._device)
        needed = errors.places & {met for circuit in circuits for met in _list_met(circuit)}
        needed |= {min(kind, key=_by_size) for kind in errors.kinds if kind.isdisjoint(needed)}
        part = DeviceNoise(self.basis_gates)
        part._take(errors.find(needed), errors.passes)
        return part

    def _take(self, errors: dict[Meeting, Any], passes: list[Any]) -> None:
        """Have these errors: None where there is none."""
        self._custom_noise_passes = passes
        for (name, place), error in errors.items():
            if error is not None and name == "measure":
                self._local_readout_errors[place] = error
            elif error is not None:
                self._local_quantum_errors.setdefault(name, {})[place] = error


class DeviceErrors:
    """The errors of a device, each made when it is first asked for.

    ``places`` is where something was measured, ``kinds`` the places of each kind of errors, and
    ``passes`` is how Aer makes the errors of delays.
    """

    def __init__(self, device: MeasuredDevice) -> None:
        self._device = device
        self._made: dict[Meeting, Any] = {}
        self.places = frozenset(_list_places(device.target))
        self.kinds = [*map(frozenset, _list_kinds(device.target))]
        self.passes: list[Any] = _read_tables(device.cut(()))["_custom_noise_passes"]

    def find(self, meetings: Iterable[Meeting]) -> dict[Meeting, Any]:
        """Return the errors of instructions at places; None where there is none."""
        asked = set(meetings)
        if missing := asked - self._made.keys():
            self._make(missing)
        return {meeting: self._made[meeting] for meeting in asked}

    def make_all(self) -> Iterator[None]:
        """Make the errors that are missing, one between two yields."""
        for meeting in sorted(self.places):
            self.find([meeting])
            yield

    def _make(self, missing: Iterable[Meeting]) -> None:
        tables = _read_tables(self._device.cut(missing))
        errors = tables["_local_quantum_errors"] | {"measure": tables["_local_readout_errors"]}
        self._made |= {(name, place): errors.get(name, {}).get(place) for name, place in missing}


@lru_cache(maxsize=4)
def open_errors(device: MeasuredDevice) -> DeviceErrors:
    """Return the errors of a device; those of the last four devices are kept."""
    return DeviceErrors(device)


def _read_tables(device: MeasuredDevice | None) -> dict[str, Any]:
    whole = vars(NoiseModel.from_backend(device))
    return {name: whole[name] for name in _TABLES}


def _list_places(target: Target) -> Iterator[Meeting]:
    """Yield where something was measured."""
    for name, places in target.items():
        yield from ((name, place) for place, known in places.items() if known is not None)


def _list_met(circuit: QuantumCircuit) -> Iterator[Meeting]:
    """Yield what a circuit without branches does, and where; Aer knows a gate by its label too."""
    index = {qubit: number for number, qubit in enumerate(circuit.qubits)}
    for item in circuit.data:
        place = tuple(index[qubit] for qubit in item.qubits)
        yield item.name, place
        if item.label is not None:
            yield item.label, place


def _list_kinds(target: Target) -> Iterator[list[Meeting]]:
    """Yield the places of readout errors, and those of the errors that fewest methods can do."""
    if readouts := [meeting for meeting in _list_places(target) if meeting[0] == "measure"]:
        yield readouts
    noisy = [meeting for meeting in _list_places(target) if _has_error(target, *meeting)]
    kraus = [meeting for meeting in noisy if _has_kraus_error(target, *meeting)]
    if noisy:
        yield kraus or noisy


def _by_size(meeting: Meeting) -> tuple[int, Meeting]:
    return len(meeting[1]), meeting


def _has_error(target: Target, name: str, place: Place) -> bool:
    known = target[name][place]
    is_gate = isinstance(target.operation_from_name(name), Gate)
    return name != "measure" and bool(known.duration or (is_gate and known.error))


def _has_kraus_error(target: Target, name: str, place: Place) -> bool:
    """Return whether a qubit relaxes meanwhile as no mixture of Paulis and resets does."""
    lasts = bool(target[name][place].duration)
    return lasts and any(_is_above(target.qubit_properties[qubit]) for qubit in place)


def _is_above(qubit: QubitProperties) -> bool:
    """Return whether the qubit's T2 is above its T1; without one, it is twice as long."""
    return qubit.t1 is not None and (qubit.t2 is None or qubit.t2 > qubit.t1)
