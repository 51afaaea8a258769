"""The workloads that a server must carry, from the newest official client."""

import logging
import os
import warnings

import checklist
import numpy as np
from checklist import INSTANCE, TOKEN, URL, check, once, raises
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import EstimatorV2, QiskitRuntimeService, SamplerV2, Session
from qiskit_ibm_runtime.exceptions import IBMRuntimeError

SIZES = os.environ["CLIENTS_SIZES"]
"""A program that returns the lengths of its inputs."""

MEGABYTE = 10**6


@once
def service():
    """The service of a script that says nothing but the variables."""
    os.environ |= {"IAM_URL": URL, "QISKIT_FUNCTIONS_EXPERIMENTAL": "1"}
    os.environ |= {"QISKIT_IBM_TOKEN": TOKEN, "QISKIT_IBM_INSTANCE": INSTANCE}
    os.environ |= {"QISKIT_IBM_URL": f"{URL}/experimental"}
    return QiskitRuntimeService()


@once
def simulator():
    """The simulator without noise."""
    return service().backend("aer_simulator")


def entangle(qubits):
    """Return the circuit of a GHZ state."""
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(1, qubits):
        circuit.cx(qubit - 1, qubit)
    return circuit


def sample(circuit, shots):
    """Return the counts of a circuit on the simulator."""
    circuit.measure_all()
    job = SamplerV2(simulator()).run([circuit], shots=shots)
    return job.result(timeout=60)[0].data.meas.get_counts()


@check
def samples_a_bell_state():
    """Two qubits agree in every shot."""
    counts = sample(entangle(2), 2000)
    assert set(counts) == {"00", "11"}
    assert abs(counts["00"] - 1000) < 200, counts


@check
def samples_a_ghz_state():
    """Twenty qubits agree in every shot."""
    counts = sample(entangle(20), 500)
    assert set(counts) == {"0" * 20, "1" * 20}, counts


@check
def sweeps_100_points():
    """A rotation by 100 angles gives the cosine."""
    angles = np.linspace(0, 2 * np.pi, 100)
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    circuit.measure_all()
    job = SamplerV2(simulator()).run([(circuit, angles[:, None])], shots=1000)
    meas = job.result(timeout=60)[0].data.meas
    assert meas.shape == (100,)
    ones = np.array([meas[index].get_counts().get("1", 0) for index in range(100)])
    assert np.abs(ones / 1000 - np.sin(angles / 2) ** 2).max() < 0.08


@check
def estimates_50_observables_of_20_qubits():
    """Each neighbour of a GHZ state is correlated, and no single qubit has a direction."""
    pairs = [("ZZ", [qubit, qubit + 1], 1.0) for qubit in range(19)]
    singles = [("Z", [qubit], 1.0) for qubit in range(20)]
    triples = [("ZZZ", [qubit, qubit + 1, qubit + 2], 1.0) for qubit in range(11)]
    wanted = [
        SparsePauliOp.from_sparse_list([term], num_qubits=20)
        for term in (*pairs, *singles, *triples)
    ]
    assert len(wanted) == 50
    job = EstimatorV2(simulator()).run([(entangle(20), wanted)], precision=0.05)
    values = job.result(timeout=80)[0].data.evs
    assert np.allclose(values, [1.0] * 19 + [0.0] * 31, atol=0.3), values


@check
def runs_20_dependent_jobs_in_a_session():
    """Each job's angle follows from the result before it: the angle is found that gives a half."""
    device = service().backend("aer_heron")
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    circuit.measure_all()
    circuit = generate_preset_pass_manager(target=device.target, seed_transpiler=1).run(circuit)
    low, high = 0.0, np.pi
    with Session(device) as session:
        sampler = SamplerV2(session)
        for _ in range(20):
            angle = (low + high) / 2
            job = sampler.run([(circuit, [angle])], shots=200)
            share = job.result(timeout=90)[0].data.meas.get_counts().get("1", 0) / 200
            low, high = (angle, high) if share < 0.5 else (low, angle)
    found = service().jobs(session_id=session.session_id, limit=None)
    assert len(found) == 20, len(found)
    assert abs((low + high) / 2 - np.pi / 2) < 0.5, (low, high)


@check
def takes_7_megabytes_of_parameters():
    """They reach the program whole, and can be read back."""
    job = service()._run(SIZES, {"text": "x" * (7 * MEGABYTE)}, options={"backend": simulator()})
    assert job.result(timeout=80) == {"text": 7 * MEGABYTE}
    assert len(job.inputs["text"]) == 7 * MEGABYTE


@check
def refuses_30_megabytes_of_parameters():
    """The answer is 413, and names the limit."""
    error = raises(
        IBMRuntimeError, service()._run, SIZES, {"text": "x" * (30 * MEGABYTE)},
        options={"backend": simulator()},
    )  # fmt: skip
    assert "413" in str(error), error
    assert "limit" in str(error), error
    return error


warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
checklist.run(checklist.LONG_SECONDS)
