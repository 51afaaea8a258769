"""sample-vqe: the singlet at -3, answers by NumPy, SciPy's result, steps, reruns, refusals."""

import numpy as np
import pytest
from qiskit.circuit.library import real_amplitudes
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator

from tests.programs.drawn import (
    check_progress,
    check_result,
    draw_rng,
    draw_terms,
    lowest,
    misread,
    post,
    to_matrix,
)

HEISENBERG = [[1, "XX"], [1, "YY"], [1, "ZZ"]]


@pytest.fixture
def run(load_program, load_metadata, decoding_messenger):
    """Run the program with encoded parameters that the schema allows; give the result."""
    metadata = load_metadata("sample_vqe")

    def run_program(backend=None, **params):
        decoding_messenger.__init__()
        params = post(metadata, params)
        load_program("sample_vqe").main(backend or AerSimulator(), decoding_messenger, **params)
        [final] = decoding_messenger.final
        check_result(metadata, final)
        progress = decoding_messenger.progress
        check_progress(progress, progress[-1].done)
        return final

    return run_program


def test_singlet(run):
    """COBYLA finds -3 exactly without shots, and nearly with the default 8192."""
    problem = {
        "hamiltonian": HEISENBERG,
        "optimizer": "COBYLA",
        "optimizer_config": {"maxiter": 600},
        "seed_simulator": 1,
    }

    assert run(**problem, shots=None)["fun"] == pytest.approx(-3, abs=1e-3)
    assert run(**problem)["fun"] < -2.9


def test_default_is_spsa(run, decoding_messenger):
    """Without an optimizer, SPSA takes 100 steps, each published, and counts 200 evaluations."""
    result = run(hamiltonian=HEISENBERG, shots=1024, seed_simulator=3)

    assert result["nit"] == 100
    assert result["nfev"] == 200
    assert result["success"] is True
    assert result["fun"] < -1
    assert len(decoding_messenger.interim) == 100
    assert decoding_messenger.interim[-1] == result["x"].tolist()
    assert decoding_messenger.progress[0].total == 251


@pytest.mark.parametrize("optimizer", ["L-BFGS-B", "bfgs"])
def test_drawn_hamiltonians(run, decoding_messenger, optimizer):
    """A drawn Hamiltonian's smallest eigenvalue is the one that NumPy finds."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, 2, 6)
    pairs = [[coefficient, label] for label, coefficient in terms]
    found = []
    for _ in range(4):
        start = rng.uniform(-np.pi, np.pi, 16)
        result = run(hamiltonian=pairs, x0=start, optimizer=optimizer, shots=None)
        found.append(result["fun"])
        assert len(decoding_messenger.interim) == result["nit"]

    assert min(found) == pytest.approx(lowest(terms), abs=1e-3), seed


def test_ansatz_and_its_config(run):
    """The named ansatz with its options is what runs: the energy at x is that of its state."""
    rng, seed = draw_rng()
    terms = draw_terms(rng, 3, 6)
    result = run(
        hamiltonian=SparsePauliOp.from_list(terms),
        ansatz="RealAmplitudes",
        ansatz_config={"reps": 1, "entanglement": "linear"},
        optimizer="SLSQP",
        optimizer_config={"maxiter": 2, "ftol": 1e-3},
        x0=rng.random(6).tolist(),
        shots=None,
    )

    circuit = real_amplitudes(3, reps=1, entanglement="linear")
    state = Statevector(circuit.assign_parameters(result["x"])).data
    assert result["fun"] == pytest.approx((state.conj() @ to_matrix(terms) @ state).real), seed


@pytest.mark.parametrize("optimizer", ["SPSA", "COBYLA"])
def test_null_is_the_default(run, optimizer):
    """A maxiter of null stands for 100; the Hamiltonian may be a label alone."""
    config = {"maxiter": None}
    if optimizer == "SPSA":
        config |= {"learning_rate": 0.1, "perturbation": 0.1}
    result = run(
        hamiltonian="ZZ",
        optimizer=optimizer,
        optimizer_config=config,
        shots=9,
        seed_simulator=1,
        seed_transpiler=2**63 - 1,
    )

    assert result["nfev"] <= (200 if optimizer == "SPSA" else 100)
    assert optimizer == "COBYLA" or result["nit"] == 100


def test_start_stays_as_it_is(load_program, decoding_messenger):
    """The array x0 is not changed in place."""
    start = np.full(16, 0.3)
    load_program("sample_vqe").main(
        AerSimulator(),
        decoding_messenger,
        HEISENBERG,
        x0=start,
        optimizer_config={"maxiter": 2},
        shots=100,
    )

    assert start.tolist() == [0.3] * 16
    assert decoding_messenger.final[0]["x"].tolist() != start.tolist()


def test_mitigation(run):
    """With mitigation the energy that is found is about the one without misreading."""
    problem = {
        "hamiltonian": [[1, "ZZ"], [0.5, "ZI"]],
        "ansatz": "RealAmplitudes",
        "ansatz_config": {"reps": 1},
        "optimizer": "COBYLA",
        "optimizer_config": {"maxiter": 60},
        "seed_simulator": 4,
    }
    backend = misread((0.1, 0.1), (0.15, 0.05))

    assert run(backend, **problem)["fun"] > -1.3
    assert run(backend, **problem, use_measurement_mitigation=True)["fun"] < -1.4


def test_same_seed_same_run(run, decoding_messenger):
    """A seed fixes everything; another one changes it."""

    def messages(seed):
        result = run(
            hamiltonian=HEISENBERG,
            optimizer_config={"maxiter": 3},
            shots=200,
            seed_simulator=seed,
        )
        return decoding_messenger.interim, result["fun"]

    first = messages(5)
    assert messages(5) == first
    assert messages(6) != first


@pytest.mark.parametrize(
    ("begin", "params"),
    [
        ("hamiltonian: mandatory", {"hamiltonian": None}),
        ("hamiltonian: is not Hermitian", {"hamiltonian": [[1j, "X"]]}),
        ("ansatz: there is no 'UCCSD'; there are EfficientSU2", {"ansatz": "UCCSD"}),
        ("ansatz_config: 'deep' is no option", {"ansatz_config": {"deep": 1}}),
        ("ansatz_config: does not make", {"ansatz_config": {"entanglement": "odd"}}),
        ("x0: has 2 numbers, but the circuit has 16", {"x0": [1, 2]}),
        ("optimizer: there is no optimizer 'Adam'", {"optimizer": "Adam"}),
        ("optimizer_config: expected an object", {"optimizer_config": 100}),
        ("optimizer_config: 'speed' is no option", {"optimizer_config": {"speed": 1}}),
        ("optimizer_config: 'name'", {"optimizer_config": {"name": "SPSA"}}),
        ("optimizer_config.maxiter: ", {"optimizer_config": {"maxiter": "many"}}),
        (
            "optimizer_config: CG: Unknown solver options: speed",
            {"optimizer": "CG", "optimizer_config": {"speed": 1}},
        ),
        ("shots: ", {"shots": 1.5}),
        ("use_measurement_mitigation: ", {"use_measurement_mitigation": 1}),
    ],
)
def test_names_the_wrong_field(load_program, messenger, begin, params):
    """A mistake is refused by its field's name."""
    with pytest.raises(ValueError, match=f"^{begin}"):
        load_program("sample_vqe").main(
            AerSimulator(), messenger, **({"hamiltonian": HEISENBERG} | params)
        )
    assert messenger.final == []
