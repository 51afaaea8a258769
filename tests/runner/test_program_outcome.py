"""The verdict of a program's end: results, exceptions, exit codes, signals, time, memory."""

import json
import signal

import pytest

from qiskit_runtime.contract.wire.events import Console, Gap, Message
from qiskit_runtime.contract.wire.verdict import Outcome
from tests.runner.births import BOTH_BIRTHS

HEADER = b"Traceback (most recent call last):"


@BOTH_BIRTHS
def test_returned_value_becomes_the_final_result(run_program):
    """A program may return its result, and its first two parameters may have any names."""
    events, verdict, code = run_program("def main(a, b, *, n):\n    return {'n': n}\n", {"n": 3})
    assert [(e.text, e.final) for e in events if isinstance(e, Message)] == [('{"n": 3}', True)]
    assert (verdict.outcome, verdict.exit_code, verdict.final, code) == (
        Outcome.SUCCEEDED,
        0,
        True,
        0,
    )


@pytest.mark.parametrize(
    "end", ["m.publish({'all': [result]}, final=True)", "return [result]", "m.publish(result)"]
)
def test_failed_simulation_as_the_final_result_is_warned_of(run_program, console, end):
    """A Result that failed, published as final or returned, has a line in the log; others none."""
    source = """
        from qiskit import QuantumCircuit
        def main(b, m):
            circuit = QuantumCircuit(1, name="tee")
            circuit.t(0)
            circuit.measure_all()
            result = b.run(circuit, method="stabilizer").result()
            END
        """
    events, verdict, _ = run_program(source.replace("END", end))
    line = b"WARNING:qiskit_runtime.messenger:the final result, at ["

    assert verdict.outcome is Outcome.SUCCEEDED
    assert console(events).count(line) == ("final" in end or "return" in end)


def test_option_that_aer_does_not_know_is_warned_of(run_program, console):
    """A user's program runs on, and its log says that a misspelt option did nothing."""
    events, verdict, _ = run_program("""
        from qiskit import QuantumCircuit
        def main(b, m):
            circuit = QuantumCircuit(1)
            circuit.measure_all()
            b.run(circuit, shotz=7, shots=5, meas_level=2).result()
        """)
    warning = b"run: Aer has no option 'shotz', so it does nothing; did you mean 'shots'?"

    assert verdict.outcome is Outcome.SUCCEEDED
    assert console(events).count(b"Aer has no option") == console(events).count(warning) == 1


def test_published_final_wins_over_returned_value(run_program):
    """A returned value counts only where no final result was published."""
    events, verdict, _ = run_program(
        "def main(b, m):\n    m.publish('first', final=True)\n    return 'second'\n"
    )
    assert [e.text for e in events if isinstance(e, Message)] == ['"first"']
    assert verdict.outcome is Outcome.SUCCEEDED and verdict.messages == 1


def test_value_without_a_json_form_is_refused_and_not_null(run_program, console):
    """A Clifford is no result: the message says that it was returned, or that it was published."""
    events, verdict, _ = run_program(
        """
        from qiskit.quantum_info import Clifford, random_clifford
        def main(b, m):
            try:
                m.publish({"state": random_clifford(2, seed=1)})
            except TypeError as error:
                print(error)
            return random_clifford(2, seed=1)
        """
    )
    refused = "Clifford is not JSON serializable: use its to_dict()"
    assert console(events).decode().splitlines()[0] == f"the message: {refused}"
    assert verdict.message == f"TypeError: the returned value: {refused}"
    assert (verdict.outcome, verdict.reason, verdict.final) == (
        Outcome.FAILED,
        "ProgramError",
        False,
    )


def test_no_final_result_succeeds_without_one(run_program):
    """Exit 0 without a final result is a success that says so."""
    _, verdict, code = run_program("def main(b, m):\n    m.publish(1)\n")
    assert (verdict.outcome, verdict.final, verdict.messages, code) == (
        Outcome.SUCCEEDED,
        False,
        1,
        0,
    )


def test_publish_after_the_final_raises_in_the_program(run_program, console):
    """The first final result wins; a later publish of any kind raises PublishError."""
    events, verdict, _ = run_program(
        """
        def main(b, m):
            m.publish(1, final=True)
            for final in (True, False):
                try:
                    m.publish(2, final=final)
                except Exception as error:
                    print(type(error).__name__)
        """
    )
    assert console(events) == b"PublishError\nPublishError\n"
    assert verdict.messages == 1 and verdict.outcome is Outcome.SUCCEEDED


def test_exception_after_the_final_fails_with_the_result_kept(run_program):
    """An exception after the final result is a failure whose result is still readable."""
    events, verdict, code = run_program(
        "def main(b, m):\n    m.publish(1, final=True)\n    raise ValueError('late')\n"
    )
    assert (verdict.outcome, verdict.final, code) == (Outcome.FAILED, True, 1)
    assert [e.text for e in events if isinstance(e, Message) and e.final] == ["1"]


FAILURES = {
    "import error": ("import no_such_module\n", {}, "ModuleNotFoundError: No module named", ""),
    "missing main": ("x = 1\n", {}, "AttributeError: the program has no function main", ""),
    "wrong arguments": ("def main(b, m, n):\n    pass\n", {}, "TypeError: main() missing 1", "P"),
    "unexpected argument": (
        "def main(b, m):\n    pass\n",
        {"k": 1},
        "TypeError: main() got an",
        "P",
    ),
    "clash with a positional": (
        "def main(b, m):\n    pass\n",
        {"b": 1},
        "TypeError: main() got mul",
        "P",
    ),
    "exception": ("def main(b, m):\n    1 / 0\n", {}, "ZeroDivisionError: division by zero", ""),
    "syntax error": ("def main(:\n", {}, "SyntaxError: ", ""),
    "params no object": (
        "def main(b, m):\n    pass\n",
        "[1]",
        "params: an obj",
        "P",
    ),
    "params no JSON": ("def main(b, m):\n    pass\n", "{", "params: ", "P"),
    "chained": (
        (
            "def main(b, m):\n    try:\n        1 / 0\n"
            "    except ZeroDivisionError as e:\n        raise KeyError('k') from e\n"
        ),
        {},
        "KeyError: 'k'",
        "",
    ),
    "no text of its own": (
        (
            "class E(Exception):\n    def __str__(self):\n        return 1\n"
            "def main(b, m):\n    raise E\n"
        ),
        {},
        "E: <exception str() failed>",
        "",
    ),
    "half a surrogate pair": (
        "def main(b, m):\n    raise ValueError('\\ud800')\n",
        {},
        "ValueError: ?",
        "",
    ),
    "base exception": (
        "def main(b, m):\n    raise KeyboardInterrupt\n",
        {},
        "KeyboardInterrupt",
        "",
    ),
    "type error within": (
        "def main(b, m):\n    len(3)\n",
        {},
        "TypeError: object of type 'int'",
        "",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
@BOTH_BIRTHS
def test_failure_ends_the_log_with_a_traceback_of_the_users_code(name, run_program, console):
    """Each way to fail ends the log with a traceback that shows none of our frames."""
    source, params, message, invalid = FAILURES[name]
    events, verdict, code = run_program(source, params)
    text = console(events)
    assert text.startswith(HEADER)
    assert text.splitlines()[1].startswith(b'  File "') and b"program.py" in text.splitlines()[1]
    assert b"program_process" not in text and b"/json/" not in text
    assert message.partition(": ")[0].encode() in text.splitlines()[-1]
    assert verdict.message.startswith(message)
    assert verdict.reason == ("InvalidParams" if invalid else "ProgramError")
    assert (verdict.outcome, verdict.exit_code, code) == (Outcome.FAILED, 1, 1)


def test_huge_exception_text_keeps_header_and_bound(run_program, console):
    """An exception of 20 MB of text after a half-printed line is still a traceback and a reason."""
    events, verdict, _ = run_program(
        "def main(b, m):\n    print('half', end='')\n"
        "    raise ValueError('x' * 17_000_000 + '\\ny')\n"
    )
    text = console(events)
    assert text.startswith(b"half\n" + HEADER + b"\n") and len(text) < 80_000
    assert verdict.outcome is Outcome.FAILED and verdict.message.startswith("ValueError: x")


@pytest.mark.parametrize(
    ("source", "code"), [("sys.exit(3)", 3), ("os._exit(7)", 7), ("sys.exit('why')", 1)]
)
@BOTH_BIRTHS
def test_exit_code_of_the_program_is_kept(source, code, run_program):
    """A program that chooses its exit code has failed with that code."""
    _, verdict, exit_code = run_program(f"import os, sys\ndef main(b, m):\n    {source}\n")
    assert (verdict.outcome, verdict.exit_code, exit_code) == (Outcome.FAILED, code, 1)
    assert verdict.message == f"the program exited with code {code}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, 40])
@BOTH_BIRTHS
def test_signal_that_ended_the_program_is_named(number, run_program):
    """A program that a signal ended, also one without a name, has that signal in its verdict."""
    _, verdict, code = run_program(
        f"import os\ndef main(b, m):\n    os.kill(os.getpid(), {int(number)})\n"
    )
    assert (verdict.outcome, verdict.signal, code) == (Outcome.SIGNALLED, number, 2)
    assert f"signal {int(number)}" in verdict.message


@BOTH_BIRTHS
def test_program_over_its_time_is_ended(run_program):
    """A program that runs longer than its limit and ignores SIGTERM is killed after the grace."""
    _, verdict, code = run_program(
        """
        import signal, time
        def main(b, m):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        """,
        max_execution_seconds=4,
    )
    assert (verdict.outcome, verdict.signal, code) == (Outcome.OVER_TIME, signal.SIGKILL, 4)
    assert 2.7 < verdict.seconds < 6


@BOTH_BIRTHS
def test_array_over_the_memory_limit_is_a_memory_error(run_program, console):
    """A single allocation over the limit is a MemoryError, and its reason OutOfMemory."""
    events, verdict, _ = run_program(
        "def main(b, m):\n    bytearray(2_000_000_000)\n", memory_bytes=600 << 20
    )
    assert console(events).splitlines()[-1] == b"MemoryError"
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, "OutOfMemory")


@BOTH_BIRTHS
def test_many_small_objects_over_the_memory_limit_are_reported(run_program):
    """A program that fills its memory bit by bit still fails with OutOfMemory."""
    _, verdict, _ = run_program(
        """
        def main(b, m):
            kept = []
            while True:
                kept.append([len(kept)] * 1000)
        """,
        memory_bytes=400 << 20,
    )
    assert verdict.outcome is Outcome.OUT_OF_MEMORY or verdict.reason == "OutOfMemory"


@BOTH_BIRTHS
def test_processes_over_the_memory_limit_together_are_killed(run_program):
    """Children that each stay below the limit, but not together, are found by the watch."""
    _, verdict, code = run_program(
        """
        import os, time
        def main(b, m):
            for _ in range(4):
                if os.fork() == 0:
                    held = b"x" * (150 << 20)
                    time.sleep(60)
            time.sleep(60)
        """,
        memory_bytes=500 << 20,
    )
    assert (verdict.outcome, code) == (Outcome.OUT_OF_MEMORY, 3)
    assert verdict.peak_memory_bytes > 500 << 20


def test_final_result_over_the_limit_raises_in_the_program(run_program, console):
    """A result that does not fit raises ResultTooLarge, and a smaller one can follow."""
    events, verdict, _ = run_program(
        """
        import os
        def main(b, m):
            for size in (3_000_000, 17_000_000):
                try:
                    m.publish(os.urandom(size).hex(), final=True)
                except ValueError as error:
                    print(type(error).__name__, error)
            m.publish("small", final=True)
        """
    )
    lines = console(events).splitlines()
    assert [line.split()[0] for line in lines] == [b"ResultTooLarge"] * 2
    assert b"4194304" in lines[0] and b"16777216" in lines[1]
    assert verdict.outcome is Outcome.SUCCEEDED and verdict.final and verdict.messages == 1


def test_uncaught_result_too_large_is_the_reason(run_program):
    """A program that returns too much fails with the reason ResultTooLarge."""
    _, verdict, _ = run_program(
        "import os\ndef main(b, m):\n    return os.urandom(4 << 20).hex()\n"
    )
    assert (verdict.outcome, verdict.reason, verdict.final) == (
        Outcome.FAILED,
        "ResultTooLarge",
        False,
    )


def test_interim_results_over_the_budget_leave_an_exact_gap(run_program):
    """Interim results without room are dropped and counted, and the program goes on."""
    events, verdict, _ = run_program(
        """
        import os
        def main(b, m):
            for _ in range(60):
                m.publish(os.urandom(40_000).hex())
            m.publish("x" * (17 << 20))
            return "done"
        """
    )
    numbers = [e.number for e in events if isinstance(e, Message) and not e.final]
    gaps = [e for e in events if isinstance(e, Gap)]
    missing = [n for gap in gaps for n in range(gap.first, gap.first + gap.count)]
    assert sorted(numbers + missing) == list(range(1, 62)) and missing
    assert verdict.dropped_messages == len(missing)
    final = [e for e in events if isinstance(e, Message) and e.final]
    assert [(e.number, e.text) for e in final] == [(62, '"done"')]


def test_ndarray_in_params_arrives_as_ndarray(run_program, console):
    """Parameters are decoded by the RuntimeDecoder, in the program process."""
    import numpy

    from qiskit_runtime.serialization import RuntimeEncoder

    params = json.dumps({"a": numpy.arange(6.0).reshape(2, 3), "z": 1 + 2j}, cls=RuntimeEncoder)
    events, verdict, _ = run_program(
        "def main(b, m, a, z):\n    print(type(a).__name__, a.shape, z)\n", params
    )
    assert console(events) == b"ndarray (2, 3) (1+2j)\n"
    assert verdict.outcome is Outcome.SUCCEEDED


def test_backend_is_the_simulator_that_the_job_names(run_program, console):
    """The program's first argument is the Aer device of the job input."""
    events, _, _ = run_program(
        "def main(b, m):\n    print(b.name, b.options.method)\n",
        backend={"name": "aer_simulator_stabilizer", "method": "stabilizer"},
    )
    assert console(events) == b"aer_simulator_stabilizer stabilizer\n"


def test_module_beside_the_program_can_be_imported(run_program, tmp_path, console):
    """A program's folder is on its path."""
    (tmp_path / "beside_it.py").write_text("VALUE = 42\n")
    events, _, _ = run_program("import beside_it\ndef main(b, m):\n    print(beside_it.VALUE)\n")
    assert console(events) == b"42\n"


def test_unknown_program_file_fails_with_a_traceback(start_run, tmp_path):
    """A program whose file is gone fails like any other."""
    run = start_run()
    run.start_job(tmp_path / "gone.py")
    events, verdict, _ = run.finish()
    assert verdict.outcome is Outcome.FAILED and "FileNotFoundError" in verdict.message
    assert isinstance(events[0], Console) and events[0].data == HEADER
