"""The circuits that a job's backend ran, counted as they come. Program process only."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from qiskit import QuantumCircuit

from qiskit_runtime.contract.wire.circuit_metrics import MAX_LISTED, CircuitMetrics
from qiskit_runtime.programs.simulate.memory import find_used_qubits


class CircuitLog:
    """Counts circuits, and measures the first ones. Copies of a backend count together."""

    def __init__(self) -> None:
        self._count = 0
        self._executions = 0
        self._listed: list[tuple[int, int]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "CircuitLog":
        """Return itself: libraries run a copy of the backend that they are given."""
        return self

    def note(self, circuits: Any) -> None:
        """Note one run; a circuit that is in it many times counts once."""
        several: Iterable[Any] = circuits if isinstance(circuits, list | tuple) else [circuits]
        distinct = {id(circuit): circuit for circuit in several}
        self._executions += 1
        self._count += len(distinct)
        for circuit in islice(distinct.values(), max(0, MAX_LISTED - len(self._listed))):
            if isinstance(circuit, QuantumCircuit):
                self._listed.append((len(find_used_qubits(circuit)), circuit.depth()))

    @property
    def metrics(self) -> CircuitMetrics | None:
        """The metrics of all runs until now; None where there was none."""
        if not self._executions:
            return None
        # Threads that ran circuits at the same time may have noted one more.
        listed = self._listed[: min(MAX_LISTED, self._count)]
        return CircuitMetrics(
            count=self._count,
            executions=self._executions,
            qubits=[qubits for qubits, _ in listed],
            depths=[depth for _, depth in listed],
        )
