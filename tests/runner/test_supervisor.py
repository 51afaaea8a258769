"""The supervisor leaves no process behind, is light, and survives a hostile program."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qiskit_runtime.contract.lifecycle import Observation, Phase, Reason, RunnerState, derive_state
from qiskit_runtime.contract.wire.events import EndEvent, Message
from qiskit_runtime.contract.wire.job_input import JobInput
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.verdict import EXIT_UNUSED, Outcome
from qiskit_runtime.host.process_tree import descendants
from runner.channel import Kind, pack
from runner.memory import held_by_descendants
from tests.runner.births import BOTH_BIRTHS

ROOT = Path(__file__).parents[2]
DAEMON = """
import os, time
def main(b, m):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("daemon", os.getpid(), flush=True)
            time.sleep(60)
        os._exit(0)
    os.wait()
    time.sleep(0.3)
"""
SLEEP = "import os, time\ndef main(b, m):\n    print('pid', os.getpid())\n    time.sleep(60)\n"


def pid_after(word, run):
    """The number that the program printed after this word."""
    run.read_until(f"{word} ")
    while b"\n" not in run.record.partition(word.encode())[2]:
        assert run.read_some()
    return int(run.record.partition(word.encode() + b" ")[2].split()[0])


@BOTH_BIRTHS
def test_daemon_that_would_outlive_the_program_is_killed(start_run, write_program, is_alive):
    """A double fork with a session of its own does not get away."""
    run = start_run()
    run.start_job(write_program(DAEMON))
    daemon = pid_after("daemon", run)
    assert is_alive(daemon)
    _, verdict, _ = run.finish()
    assert verdict.outcome is Outcome.SUCCEEDED and not is_alive(daemon)


@BOTH_BIRTHS
def test_sigterm_reaches_the_program(start_run, write_program, console):
    """SIGTERM is forwarded, and a program that ends by it was terminated."""
    # Python takes the imported Qiskit apart first, on a loaded machine for longer than a second.
    run = start_run(grace=10)
    run.start_job(
        write_program(
            """
            import signal, sys, time
            def stop(*_):
                print("stopping")
                sys.exit(5)
            def main(b, m):
                signal.signal(signal.SIGTERM, stop)
                print("ready")
                time.sleep(60)
            """
        )
    )
    run.read_until("ready")
    run.process.terminate()
    events, verdict, code = run.finish()
    assert console(events) == b"ready\nstopping\n"
    assert (verdict.outcome, verdict.exit_code, code) == (Outcome.TERMINATED, 5, 143)


@BOTH_BIRTHS
def test_sigterm_is_followed_by_sigkill_after_the_grace(start_run, write_program):
    """A program that ignores SIGTERM is killed after the grace time, and not before."""
    run = start_run(grace=0.5)
    run.start_job(
        write_program(
            "import signal, time\ndef main(b, m):\n"
            "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "    print('ready')\n    time.sleep(60)\n"
        )
    )
    run.read_until("ready")
    asked = time.monotonic()
    run.process.terminate()
    _, verdict, _ = run.finish()
    assert (verdict.outcome, verdict.signal) == (Outcome.TERMINATED, signal.SIGKILL)
    assert 0.5 <= time.monotonic() - asked < 3


@pytest.mark.parametrize("delay", [0.06, 0.1, 0.15, 0.4])
@BOTH_BIRTHS
def test_sigterm_before_the_job_ends_both(delay, start_run, is_alive, wait_until):
    """A runner without a job ends at SIGTERM, however early, says so, and leaves no process."""
    run = start_run(grace=0.5)
    time.sleep(delay)
    children = list(descendants(run.process.pid))
    run.process.terminate()
    # Before its handler is there, Python ends by the signal itself.
    assert run.process.wait(8) in (EXIT_UNUSED, -signal.SIGTERM)
    # The kernel ends the program with its supervisor.
    wait_until(lambda: not any(map(is_alive, children)))
    assert run.process.stdout.read() == run.process.stderr.read() == b""


@BOTH_BIRTHS
def test_closed_stdin_ends_the_program(start_run, write_program, is_alive):
    """The death of the runner's caller closes its standard input, and ends the program."""
    run = start_run()
    run.start_job(write_program(SLEEP))
    program = pid_after("pid", run)
    run.process.stdin.close()
    run.process.stdin = None
    _, verdict, _ = run.finish()
    assert verdict.outcome is Outcome.TERMINATED and not is_alive(program)


@BOTH_BIRTHS
def test_killed_supervisor_takes_the_program_along(start_run, write_program, is_alive, wait_until):
    """SIGKILL of the supervisor itself leaves no program process."""
    run = start_run()
    run.start_job(write_program(SLEEP))
    program = pid_after("pid", run)
    run.process.kill()
    wait_until(lambda: not is_alive(program))
    assert run.process.wait(5) == -signal.SIGKILL


@BOTH_BIRTHS
def test_closed_stdout_takes_the_program_along(start_run, write_program, is_alive):
    """A record that nobody can read any more ends the program."""
    run = start_run()
    run.start_job(
        write_program(
            "import os, time\ndef main(b, m):\n    print('pid', os.getpid(), flush=True)\n"
            "    while True:\n        print('more')\n        time.sleep(0.01)\n"
        )
    )
    program = pid_after("pid", run)
    run.process.stdout.close()
    assert run.process.wait(8) != 0 and not is_alive(program)


BAD_INPUTS = {
    "no JSON": b"{\n",
    "no object": b"[]\n",
    "deep": b"[" * 100_000 + b"\n",
    "missing field": b'{"job_id": "j"}\n',
    "unknown field": b'{"job_id": "j", "program": "p", "x": 1}\n',
    "log level": b'{"job_id": "j", "program": "p", "log_level": "LOUD"}\n',
    "endless": b'{"job_id": "j", "program": "p", "max_execution_seconds": Infinity}\n',
}


@pytest.mark.parametrize("name", ["no JSON", "endless"])
@BOTH_BIRTHS
def test_bad_job_input_ends_the_runner_and_its_program_process(name, start_run, is_alive):
    """A document that is not a job input is an error in words, and leaves no process."""
    run = start_run()
    children = list(descendants(run.process.pid))
    run.process.stdin.write(BAD_INPUTS[name])
    run.process.stdin.flush()
    assert run.process.wait(8) == 64
    error = run.process.stderr.read()
    assert error.startswith(b"runner: not a job input") and error.count(b"\n") == 1
    assert not any(map(is_alive, children))


def test_job_input_in_a_folder_runs_without_standard_input(write_program, tmp_path):
    """``--input`` takes the two files of a mounted folder; a missing one is an error in words."""
    program = write_program("def main(b, m, n):\n    return n + 1\n")
    command = [sys.executable, "-m", "runner", "--input", str(tmp_path)]
    options = {
        "capture_output": True,
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "timeout": 20,
    }
    (tmp_path / "job.json").write_bytes(JobInput("job", str(program)).to_line())
    missing = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, **options)
    assert missing.returncode == 64 and b"params.json" in missing.stderr
    (tmp_path / "params.json").write_text('{"n": 1}')
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, **options)
    events = list(RecordParser().feed(done.stdout))
    assert [e.text for e in events if isinstance(e, Message)] == ["2"]
    assert events[-1].verdict.final and done.returncode == 0
    (tmp_path / "job.json").write_bytes(JobInput("job", str(program), pod="p-1").to_line())
    other = [*command, "--pod", "p-2"]
    refused = subprocess.run(other, stdin=subprocess.DEVNULL, check=False, **options)
    assert (refused.returncode, refused.stdout) == (64, b"")
    assert b"handed to the pod p-1: it is not run twice" in refused.stderr


@BOTH_BIRTHS
def test_program_process_that_dies_before_its_job_is_reported(start_run, wait_until):
    """A runner whose program process died while it waited does not end as if all were well."""
    run = start_run()
    wait_until(lambda: list(descendants(run.process.pid)) != [])
    os.kill(next(iter(descendants(run.process.pid))), signal.SIGKILL)
    assert run.process.wait(8) == EXIT_UNUSED and run.process.stderr.read() == b""


def test_program_process_that_can_not_start_fails_with_its_words(write_program, tmp_path):
    """A broken installation is a failed job whose log says why, also with a job input to send."""
    (tmp_path / "qiskit.py").write_text("raise ImportError('broken installation')\n")
    (tmp_path / "job.json").write_bytes(JobInput("job", str(write_program(SLEEP))).to_line())
    (tmp_path / "params.json").write_text(json.dumps({"x": "y" * 3_000_000}))
    done = subprocess.run(
        [sys.executable, "-m", "runner", "--input", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        timeout=20,
        check=False,
    )
    assert b"ImportError: broken installation" in done.stdout and done.stderr == b""
    end = list(RecordParser().feed(done.stdout))[-1]
    assert isinstance(end, EndEvent) and end.intact and end.verdict.outcome is Outcome.FAILED


def test_params_of_8_mib_arrive_whole(run_program):
    """The largest parameters pass through the supervisor at once."""
    events, verdict, _ = run_program(
        "def main(b, m, x):\n    return len(x)\n", '{"x": "' + "y" * (8 * 2**20 - 9) + '"}'
    )
    assert [e.text for e in events if isinstance(e, Message)] == [str(8 * 2**20 - 9)]
    assert verdict.seconds < 5


FORGED = {
    "noise": b"\xff" * 100,
    "too long": b"I\xff\xff\xff\xff",
    "answer": pack(Kind.ACCEPTED),
    "not UTF-8": pack(Kind.INTERIM, b"\xff"),
    "second final": pack(Kind.FINAL, b"1") * 2,
    "after the final": pack(Kind.FINAL, b"1") + pack(Kind.INTERIM, b"2"),
    "error no JSON": pack(Kind.ERROR, b"{"),
    "error no object": pack(Kind.ERROR, b"[]"),
    "error deep": pack(Kind.ERROR, b"[" * 200_000),
    "versions no text": pack(Kind.VERSIONS, b'{"a": 1}'),
    "half a surrogate": pack(Kind.ERROR, b'{"message": "\\ud800"}'),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_packet_ends_the_program_with_a_whole_record(name, run_program):
    """Whatever a program writes to its supervisor's channel, the record has its end."""
    _, verdict, code = run_program(
        "import os, sys, time\ndef main(b, m):\n"
        f"    data = {FORGED[name]!r}\n"
        "    while data:\n        data = data[os.write(int(sys.argv[1]), data):]\n"
        "    time.sleep(20)\n"
    )
    assert (verdict.outcome, code) == (Outcome.FAILED, 1) and verdict.seconds < 5
    assert "channel" in verdict.message


@BOTH_BIRTHS
def test_many_forged_tracebacks_stay_within_their_budget(run_program, console):
    """Only one traceback has room; a program can't fill the record with them."""
    events, verdict, _ = run_program(
        "import os, sys\ndef main(b, m):\n"
        f"    packet = {pack(Kind.TRACEBACK, b'x' * 4000)!r}\n"
        "    for _ in range(2000):\n        os.write(int(sys.argv[1]), packet)\n"
    )
    assert len(console(events)) < 5000 and verdict.outcome is Outcome.SUCCEEDED


@BOTH_BIRTHS
def test_forged_reason_and_versions_keep_the_verdict_in_its_line(run_program):
    """A megabyte as reason, message and version still leaves a last line."""
    huge = json.dumps({"reason": "é" * 500_000, "message": "\x00" * 500_000}).encode()
    _, verdict, _ = run_program(
        "import os, socket, sys\ndef main(b, m):\n"
        "    from runner.channel import Kind, pack\n    import json\n"
        "    text = json.dumps({'reason': 'é' * 500_000, 'message': '\\0' * 500_000}).encode()\n"
        "    s = socket.socket(fileno=os.dup(int(sys.argv[1])))\n"
        "    s.sendall(pack(Kind.VERSIONS, json.dumps({'a': 'b' * 500_000}).encode()))\n"
        "    s.sendall(pack(Kind.ERROR, text))\n"
    )
    assert len(huge) > 1_000_000 and len(verdict.reason) <= 64 and verdict.versions is None


def test_supervisor_is_shut_to_programs_of_its_user():
    """A process of the same user can't open the supervisor's output through /proc."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user to try it")
    script = """
import os
from runner import processes
os.setgid(65534); os.setuid(65534)
processes.prctl(4, 1)
reader, writer = os.pipe()
def can_open():
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.close(os.open(f"/proc/{parent}/fd/{writer}", os.O_WRONLY))
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0
before = can_open()
processes.become_supervisor()
print(before, can_open())
"""
    # As a file it could not be opened by that user where the checkout is private.
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout == b"True False\n"


@pytest.mark.unmeasured
def test_import_of_the_supervisor_stays_with_the_standard_library():
    """The supervisor imports nothing that is slow or large."""
    script = (
        "import sys, runner.supervisor\n"
        "top = {name.partition('.')[0] for name in sys.modules}\n"
        "own = {'runner', 'qiskit_runtime', '__main__'}\n"
        # Modules that an interpreter always loads, those of editable installs among them.
        "print(sorted(n for n in top - own - set(sys.stdlib_module_names)"
        " if not n.startswith(('__editable', '_virtualenv', '_distutils_hack'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    loaded = done.stdout.decode()
    assert not any(name in loaded for name in ("pydantic", "qiskit", "numpy", "fastapi"))
    assert loaded == "[]\n"


@pytest.mark.unmeasured
@BOTH_BIRTHS
def test_waiting_supervisor_is_light_and_idle(start_run, wait_until):
    """While the program process waits, the supervisor holds under 25 MiB and does nothing."""
    run = start_run(grace=1.0)
    wait_until(lambda: held_by_descendants() > 0 and list(descendants(run.process.pid)) != [])
    time.sleep(1.2)
    stat = Path(f"/proc/{run.process.pid}/stat")
    used = stat.read_text().rpartition(")")[2].split()[11:13]
    time.sleep(0.5)
    resident = int(Path(f"/proc/{run.process.pid}/statm").read_text().split()[1])
    assert resident * os.sysconf("SC_PAGE_SIZE") < 25 << 20
    assert stat.read_text().rpartition(")")[2].split()[11:13] == used


def test_running_supervisor_does_not_spin(start_run, write_program):
    """While a program that closed its output sleeps, the supervisor does nothing."""
    run = start_run()
    run.start_job(
        write_program(
            "import os, time\ndef main(b, m):\n    m.publish('ready')\n    os.closerange(1, 64)\n"
            "    time.sleep(60)\n"
        )
    )
    while not run.events:
        run.read_some()
    stat = Path(f"/proc/{run.process.pid}/stat")
    time.sleep(0.3)
    used = stat.read_text().rpartition(")")[2].split()[11:13]
    time.sleep(0.6)
    assert stat.read_text().rpartition(")")[2].split()[11:13] == used


def test_processes_that_end_while_they_are_listed_do_no_harm():
    """Listing descendants is safe while they come and go."""
    script = "import os\nfor _ in range(300):\n    if os.fork() == 0: os._exit(0)\n    os.wait()\n"
    child = subprocess.Popen([sys.executable, "-c", script])
    seen = 0
    while child.poll() is None:
        seen += len(list(descendants(os.getpid()))) > 0
    assert seen and child.pid not in list(descendants(os.getpid()))


@pytest.fixture
def memory_cgroup(make_memory_cgroup):
    """A real memory cgroup of 300 MiB."""
    return make_memory_cgroup(300)


EATER = (
    "def main(b, m):\n    print('eating', flush=True)\n    kept = bytearray(b'x') * (600 << 20)\n"
)


@BOTH_BIRTHS
def test_program_killed_by_its_cgroup_is_out_of_memory(memory_cgroup, start_in, write_program):
    """The kernel kills the program process for its memory: the verdict says so."""
    run = start_in(memory_cgroup)
    run.start_job(write_program(EATER))
    _, verdict, code = run.finish()
    assert (verdict.outcome, verdict.signal, code) == (Outcome.OUT_OF_MEMORY, signal.SIGKILL, 3)
    state = derive_state(Observation(runner=RunnerState.ENDED, verdict=verdict, exit_code=code))
    assert (state.phase, state.reason) == (Phase.FAILED, Reason.OUT_OF_MEMORY)


@BOTH_BIRTHS
def test_runner_killed_as_a_whole_is_out_of_memory(memory_cgroup, start_in, write_program):
    """Everything killed leaves no verdict; what the container says of it is OutOfMemory too."""
    run = start_in(memory_cgroup)
    program = write_program(
        "import os, time\ndef main(b, m):\n    print('ready', flush=True)\n"
        "    while open(f'/proc/{os.getppid()}/oom_score_adj').read() != '1000\\n':\n"
        "        time.sleep(0.01)\n"
        # Memory of the group that is in no process's account.
        "    file = os.memfd_create('kept')\n"
        "    for _ in range(600):\n        os.write(file, bytes(1 << 20))\n"
    )
    run.start_job(program)
    run.read_until("ready")
    # Makes the supervisor the one that the kernel picks first; the program goes with it.
    Path(f"/proc/{run.process.pid}/oom_score_adj").write_text("1000")
    while run.read_some():
        pass
    code = run.process.wait(10)
    assert code == -signal.SIGKILL and not any(isinstance(event, EndEvent) for event in run.events)
    state = derive_state(Observation(runner=RunnerState.OUT_OF_MEMORY, exit_code=code))
    assert (state.phase, state.reason) == (Phase.FAILED, Reason.OUT_OF_MEMORY)
