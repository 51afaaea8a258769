"""The official client against a real server: its backends, targets and statuses.

Each script is a process of its own, with the environment of an unmodified user.
"""

import pytest

from tests.api.official_client import serve_official_client

BEGIN = """
import json
from qiskit_ibm_runtime import QiskitRuntimeService
service = QiskitRuntimeService()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a script of the client against the server; return what it prints as JSON."""
    folder = tmp_path_factory.mktemp("official")
    with serve_official_client(folder, BEGIN, seconds=120) as call:
        yield call


def test_client_lists_and_filters_backends(run):
    """By simulator, width and control flow; the least busy device is one with the qubits."""
    found = run("""
def names(**filters):
    return sorted(backend.name for backend in service.backends(**filters))
print(json.dumps({
    "all": names(),
    "devices": names(simulator=False, operational=True),
    "wide": names(min_num_qubits=100),
    "dynamic": names(dynamic_circuits=True),
    "mine": names(filters=lambda backend: backend.num_qubits == 27),
    "least": service.least_busy(min_num_qubits=27, simulator=False).name,
}))
""")
    assert found["devices"] == ["aer_heron", "aer_montreal"]
    assert len(found["all"]) == 7 and found["dynamic"] == found["all"]
    assert found["wide"] == [
        "aer_simulator",
        "aer_simulator_matrix_product_state",
        "aer_simulator_stabilizer",
    ]
    assert found["mine"] == ["aer_montreal"] and found["least"] == "aer_montreal"


def test_client_reads_a_simulator(run):
    """Its target has the gates, its status is active, and it has no properties."""
    found = run("""
backend = service.backend("aer_simulator")
status = backend.status()
print(json.dumps({
    "qubits": backend.num_qubits, "gates": sorted(backend.target.operation_names),
    "simulator": backend.simulator, "properties": backend.properties(),
    "operational": status.operational, "message": status.status_msg,
    "pending": status.pending_jobs, "coupling": backend.coupling_map,
    "physical": backend.physical_qubits,
}))
""")
    assert found["qubits"] == found["physical"] == 100 and found["simulator"]
    assert {"h", "cx", "rz", "if_else", "measure"} <= set(found["gates"])
    assert not {"rx", "rzz"} & set(found["gates"])
    assert found["properties"] is None and found["coupling"] is None
    assert (found["operational"], found["message"], found["pending"]) == (True, "active", 0)


def test_client_reads_a_device(run):
    """Its target has connections, errors and durations; properties have a history of one."""
    found = run("""
from datetime import datetime
backend = service.backend("aer_montreal")
properties, target = backend.properties(), backend.target
print(json.dumps({
    "edges": len(backend.coupling_map.get_edges()), "cx": target["cx"][(0, 1)].error,
    "length": target["cx"][(0, 1)].duration, "t1": properties.t1(0), "dt": target.dt,
    "measure": target["measure"][(3,)].error, "updated": properties.last_update_date.isoformat(),
    "before": backend.properties(datetime=datetime(2020, 1, 1)),
    "after": backend.properties(datetime=datetime(2024, 1, 1)).t1(0),
    "version": backend.status().backend_version, "faulty": properties.faulty_qubits(),
}))
""")
    assert found["edges"] == 56 and 0 < found["cx"] < 0.1 and 1e-7 < found["length"] < 1e-6
    assert found["t1"] == found["after"] == pytest.approx(107.388e-6, rel=1e-5)
    assert 0 < found["measure"] < 0.2 and found["dt"] == pytest.approx(0.2222e-9, rel=1e-3)
    assert found["updated"].startswith("2021-03-15") and found["before"] is None
    assert found["version"] == "1.9.5" and found["faulty"] == []


@pytest.mark.parametrize("name", ["aer_simulator", "aer_heron"])
def test_fractional_gates_are_there_where_they_are_asked_for(run, name):
    """A circuit keeps its rx and rzz, passes the client's check of instructions, and runs."""
    found = run(f"""
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2
circuit = QuantumCircuit(2)
circuit.rx(3.14159, 0)
circuit.rzz(0.7, 0, 1)
circuit.measure_all()
told = {{}}
for fractional in (False, True):
    backend = service.backend("{name}", use_fractional_gates=fractional)
    translated = generate_preset_pass_manager(1, backend, seed_transpiler=1).run(circuit)
    job = SamplerV2(backend).run([translated], shots=400)
    counts = job.result()[0].data.meas.get_counts()
    properties = job.properties()
    told[str(fractional)] = [translated.count_ops(), counts, properties and properties.t1(0)]
print(json.dumps(told))
""")
    (plain, plain_counts, _), (fractional, counts, t1) = found["False"], found["True"]
    assert t1 == (250e-6 if name == "aer_heron" else None)
    assert fractional["rzz"] == 1 and "rzz" not in plain
    assert counts["01"] > 360 and plain_counts["01"] > 360


def test_circuit_that_does_not_fit_the_device_is_refused_by_the_client(run):
    """The client checks gates and connections of a device, and runs nothing."""
    found = run("""
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import IBMInputValueError
circuit = QuantumCircuit(27)
circuit.cx(0, 26)
circuit.measure_all()
try:
    SamplerV2(service.backend("aer_montreal")).run([circuit])
except IBMInputValueError as error:
    print(json.dumps(str(error)))
""")
    assert "cx" in found and "(0, 26)" in found


def test_unknown_backend_and_calibration_are_errors_of_the_client(run):
    """No backend is made up."""
    found = run("""
from qiskit.providers.exceptions import QiskitBackendNotFoundError
told = []
for arguments in ({"name": "ibm_nowhere"}, {"name": "aer_montreal", "calibration_id": "x"}):
    try:
        service.backend(**arguments)
    except QiskitBackendNotFoundError as error:
        told.append(type(error).__name__)
print(json.dumps(told))
""")
    assert found == ["QiskitBackendNotFoundError"] * 2
