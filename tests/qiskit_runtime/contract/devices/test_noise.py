"""The errors that a noise is told to have, against the noise that the runner makes of it."""

import pytest
from qiskit.quantum_info import SuperOp, average_gate_fidelity

from qiskit_runtime.contract.devices import noise as noises
from qiskit_runtime.contract.resources.backend import NoiseSpec
from runner.quantum_backend import _make_gate_error

NOISES = [
    {"depolarizing": {"oneQubit": 0.001, "twoQubit": 0.02}},
    {"relaxation": {"t1Microseconds": 100, "t2Microseconds": 70}},
    {"relaxation": {"t1Microseconds": 50, "t2Microseconds": 100, "oneQubitGateNanoseconds": 900}},
    {
        "depolarizing": {"oneQubit": 0.3, "twoQubit": 0.9},
        "relaxation": {"t1Microseconds": 3, "t2Microseconds": 2, "twoQubitGateNanoseconds": 4000},
    },
]


def read(noise):
    """Return a noise as a job's input has it."""
    return NoiseSpec.model_validate(noise).model_dump()


@pytest.mark.parametrize("qubits", [1, 2])
@pytest.mark.parametrize("noise", NOISES)
def test_error_is_one_less_the_average_fidelity(noise, qubits):
    """The formula gives the number that Qiskit computes of the channel."""
    channel = _make_gate_error(read(noise), qubits)
    expected = 0.0 if channel is None else 1 - average_gate_fidelity(SuperOp(channel))
    assert noises.find_error(read(noise), qubits) == pytest.approx(expected, abs=1e-12)


def test_virtual_gates_have_neither_error_nor_duration():
    """A turn about z is a change of frame."""
    noise = read(NOISES[-1])
    assert noises.find_gate_error(noise, "rz") == 0 == noises.find_nanoseconds(noise, "rz")
    assert noises.find_nanoseconds(noise, "cx") == 4000
    assert noises.find_nanoseconds(read(NOISES[0]), "cx") is None


def test_gates_without_error_are_not_noisy():
    """Relaxation in no time, and a probability of zero, are no noise."""
    still = read(
        {
            "depolarizing": {"twoQubit": 0.1},
            "relaxation": {
                "t1Microseconds": 1,
                "t2Microseconds": 1,
                "oneQubitGateNanoseconds": 0,
            },
        }
    )
    assert noises.list_noisy(still, 1, None) == []
    assert noises.list_noisy(still, 2, ["cz", "x", "rz"]) == ["cz"]
