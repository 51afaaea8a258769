"""Memory admission: what is refused before it takes memory, and what is not."""

import json
import math
import os
import time

import numpy
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer.noise import NoiseModel, depolarizing_error, thermal_relaxation_error

from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import Outcome
from qiskit_runtime.programs.simulate.memory import TooLarge, check_memory
from qiskit_runtime.serialization import RuntimeEncoder
from runner import memory
from runner.quantum_backend import MIN_MIB, make_backend
from runner.runtime_simulator import RuntimeSimulator
from tests.runner.births import BOTH_BIRTHS

GIB = 1 << 30

DENSE = """
    from qiskit import QuantumCircuit

    def dense(qubits):
        circuit = QuantumCircuit(qubits, name="dense")
        circuit.h(range(qubits))
        circuit.t(range(qubits))
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        return circuit
"""
scope = {}
exec(compile(DENSE.replace("\n    ", "\n"), "dense", "exec"), scope)
dense = scope["dense"]


def ghz(qubits):
    """A Clifford circuit."""
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def simulator(**options):
    """A simulator of one MiB: 16 qubits as a statevector, 8 as a density matrix."""
    made = RuntimeSimulator(**{"max_memory_mb": 1} | options)
    made.set_options(n_qubits=63)
    return made


def counts(backend, circuit, **options):
    """Return the number of different values in 20 shots of a circuit."""
    result = backend.run(circuit, shots=20, seed_simulator=1, **options).result()
    assert result.success, result.status
    return len(result.get_counts())


def test_wide_dense_circuit_is_refused_at_once(start_run, write_program):
    """40 qubits as a statevector are TooLarge, with the numbers, within two seconds."""
    run = start_run()
    # Until it has imported all and waits for its job.
    time.sleep(4)
    program = write_program(DENSE + "    def main(b, m):\n        b.run(dense(40)).result()\n")
    begin = time.monotonic()
    run.start_job(program, memory_bytes=GIB)
    _, verdict, _ = run.finish()
    assert time.monotonic() - begin < 2
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "TooLarge")
    assert verdict.message.startswith("circuit 'dense' needs 16 TiB of memory: ")
    assert "16 bytes x 2^40 for 40 qubits, and the limit is " in verdict.message
    assert verdict.message.endswith("b.run(dense(40)).result())")
    assert verdict.peak_memory_bytes < GIB


@BOTH_BIRTHS
def test_what_fits_into_a_job_s_memory_runs_and_a_qubit_more_does_not(run_program, console):
    """The limit is the job's memory less what its process holds; up to it nothing is killed."""
    events, verdict, _ = run_program(
        DENSE
        + """
    import math
    from runner.memory import _private_bytes
    import os

    def main(backend, messenger):
        limit = backend.options.max_memory_mb
        print(limit, _private_bytes(os.getpid())[0] >> 20)
        most = int(math.log2(limit * 2**20 / 16))
        backend.run(dense(most), shots=1).result().get_counts()
        print("fits")
        backend.run(dense(most + 1), shots=1)
    """,
        memory_bytes=450 << 20,
    )
    numbers, *lines = console(events).decode().splitlines()
    limit, held = map(int, numbers.split())
    assert held > 50 and 450 - held - 30 < limit <= 450 - held + 1
    assert lines[0] == "fits" and ".memory.TooLarge: " in lines[-1]
    assert verdict.reason == "TooLarge" and f"the limit is {limit} MiB" in verdict.message


def test_library_s_circuit_runner_refuses_alike(start_run):
    """A circuit that a client posts is refused with the same reason, before it is transpiled."""
    run = start_run()
    params = json.dumps({"circuits": dense(40)}, cls=RuntimeEncoder)
    run.start_job("circuit-runner", params, memory_bytes=GIB)
    events, verdict, _ = run.finish()
    assert verdict.reason == "TooLarge" and "16 TiB of memory" in verdict.message
    assert not [event for event in events if isinstance(event, Message)]


@pytest.fixture
def memory_cgroup(make_memory_cgroup):
    """A real memory cgroup of 700 MiB."""
    return make_memory_cgroup(700)


@BOTH_BIRTHS
def test_memory_of_a_pod_is_its_cgroup_s(memory_cgroup, start_in, write_program, console):
    """Without a limit in the job input, the cgroup's counts, less what the process holds."""
    run = start_in(memory_cgroup)
    source = DENSE + (
        "    def main(b, m):\n        print(b.options.max_memory_mb)\n        b.run(dense(27))\n"
    )
    run.start_job(write_program(source))
    events, verdict, _ = run.finish()
    assert 200 < int(console(events).split()[0]) < 650
    assert verdict.reason == "TooLarge" and "needs 2 GiB of memory" in verdict.message


def test_limit_of_the_job_goes_before_the_cgroup_s(monkeypatch):
    """Memory in use is taken off; no limit is zero, and a spent limit is not."""
    held = memory._private_bytes(os.getpid())[0]
    monkeypatch.setattr(memory, "cgroup_limit", lambda: 8 * GIB)
    assert abs(memory.available_bytes(4 * GIB) - (4 * GIB - held)) < 100 << 20
    assert abs(memory.available_bytes() - (8 * GIB - held)) < 100 << 20
    assert memory.available_bytes(1 << 20) == 1
    monkeypatch.setattr(memory, "cgroup_limit", lambda: None)
    assert memory.available_bytes() == 0
    assert make_backend({}, 1 << 20).options.max_memory_mb == MIN_MIB


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({}, 16),
        ({"method": "statevector"}, 16),
        ({"method": "density_matrix"}, 8),
        ({"precision": "single"}, 17),
        ({"method": "density_matrix", "max_memory_mb": 4}, 9),
    ],
)
def test_limit_is_met_exactly(options, most):
    """As many qubits as fit run in Aer too, and one more is refused: 2^n, or 4^n numbers."""
    backend = simulator(**options)
    assert counts(backend, dense(most)) > 1
    with pytest.raises(TooLarge, match=f"for {most + 1} qubits"):
        backend.run(dense(most + 1))
    with pytest.raises(TooLarge):
        backend.run([dense(2), dense(most + 1)])


@pytest.mark.parametrize(("method", "base"), [("unitary", 4), ("superop", 16)])
def test_other_dense_methods_have_their_own_sizes(method, base):
    """A unitary holds 4^n numbers, a superoperator 16^n."""
    backend = simulator(method=method)
    most = int(math.log(2**20 / 16, base))
    check_memory(backend, QuantumCircuit(most))
    wide = QuantumCircuit(most + 1)
    wide.h(range(most + 1))
    with pytest.raises(TooLarge, match=rf"16 bytes x {base}\^{most + 1} "):
        check_memory(backend, wide)


def test_wide_clifford_circuit_runs_where_aer_picks_the_method():
    """A GHZ state of 40 qubits takes no memory, as it is and in a device's basis gates."""
    backend = simulator()
    assert counts(backend, ghz(40)) == 2
    translated = transpile(ghz(40), basis_gates=["id", "rz", "sx", "x", "cx"])
    assert "rz" in translated.count_ops() and counts(backend, translated) == 2
    with pytest.raises(TooLarge):
        simulator(method="statevector").run(ghz(40))
    turned = ghz(40)
    turned.rz(0.3, 0)
    with pytest.raises(TooLarge):
        backend.run(turned)


def test_wide_clifford_circuit_with_an_observable_runs():
    """The expectation values that an estimator saves of a stabilizer state do not refuse it."""
    circuit = ghz(40)
    circuit.remove_final_measurements()
    circuit.save_expectation_value(SparsePauliOp("Z" * 40), range(40), label="value")
    result = simulator().run(circuit).result()
    assert result.data()["value"] == pytest.approx(1)
    circuit.save_statevector()
    with pytest.raises(TooLarge):
        simulator().run(circuit)


def test_wide_clifford_circuit_with_clifford_noise_runs():
    """Depolarisation leaves a stabilizer state one; a relaxation that mixes states does not."""
    mild, harsh = NoiseModel(), NoiseModel()
    mild.add_all_qubit_quantum_error(depolarizing_error(0.01, 2), ["cx"])
    harsh.add_all_qubit_quantum_error(thermal_relaxation_error(50, 90, 1), ["h"])
    # One thread: Aer gives each its share of the memory, and of one MiB that is no shot at all.
    assert counts(simulator(noise_model=mild, max_parallel_threads=1), ghz(40)) > 1
    assert counts(simulator(noise_model=NoiseModel()), ghz(40)) == 2
    with pytest.raises(TooLarge):
        simulator(noise_model=harsh).run(ghz(40))


@pytest.mark.parametrize("method", ["stabilizer", "matrix_product_state"])
def test_methods_that_hold_no_state_run_wide_circuits(method):
    """Their memory is of what is entangled: 100 qubits of a GHZ state are few."""
    backend = make_backend({"name": "wide", "method": method}, GIB)
    backend.set_options(max_memory_mb=1)
    assert counts(backend, ghz(100)) == 2


def test_options_of_a_run_count():
    """A method that a run names is the one that is checked, either way."""
    backend = simulator()
    assert counts(backend, dense(20), method="matrix_product_state") > 1
    assert counts(backend, dense(17), precision="single") > 1
    assert counts(backend, dense(17), max_memory_mb=2) > 1
    with pytest.raises(TooLarge):
        backend.run(ghz(40), method="statevector")


def test_qubits_that_nothing_is_done_to_take_nothing():
    """A circuit of a wide device with few used qubits runs, wherever they are."""
    circuit = QuantumCircuit(60, 2)
    circuit.h(7)
    circuit.t(7)
    circuit.cx(7, 55)
    circuit.barrier()
    circuit.delay(100, 3)
    circuit.measure([7, 55], [0, 1])
    assert counts(simulator(), circuit) == 2
    assert counts(simulator(method="density_matrix"), circuit) == 2


def test_any_width_has_its_numbers():
    """A thousand qubits and more are refused in words, not by an overflow."""
    wide = QuantumCircuit(5000)
    wide.t(range(5000))
    with pytest.raises(TooLarge, match=r"needs 2\^5004 bytes of memory"):
        check_memory(simulator(), wide)
    for qubits, size in [(17, "2 MiB"), (27, "2 GiB"), (37, "2 TiB"), (47, "2 PiB"), (57, "2^61")]:
        with pytest.raises(TooLarge) as caught:
            check_memory(simulator(), dense(qubits))
        assert f"needs {size} " in str(caught.value)


def test_without_a_limit_nothing_is_refused():
    """Without a known limit only Aer's own check applies."""
    check_memory(RuntimeSimulator(), dense(60))
    assert numpy.isfinite(make_backend({}, GIB).options.max_memory_mb)
