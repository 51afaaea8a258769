"""A job's random numbers: their seed, and their repetition."""

import inspect
import json
from contextlib import ExitStack

import numpy
import pytest

from qiskit_runtime.contract.resources.backend import BACKENDS
from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import Outcome
from runner.channel import MAX_SEED, ChannelBroken, read_seed
from runner.job_seed import choose_seed, pass_seed
from tests.runner.births import BOTH_BIRTHS, open_zygote
from tests.runner.conftest import Run

DRAWS = """
    import random
    import numpy
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import random_hermitian

    FIRST = random.random()

    def main(backend, messenger{parameter}):
        circuit = QuantumCircuit(5)
        circuit.h(range(5))
        circuit.measure_all()
        runs = [backend.run(circuit, shots=50).result().get_counts() for _ in range(3)]
        several = backend.run([circuit, circuit], shots=50).result().get_counts()
        return {{
            "given": {given},
            "import": FIRST,
            "python": [random.random(), random.getrandbits(60), random.sample(range(99), 5)],
            "numpy": [numpy.random.random(), int(numpy.random.randint(1 << 30))],
            "qiskit": random_hermitian(2).data.tolist(),
            "runs": runs,
            "several": several,
        }}
"""
TAKES = DRAWS.format(parameter=", seed_simulator=None", given="seed_simulator")
TAKES_NONE = DRAWS.format(parameter="", given="None")


def result(events):
    """The final result."""
    (text,) = [event.text for event in events if isinstance(event, Message) and event.final]
    return json.loads(text)


def test_given_seed_is_the_job_s(run_program):
    """The parameter seed_simulator is the seed of all, main gets it, and the verdict tells it."""
    events, verdict, _ = run_program(TAKES, {"seed_simulator": 7})
    assert verdict.seed == 7 and result(events)["given"] == 7
    again, _, _ = run_program(TAKES, {"seed_simulator": 7})
    other, _, _ = run_program(TAKES, {"seed_simulator": 8})
    assert result(again) == result(events)
    different = [key for key, value in result(other).items() if value != result(events)[key]]
    assert set(different) == set(result(events))


@pytest.mark.parametrize("source", [TAKES, TAKES_NONE])
@BOTH_BIRTHS
def test_job_without_a_seed_can_be_run_again_with_the_one_it_drew(source, run_program):
    """The verdict has the seed that was drawn; given to any program, all is as it was."""
    events, verdict, _ = run_program(source)
    first = result(events)
    assert 0 <= verdict.seed <= MAX_SEED
    assert first["given"] == (verdict.seed if source is TAKES else None)
    events, again, _ = run_program(source, {"seed_simulator": verdict.seed})
    assert (result(events), again.seed) == (first, verdict.seed)


GENERATORS = """
    import random, sys
    import numpy

    KINDS = (random.Random, numpy.random.RandomState, numpy.random.Generator)

    def main(backend, messenger):
        return sorted(f"{place}.{name}" for place, module in sys.modules.copy().items()
            for name, value in vars(module).items() if isinstance(value, KINDS))
"""


@BOTH_BIRTHS
def test_every_generator_that_libraries_made_on_import_is_seeded(run_program):
    """There are no others than those of ``use_seed``, which forks would share, and the system's."""
    events, _, _ = run_program(GENERATORS)
    assert result(events) == [
        "numpy.random.mtrand._rand",
        "qiskit.quantum_info.operators.random.DEFAULT_RNG",
        "random._inst",
        "secrets._sysrand",
    ]


TRANSPILES = """
    from qiskit import QuantumCircuit, transpile
    from qiskit.transpiler import generate_preset_pass_manager

    def main(backend, messenger):
        circuit = QuantumCircuit(5)
        circuit.h(0)
        for one in range(5):
            circuit.rx(0.3 * one, one)
            for other in range(one):
                circuit.cx(one, other)
        circuit.measure_all()
        passes = generate_preset_pass_manager(2, backend)
        return [describe(transpile(circuit, backend)), describe(passes.run(circuit)),
            [describe(transpile(circuit, backend, seed_transpiler=seed)) for seed in range(3)],
            backend.run(transpile(circuit, backend), shots=90).result().get_counts()]

    def describe(circuit):
        places = [[circuit.find_bit(qubit).index for qubit in item.qubits] for item in circuit.data]
        names = [item.operation.name for item in circuit.data]
        return [names, places, circuit.layout.final_index_layout()]
"""


def find_backend(name):
    """A built-in backend as its job input has it."""
    (spec,) = [spec for spec in BACKENDS if spec.name == name]
    return spec.model_dump(exclude_none=True)


@pytest.mark.parametrize("name", ["aer_montreal", "aer_heron"])
@BOTH_BIRTHS
def test_program_that_transpiles_for_a_device_can_be_run_again(name, run_program):
    """Layouts and routes follow from the job's seed too, where the program names none."""
    backend = find_backend(name)
    events, verdict, _ = run_program(TRANSPILES, backend=backend)
    again, _, _ = run_program(TRANSPILES, {"seed_simulator": verdict.seed}, backend=backend)
    assert result(again) == result(events)
    plain, passes, seeded, _ = result(events)
    assert plain == passes
    assert len({json.dumps(one) for one in seeded}) > 1


def test_jobs_of_two_seeds_transpile_differently(run_program):
    """The transpiler's seed is the job's, and no constant."""
    backend = find_backend("aer_montreal")
    runs = [run_program(TRANSPILES, {"seed_simulator": seed}, backend=backend) for seed in (0, 1)]
    transpiled = [result(events)[0] for events, _, _ in runs]
    assert transpiled[0] != transpiled[1]
    # A seed that the program names means the same in each job.
    assert [result(events)[2][at] for at, (events, _, _) in enumerate(runs)] == transpiled


INHERITED = """
    import subprocess, sys
    READ = "import os; print(os.environ['QISKIT_TRANSPILER_SEED'])"

    def main(backend, messenger):
        return subprocess.check_output([sys.executable, "-c", READ], text=True).strip()
"""


def test_processes_of_a_program_transpile_with_its_seed(run_program):
    """They find the transpiler's seed in their environment."""
    events, _, _ = run_program(INHERITED, {"seed_simulator": MAX_SEED})
    assert result(events) == str(MAX_SEED)


def test_transpiler_seed_that_a_server_passes_on_stays(write_program):
    """A variable that is there already is its user's choice."""
    with open_zygote(QISKIT_TRANSPILER_SEED="4") as zygote, ExitStack() as made:
        run = Run(zygote.fork())
        made.callback(run.close)
        run.start_job(write_program(INHERITED), {"seed_simulator": 7})
        events, verdict, _ = run.finish()
    assert result(events) == "4" and verdict.seed == 7


def test_runs_within_a_job_differ_and_jobs_do(run_program):
    """A program that runs a circuit twice gets two samples, and two jobs get two seeds."""
    events, first, _ = run_program(TAKES)
    runs = result(events)["runs"] + result(events)["several"]
    assert all(one != other for at, one in enumerate(runs) for other in runs[:at])
    _, second, _ = run_program(TAKES)
    assert first.seed != second.seed


def test_run_keeps_a_seed_of_its_own(run_program):
    """A seed that the program names itself, per run or as an option, goes before the job's."""
    events, _, _ = run_program(
        """
        from qiskit import QuantumCircuit
        def main(backend, messenger):
            circuit = QuantumCircuit(9)
            circuit.h(range(9))
            circuit.measure_all()
            def sample(**options):
                return backend.run(circuit, shots=40, **options).result().get_counts()
            own = [sample(seed_simulator=5), sample(seed_simulator=5)]
            free = [sample(seed_simulator=None), sample(seed_simulator=None)]
            backend.set_options(seed_simulator=5)
            fixed = [sample(), sample()]
            return [own[0] == own[1], free[0] == free[1], fixed == own]
        """
    )
    assert result(events) == [True, False, True]


def test_backend_with_a_fixed_seed_begins_each_job_alike(run_program):
    """Jobs on it are equal without saying so; a job's own seed goes before the backend's."""
    backend = {"name": "same", "seed": {"policy": "Fixed", "value": 11}}
    results = [run_program(TAKES, backend=backend) for _ in range(2)]
    assert [verdict.seed for _, verdict, _ in results] == [11, 11]
    assert result(results[0][0]) == result(results[1][0])
    events, own, _ = run_program(TAKES, {"seed_simulator": 3}, backend=backend)
    assert own.seed == result(events)["given"] == 3


@pytest.mark.parametrize("value", [2**60, "x"])
def test_odd_seed_is_main_s_own_business(value, run_program):
    """A value that can't be a job's seed reaches main as it is, and the verdict claims no seed."""
    events, verdict, _ = run_program(
        "def main(b, m, seed_simulator=None):\n    return seed_simulator\n",
        {"seed_simulator": value},
    )
    assert result(events) == value and type(result(events)) is type(value)
    assert verdict.seed is None and verdict.outcome is Outcome.SUCCEEDED


def test_largest_seed_is_one(run_program):
    """Any number that JSON readers agree on is a seed, for NumPy and Aer too."""
    events, verdict, _ = run_program(TAKES, {"seed_simulator": MAX_SEED})
    assert verdict.seed == result(events)["given"] == MAX_SEED


def test_job_that_fails_tells_its_seed(run_program):
    """A failure that comes by chance can be run again."""
    _, verdict, _ = run_program("def main(b, m):\n    1 / 0\n")
    assert verdict.seed is not None and verdict.outcome is Outcome.FAILED


def test_seed_that_a_program_forges_is_bounded(run_program):
    """A program that sends rubbish as its seed is ended; what it can claim is a seed."""
    source = """
        import os, sys, time
        from runner.channel import Kind, pack
        def main(b, m):
            os.write(int(sys.argv[1]), pack(Kind.SEED, {payload}))
            time.sleep(20)
    """
    _, verdict, _ = run_program(source.format(payload='b"-1"'))
    assert "not a seed" in verdict.message and verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize("payload", [b"", b"-1", b"1.0", b"x", b"9" * 5000, b"%d" % (MAX_SEED + 1)])
def test_packet_that_is_no_seed_is_refused(payload):
    """Only decimal digits within the limit are a seed."""
    with pytest.raises(ChannelBroken):
        read_seed(payload)
    assert read_seed(b"%d" % MAX_SEED) == MAX_SEED


@pytest.mark.parametrize(
    ("params", "policy", "seed"),
    [
        ({"seed_simulator": 0}, {"policy": "Fixed", "value": 3}, 0),
        ({"seed_simulator": None}, {"policy": "Fixed", "value": 3}, 3),
        ({}, {"policy": "Fixed", "value": 0}, 0),
        ({"seed_simulator": True}, {"policy": "Fixed", "value": 3}, 3),
        ({"options": {"simulator": {"seed_simulator": 7}}}, {"policy": "Fixed", "value": 3}, 7),
        ({"options": {"seed_estimator": 8}}, {}, 8),
        ({"seed_simulator": 1, "options": {"simulator": {"seed_simulator": 7}}}, {}, 1),
        ({"options": [{"simulator": 7}]}, {"policy": "Fixed", "value": 3}, 3),
        ({"options": {"simulator": "x", "seed_estimator": -1}}, {"value": 3}, 3),
    ],
)
def test_parameters_go_before_the_backend(params, policy, seed):
    """Zero is a seed like any other, and true is none."""
    assert choose_seed(params, {"seed": policy}) == seed


@pytest.mark.parametrize("value", [2**60, -1, "x", True, 5.0, [5], numpy.arange(2)])
def test_odd_seed_is_left_as_it_is(value):
    """Nothing is claimed of a seed that is none, and main gets what the client sent."""
    params = {"seed_simulator": value}
    assert not pass_seed(5, lambda backend, messenger, seed_simulator: None, params)
    assert params["seed_simulator"] is value
    assert type(choose_seed(params, {})) is int


def test_main_gets_the_seed_only_where_it_takes_one():
    """A seed is passed to a parameter of its name, or among all others, and else left out."""

    def none(backend, messenger):
        pass

    def named(backend, messenger, *, seed_simulator=1):
        pass

    def every(backend, messenger, **params):
        pass

    for main, given, expected in [
        (none, {}, {}),
        (none, {"seed_simulator": 5}, {}),
        (named, {}, {"seed_simulator": 5}),
        (named, {"seed_simulator": None}, {"seed_simulator": 5}),
        (every, {}, {}),
        (every, {"seed_simulator": 5}, {"seed_simulator": 5}),
    ]:
        params = dict(given)
        assert pass_seed(5, main, params)
        assert params == expected, inspect.signature(main)
