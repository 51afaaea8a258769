"""A greeting and a Bell pair: the smallest program that uses all a program can do.

The first steps of the 2021 test server run it, and ours: copy it to start a program of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit

from qiskit_runtime.programs.simulate.runs import run_circuits

if TYPE_CHECKING:
    from qiskit_aer import AerSimulator

    from qiskit_runtime.messenger import UserMessenger


def prepare_bell_circuit() -> QuantumCircuit:
    """Return two qubits in (|00> + |11>)/sqrt(2), measured; the register ``c`` stays 00."""
    bell = QuantumCircuit(2, 2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    return bell


def main(backend: AerSimulator, messenger: UserMessenger, greeting: Any) -> None:
    """Publish the greeting, then the counts of a Bell pair, keyed ``"<meas> <c>"``."""
    bell = prepare_bell_circuit()  # prepare the circuits
    messenger.publish(greeting)  # publish interim results
    print(bell.draw(output="text"))  # draw the circuit (captured as part of the logs)
    result = run_circuits(backend, [bell])  # run the circuit
    messenger.publish(result.get_counts(), final=True)  # publish the final result
