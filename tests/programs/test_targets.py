"""What circuits are transpiled for: any Clifford on a stabilizer, dynamic circuits on devices."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.circuit.random import random_clifford_circuit
from qiskit.quantum_info import Pauli, SparsePauliOp, StabilizerState, Statevector, random_clifford
from tests.programs.drawn import EXAMPLE_SEEDS  # noqa: F401
