"""Backends: found, filtered and described; the client makes transpiler targets of the documents."""

from datetime import datetime, timedelta

from checklist import check, newest, once, raises
from construct import BY_ENVIRONMENT, WITHOUT_DISCOVERY, environment, service
from qiskit import QuantumCircuit
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService


@once
def simulator():
    """The simulator without noise or coupling."""
    return service().backend("aer_simulator")


@once
def device():
    """The first backend that is like a device: with a coupling map, and properties."""
    return service().backends(simulator=False)[0]


@once
def ring():
    """A device whose noise is a few numbers: its jobs start seconds sooner than the first's."""
    return service().backend("aer_heron")


@check
def lists_backends_of_both_kinds():
    """There is a simulator, and a device with ten qubits or more."""
    names = [backend.name for backend in service().backends()]
    assert "aer_simulator" in names
    assert device().num_qubits >= 10, device().num_qubits
    return names


@newest
def filters_backends_by_qubits():
    """min_num_qubits leaves those that have as many."""
    found = service().backends(min_num_qubits=10)
    assert found
    assert all(backend.num_qubits >= 10 for backend in found)


@newest
def filters_backends_by_a_function():
    """filters= sees each backend."""
    found = service().backends(filters=lambda backend: backend.name == device().name)
    assert [backend.name for backend in found] == [device().name]


@newest
def filters_backends_by_status():
    """Names of fields of configuration or status are filters."""
    assert service().backends(operational=True, simulator=True)
    assert not service().backends(operational=False)


@newest
def finds_a_backend_by_name():
    """backend(name) is that backend, and simulators say that they are some."""
    assert simulator().name == "aer_simulator"
    assert simulator().configuration().simulator
    assert not device().configuration().simulator


@check
def refuses_an_unknown_backend():
    """A name that no backend has is the client's own error."""
    return raises(QiskitBackendNotFoundError, service().backend, "ibm_nowhere")


@check
def finds_the_least_busy_backend():
    """least_busy() is one of the backends."""
    names = [backend.name for backend in service().backends()]
    assert service().least_busy().name in names


@newest
def finds_the_least_busy_device():
    """least_busy() takes the filters of backends()."""
    found = service().least_busy(simulator=False, operational=True, min_num_qubits=10)
    assert not found.configuration().simulator
    assert found.num_qubits >= 10


@check
def makes_a_target():
    """The target has the gates of the basis, on the coupled qubits, with errors and durations."""
    target = device().target
    assert target.num_qubits == device().num_qubits
    assert {"measure", "delay", "reset"} <= set(target.operation_names), target.operation_names
    (two_qubit,) = {"cx", "cz", "ecr"} & set(target.operation_names)
    edges = {tuple(edge) for edge in device().configuration().coupling_map}
    assert set(target[two_qubit]) == edges
    assert all(properties.error is not None for properties in target[two_qubit].values())
    assert all(properties.duration > 0 for properties in target[two_qubit].values())
    return target.operation_names


@newest
def makes_a_target_for_the_simulator():
    """The simulator's target takes circuits as they are."""
    assert simulator().target.num_qubits == simulator().num_qubits
    assert simulator().coupling_map is None or simulator().coupling_map.size() > 0


@newest
def describes_a_configuration():
    """configuration() has what the client and its users read."""
    found = device().configuration()
    assert found.backend_name == device().name
    assert found.n_qubits == device().num_qubits
    assert found.basis_gates
    assert found.max_shots > 0
    assert found.online_date
    return found.basis_gates


@check
def describes_properties():
    """properties() has T1, T2 and the errors of a device's qubits and gates."""
    found = device().properties()
    assert found.backend_name == device().name
    assert found.t1(0) > 0
    assert found.t2(0) > 0
    assert 0 <= found.readout_error(0) < 1
    assert found.readout_length(0) > 0


@newest
def describes_properties_of_a_date():
    """properties(datetime=) is asked of the server, and answered."""
    soon = datetime.now() + timedelta(hours=1)  # noqa: DTZ005  (the client's times are local)
    assert device().properties(datetime=soon).backend_name


@check
def describes_a_status():
    """status() is operational and active, with the jobs that wait."""
    found = device().status()
    assert found.operational is True
    assert found.status_msg == "active"
    assert found.pending_jobs >= 0
    assert found.backend_name == device().name


@newest
def refreshes_a_backend():
    """refresh() reads configuration and properties again."""
    device().refresh()
    assert device().target.num_qubits == device().num_qubits


@newest
def knows_its_qubits():
    """qubit_properties() and num_qubits agree with the target."""
    assert device().qubit_properties(0).t1 > 0
    assert device().physical_qubits >= device().num_qubits


@newest
def leaves_out_fractional_gates():
    """Without the option there is none; what is left is universal."""
    gates = set(device().target.operation_names)
    assert not gates & {"rx", "ry", "rzz", "u"}, gates
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.rx(0.3, 1)
    circuit.rzz(0.2, 0, 1)
    generate_preset_pass_manager(target=device().target, seed_transpiler=1).run(circuit)


@check
def offers_fractional_gates():
    """use_fractional_gates=True finds them in the target of a device that has some."""
    found = [
        backend
        for backend in service().backends(simulator=False, use_fractional_gates=True)
        if {"rx", "rzz"} & set(backend.target.operation_names)
    ]
    assert found
    again = service().backend(found[0].name, use_fractional_gates=True)
    return again.name, set(again.target.operation_names) & {"rx", "ry", "rzz", "u"}


@newest
def refuses_an_unknown_calibration():
    """A calibration that the server does not have is no backend."""
    with environment(**WITHOUT_DISCOVERY, **BY_ENVIRONMENT):
        # A service of its own: the other one has the configuration already.
        fresh = QiskitRuntimeService()
    return raises(Exception, fresh.backend, device().name, calibration_id="nothing")


@newest
def refuses_a_circuit_that_does_not_fit():
    """check_faulty and the ISA check of the client work on the documents."""
    circuit = QuantumCircuit(device().num_qubits)
    circuit.x(0)
    device().check_faulty(circuit)
