"""Primitives: sampler and estimator, those of the server and those of the client's executor."""

import numpy as np
from backends import device, ring, simulator
from checklist import check, newest, once, raises
from construct import service
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import EstimatorV2, Executor, QuantumProgram, SamplerV2
from qiskit_ibm_runtime.exceptions import IBMInputValueError


def bell(measured=True):
    """Return a Bell circuit."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    if measured:
        circuit.measure_all()
    return circuit


def rotation(measured=True):
    """Return a rotation by the parameter theta."""
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("theta"), 0)
    if measured:
        circuit.measure_all()
    return circuit


def for_device(circuit, backend=None):
    """Return the circuit in the gates of the device, or of another one."""
    target = (backend or ring()).target
    return generate_preset_pass_manager(target=target, optimization_level=1, seed_transpiler=1).run(
        circuit
    )


def assert_bell(counts, shots, noise=0.0):
    """See that these are the counts of a Bell state, but for this share of errors."""
    assert sum(counts.values()) == shots, counts
    assert counts.get("01", 0) + counts.get("10", 0) <= noise * shots, counts
    assert 0.35 * shots < counts["00"] < 0.65 * shots, counts


@once
def bell_job():
    """A job that several checks look at; it has ended."""
    sampler = SamplerV2(simulator())
    sampler.options.environment.job_tags = ["bell", "checked"]
    sampler.options.environment.log_level = "DEBUG"
    job = sampler.run([bell()], shots=1000)
    job.wait_for_final_state(timeout=60)
    return job


@once
def device_job():
    """The same on the device whose noise was measured."""
    job = SamplerV2(device()).run([for_device(bell(), device())], shots=1000)
    job.wait_for_final_state(timeout=60)
    return job


@once
def estimate_job():
    """The same of an estimator; it has ended."""
    job = EstimatorV2(simulator()).run([(bell(measured=False), "ZZ")], precision=0.1)
    job.wait_for_final_state(timeout=60)
    return job


@check
def samples_a_bell_circuit():
    """SamplerV2 returns the two outcomes of a Bell state."""
    result = bell_job().result()
    assert_bell(result[0].data.meas.get_counts(), 1000)
    assert type(result).__name__ == "PrimitiveResult"
    assert type(result[0]).__name__ == "SamplerPubResult"


@newest
def samples_on_a_device():
    """The device's noise shows, and the state does too."""
    counts = device_job().result()[0].data.meas.get_counts()
    assert_bell(counts, 1000, noise=0.2)
    return counts


@newest
def samples_4096_shots_by_default():
    """Nobody said how many."""
    data = SamplerV2(simulator()).run([bell()]).result()[0].data
    assert data.meas.num_shots == 4096


@newest
def samples_the_shots_of_the_options():
    """default_shots counts where a pub has none; a pub's own win."""
    sampler = SamplerV2(simulator(), options={"default_shots": 100})
    result = sampler.run([bell(), (bell(), None, 33)]).result()
    assert [pub.data.meas.num_shots for pub in result] == [100, 33]


@check
def samples_a_sweep():
    """A parameter's values are swept in one job."""
    result = SamplerV2(simulator()).run([(rotation(), [[0.0], [np.pi]])], shots=50).result()
    meas = result[0].data.meas
    assert meas.shape == (2,)
    assert meas[0].get_counts() == {"0": 50}
    assert meas[1].get_counts() == {"1": 50}


@newest
def samples_several_registers():
    """Each classical register is a field of the result."""
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.add_register(*(type(bell().cregs[0])(1, name) for name in ("left", "right")))
    circuit.measure([0, 1], [0, 1])
    data = SamplerV2(simulator()).run([circuit], shots=10).result()[0].data
    assert data.left.get_counts() == {"1": 10}
    assert data.right.get_counts() == {"0": 10}


@newest
def samples_a_dynamic_circuit():
    """A measured bit decides the next gate."""
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    data = SamplerV2(simulator()).run([circuit], shots=20).result()[0].data
    assert data.c.get_counts() == {"11": 20}


@newest
def samples_the_same_with_the_same_seed():
    """seed_simulator repeats a result, and another seed does not."""
    circuit = QuantumCircuit(8)
    circuit.h(range(8))
    circuit.measure_all()

    def sample(seed):
        options = {"simulator": {"seed_simulator": seed}}
        return SamplerV2(simulator(), options=options).run([circuit], shots=100)

    jobs = [sample(seed) for seed in (7, 7, 8)]
    first, same, other = (job.result()[0].data.meas.get_bitstrings() for job in jobs)
    assert first == same
    assert first != other


@check
def names_the_shots_in_the_metadata():
    """A pub's metadata has the shots, and the result's the version."""
    result = bell_job().result()
    assert result[0].metadata["shots"] == 1000, result[0].metadata
    assert result.metadata["version"] == 2, result.metadata


@newest
def names_options_that_a_simulator_lacks():
    """An option that can't be honoured is named in the metadata, never dropped silently."""
    options = {"dynamical_decoupling": {"enable": True}, "twirling": {"enable_gates": True}}
    result = SamplerV2(simulator(), options=options).run([bell()], shots=10).result()
    text = str(result.metadata) + str(result[0].metadata)
    assert "dynamical_decoupling" in text, text
    assert "twirling" in text, text


@newest
def refuses_what_the_device_can_not_run():
    """The client compares circuits with the target before they are sent."""
    return raises(IBMInputValueError, SamplerV2(device()).run, [bell()])


@check
def estimates_expectation_values():
    """EstimatorV2 returns the correlations of a Bell state."""
    pubs = [(bell(measured=False), [["ZZ"], ["XX"], ["ZI"]])]
    result = EstimatorV2(simulator(), options={"default_precision": 0.02}).run(pubs).result()
    values = result[0].data.evs
    assert values.shape == (3, 1)
    assert np.allclose(values.ravel(), [1, 1, 0], atol=0.1), values
    assert result[0].data.stds.shape == (3, 1)
    assert type(result[0]).__name__ == "PubResult"


@newest
def estimates_sums_of_paulis():
    """An observable may be a sum with coefficients."""
    energy = SparsePauliOp.from_list([("ZZ", 1.0), ("XX", 0.5), ("II", -0.25)])
    result = EstimatorV2(simulator()).run([(bell(measured=False), energy)]).result()
    assert abs(float(result[0].data.evs) - 1.25) < 0.1, result[0].data.evs


@newest
def estimates_a_sweep_with_precision():
    """A parameter is swept to a precision that run() is given."""
    pubs = [(rotation(measured=False), "Z", [[0.0], [np.pi / 2], [np.pi]])]
    data = EstimatorV2(simulator()).run(pubs, precision=0.05).result()[0].data
    assert np.allclose(data.evs, [1, 0, -1], atol=0.25), data.evs
    assert (data.stds <= 0.1).all(), data.stds


@newest
def names_the_shots_of_an_estimate():
    """A pub's metadata has the shots and the precision, which programs read."""
    metadata = estimate_job().result()[0].metadata
    assert metadata["shots"] >= 100, metadata
    assert metadata["target_precision"] == 0.1, metadata


@newest
def estimates_on_a_device():
    """Observables follow the layout that transpiling chose."""
    circuit = for_device(bell(measured=False))
    observable = SparsePauliOp("ZZ").apply_layout(circuit.layout)
    data = EstimatorV2(ring()).run([(circuit, observable)], precision=0.05).result()[0].data
    assert 0.6 < float(data.evs) < 1.15, data.evs


@newest
def takes_resilience_options():
    """Mitigation that an estimator lacks is named, and the estimate is there."""
    options = {"resilience_level": 2, "resilience": {"zne": {"noise_factors": [1, 3]}}}
    pubs = [(bell(measured=False), "ZZ")]
    result = EstimatorV2(simulator(), options=options).run(pubs).result()
    text = str(result.metadata) + str(result[0].metadata)
    assert abs(float(result[0].data.evs) - 1) < 0.1
    assert "resilience" in text, text


@check
def executes_a_quantum_program():
    """Executor returns the bits of each item."""
    program = QuantumProgram(shots=64)
    program.append_circuit_item(for_device(bell()))
    result = Executor(ring()).run(program).result()
    bits = result[0]["meas"]
    assert bits.shape == (64, 2), bits.shape
    assert (bits[:, 0] == bits[:, 1]).mean() > 0.8


@check
def executes_a_sweep():
    """A circuit's arguments are an array, and the bits have its shape."""
    circuit = for_device(rotation())
    program = QuantumProgram(shots=16)
    program.append_circuit_item(circuit, circuit_arguments=np.array([[0.0], [np.pi]]))
    bits = Executor(ring()).run(program).result()[0]["meas"]
    assert bits.shape == (2, 16, 1), bits.shape
    assert bits[1].mean() - bits[0].mean() > 0.7


@check
def samples_on_the_client_side():
    """The sampler that will replace today's runs the program executor."""
    from qiskit_ibm_runtime.executor_sampler import SamplerV2 as ClientSampler

    job = ClientSampler(ring()).run([for_device(bell())], shots=500)
    assert job.primitive_id == "executor"
    assert_bell(job.result()[0].data.meas.get_counts(), 500, noise=0.2)


@check
def estimates_on_the_client_side():
    """The estimator that will replace today's runs the program executor."""
    from qiskit_ibm_runtime.executor_estimator import EstimatorV2 as ClientEstimator

    estimator = ClientEstimator(simulator(), options={"resilience_level": 0})
    job = estimator.run([(bell(measured=False), SparsePauliOp("ZZ"))], precision=0.1)
    assert job.primitive_id == "executor"
    assert abs(float(job.result(timeout=60)[0].data.evs) - 1) < 0.1


@check
def refuses_circuits_of_a_newer_format():
    """A client that is too new is told both numbers, at once."""
    program = {"schema_version": "v2.0", "options": {}}
    program["quantum_program"] = {
        "shots": 1, "items": [], "circuits": {"b64_data": "", "qpy_version": 99, "num_programs": 0},
    }  # fmt: skip
    error = raises(Exception, service()._run, "executor", program, options={"backend": device()})
    assert "99" in str(error), error
    assert "QPY" in str(error), error
    return error
