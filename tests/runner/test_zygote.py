"""The zygote: what it forks is as if it had been started, and knows nothing of it or of others."""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from qiskit_runtime.contract.wire.events import Message
from qiskit_runtime.contract.wire.verdict import EXIT_UNUSED, Outcome
from qiskit_runtime.host.process_tree import IS_LINUX, list_children
from runner import zygote as zygote_module
from tests.runner.births import ROOT, open_zygote
from tests.runner.conftest import Run

pytestmark = pytest.mark.skipif(not IS_LINUX, reason="only Linux can hand processes on like this")

STARTED_ONE = {"close_fds": True}
"""An option of Popen, so that the runner is started whatever the test's birth is."""


def results(events):
    """The messages' values."""
    return [json.loads(event.text) for event in events if isinstance(event, Message)]


ABOUT = """
    import ctypes, multiprocessing, os, signal, sys, tempfile, threading, resource

    def main(backend, messenger):
        get_dumpable = 3
        fds = sorted(int(name) for name in os.listdir("/proc/self/fd"))
        return {
            "folder": os.getcwd() == os.environ["TMPDIR"] == tempfile.gettempdir(),
            "group": os.getpgrp() == os.getsid(0) == os.getpid(),
            "dumpable": ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0),
            "channel": int(sys.argv[1]) in fds,
            "descriptors": [fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")][:3],
            "count": len(fds) - 1,
            "stdin": os.read(0, 1) == b"",
            "signals": [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGPIPE)],
            "main thread": threading.current_thread() is threading.main_thread(),
            "privileges": "NoNewPrivs:\\t1" in open("/proc/self/status").read(),
            "module": sys.argv[0].rpartition("/")[2],
            "variables": sorted(set(os.environ) - {"COVERAGE_PROCESS_START"}),
        }
"""


def test_program_finds_what_it_finds_in_a_started_process(run_program, start_run, write_program):
    """Folder, group, descriptors, signals and rights are the same, however it came to be."""
    forked = results(run_program(ABOUT)[0])
    started = start_run(**STARTED_ONE)
    started.start_job(write_program(ABOUT))
    assert forked == results(started.finish()[0])
    assert forked[0]["dumpable"] == 1 and forked[0]["descriptors"] == [0, 1, 2]
    assert forked[0]["count"] == 4 and forked[0]["folder"] and forked[0]["group"]


def sockets(pid):
    """The sockets that a process has open."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}


def test_no_fork_has_a_way_to_the_zygote(zygote, start_run, write_program, wait_until):
    """Neither supervisor nor program has the zygote's socket; each has its end of the channel."""
    run = start_run()
    run.start_job(
        write_program("import time\ndef main(b, m):\n    print('up')\n    time.sleep(60)")
    )
    run.read_until("up")
    (program,) = list_children()[run.process.pid]
    assert len(sockets(zygote.process.pid)) == 1
    assert len(sockets(program)) == len(sockets(run.process.pid)) == 1
    assert not sockets(zygote.process.pid) & (sockets(program) | sockets(run.process.pid))
    # A rehearsal may be under way still.
    wait_until(lambda: list_children()[zygote.process.pid] == [])


def test_zygote_is_shut_to_programs_of_its_user():
    """A process of the same user can't open its memory or its socket through /proc."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user to try it")
    script = """
import os, socket, sys
from runner import zygote
os.setgid(65534); os.setuid(65534)
zygote.open_to_others()
zygote.program_process.preload = zygote.program_process.preload_rest = dict
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
def can_open(pid):
    for path in ("mem", "environ", f"fd/{theirs.fileno()}"):
        try:
            os.close(os.open(f"/proc/{pid}/{path}", os.O_RDONLY))
        except PermissionError:
            continue
        except OSError:
            pass  # a socket has no file to open
        return True
    return False
before = can_open(os.getpid())
child = os.fork()
if child == 0:
    ours.close()
    sys.argv = ["zygote", str(theirs.fileno())]
    os._exit(zygote.main())
assert ours.recv(1000)
print(before, can_open(child))
ours.close()
theirs.close()
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout == b"True False\n0\n"


DRAWS = """
    import multiprocessing, os, random, secrets, uuid
    EARLY = random.random()

    def main(backend, messenger):
        import numpy
        from qiskit import QuantumCircuit, transpile
        from qiskit.quantum_info import random_hermitian
        from qiskit_aer import AerSimulator
        circuit = QuantumCircuit(8)
        circuit.h(range(8))
        circuit.measure_all()
        own = AerSimulator().run(circuit, shots=60).result().get_counts()
        return [EARLY, random.getrandbits(60), numpy.random.random(),
            float(numpy.random.default_rng().random()), secrets.token_hex(8), str(uuid.uuid4()),
            multiprocessing.current_process().authkey.hex(), own, str(random_hermitian(2)),
            backend.run(circuit, shots=60).result().get_counts()]
"""


def test_no_two_forks_draw_the_same(run_program):
    """Every source of random numbers is fresh: Python's, NumPy's, the system's, Qiskit's, Aer's."""
    (one,), (two,) = (results(run_program(DRAWS)[0]) for _ in range(2))
    assert len(one) == 10
    assert [at for at, (first, second) in enumerate(zip(one, two)) if first == second] == []


SEEDED = """
    import random
    import numpy
    from qiskit import QuantumCircuit, transpile
    from qiskit.transpiler import CouplingMap

    def main(backend, messenger, seed_simulator):
        circuit = QuantumCircuit(6)
        circuit.h(range(6))
        for qubit in range(5):
            circuit.cx(qubit, 5 - qubit if qubit != 5 - qubit else 0)
        circuit.measure_all()
        line = transpile(circuit, coupling_map=CouplingMap.from_line(6), seed_transpiler=3)
        counts = backend.run(line, shots=90).result().get_counts()
        return [random.random(), float(numpy.random.random()), dict(line.count_ops()), counts]
"""


def test_seed_gives_the_same_in_a_fork_and_in_a_started_process(
    run_program, start_run, write_program
):
    """A job of a pod can be repeated locally by its seed, and the other way round."""
    forked, verdict, _ = run_program(SEEDED, {"seed_simulator": 11})
    started = start_run(**STARTED_ONE)
    started.start_job(write_program(SEEDED), {"seed_simulator": 11})
    assert results(forked) == results(started.finish()[0]) and verdict.seed == 11


THREADS = """
    import threading, time
    import numpy
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from qiskit import QuantumCircuit, transpile

    def wide(qubits):
        circuit = QuantumCircuit(qubits)
        circuit.h(range(qubits))
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
        circuit.t(range(qubits))
        circuit.measure_all()
        return circuit

    def main(backend, messenger):
        backend.set_options(max_parallel_threads=2)
        result = backend.run(wide(18), shots=100).result()
        messenger.publish(result.metadata["omp_enabled"])
        messenger.publish(result.results[0].metadata["parallel_state_update"])
        large = numpy.ones((900, 900))
        messenger.publish(float((large @ large)[0, 0]))
        several = transpile([wide(6)] * 4, basis_gates=["rz", "sx", "cx"],
            coupling_map=[[n, n + 1] for n in range(5)], optimization_level=3)
        messenger.publish(len(several))
        with ThreadPoolExecutor(2) as pool:
            messenger.publish(sum(pool.map(abs, range(10))))
        with ProcessPoolExecutor(2) as pool:
            return sum(pool.map(abs, range(10)))
"""


def test_threads_of_aer_numpy_qiskit_and_python_run_in_a_fork(run_program):
    """OpenMP's, BLAS's and Rust's threads, and pools of threads and processes, work as ever."""
    events, verdict, _ = run_program(THREADS, max_execution_seconds=60)
    assert results(events) == [True, 2, 900.0, 4, 45, 45]
    assert verdict.outcome is Outcome.SUCCEEDED


def test_job_of_a_sandbox_without_clone3_runs(tmp_path, write_program):
    """The runner is forked twice where the system call is forbidden, and the server adopts it."""
    (tmp_path / "sitecustomize.py").write_text("""
import errno
from runner import sibling
sibling._clone = lambda: (-1, errno.ENOSYS)
""")
    source = """
        import sys

        def main(backend, messenger):
            return sys.modules["runner.sibling"]._clone.__name__
    """
    with open_zygote(PYTHONPATH=f"{tmp_path}:{ROOT}") as zygote, ExitStack() as made:
        run = Run(zygote.fork())
        made.callback(run.close)
        run.start_job(write_program(source))
        assert f"PPid:\t{os.getpid()}\n" in Path(f"/proc/{run.process.pid}/status").read_text()
        events, verdict, _ = run.finish()
    assert (results(events), verdict.outcome) == (["<lambda>"], Outcome.SUCCEEDED)


def test_supervisor_of_a_fork_has_nothing_of_the_zygote(start_run, wait_until):
    """It is a small process of its own, and its parent is the one that asked for it."""
    run = start_run()
    status = Path(f"/proc/{run.process.pid}/status")
    command = Path(f"/proc/{run.process.pid}/cmdline").read_bytes().split(b"\0")
    assert command[4].endswith(b"/runner/forked_supervisor.py")
    assert f"PPid:\t{os.getpid()}\n" in status.read_text()
    wait_until(lambda: "VmRSS" in status.read_text())
    mapped = Path(f"/proc/{run.process.pid}/maps").read_text()
    assert "qiskit" not in mapped and "numpy" not in mapped


def test_forks_share_the_zygote_s_memory(zygote, start_run):
    """A waiting program process has little for itself of what it needs."""
    run = start_run()
    run.process.stdin.flush()
    time.sleep(0.5)
    (program,) = list_children()[run.process.pid]
    text = Path(f"/proc/{program}/smaps_rollup").read_text()
    sizes = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    assert sizes["Private_Dirty:"] < 20 << 10 < sizes["Rss:"]


def test_fork_that_waits_copies_what_a_job_writes_to(zygote):
    """Once the zygote knows which pages these are: their faults come before the job."""
    until = time.monotonic() + 60
    faults = 0
    while faults < 2500:
        assert time.monotonic() < until, faults
        run = zygote.fork()
        time.sleep(1)
        (program,) = list_children()[run.pid]
        stat = Path(f"/proc/{program}/stat").read_bytes().rpartition(b") ")[2]
        faults = int(stat.split()[7])
        run.stdin.close()
        run.communicate()


def test_folder_that_can_not_be_made_is_the_answer(zygote, tmp_path):
    """The error of the system comes back, and the zygote forks on."""
    with pytest.raises(FileNotFoundError):
        zygote.fork(folder=tmp_path / "none" / "below")
    run = zygote.fork(folder=tmp_path / "made")
    run.stdin.close()
    assert run.wait(10) == EXIT_UNUSED and (tmp_path / "made").is_dir()
    run.communicate()


def test_zygote_with_a_thread_forks_nothing():
    """A thread that a library starts on its import is none of a fork's: the zygote ends instead."""
    script = (
        "import threading, time\nfrom runner import zygote\nzygote._check_threads()\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "zygote._check_threads()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=60,
    )
    assert done.stderr.endswith(b"the zygote has 2 threads, so that it can't be forked\n")
    assert done.returncode == 1


def test_job_goes_on_when_the_zygote_is_killed(write_program, wait_until, is_alive):
    """Its forks belong to the server: only the zygote itself ends."""
    with open_zygote() as opened:
        run = opened.fork()
        opened.process.send_signal(signal.SIGKILL)
        opened.process.wait(10)
        time.sleep(0.1)
        assert run.poll() is None
        run.stdin.close()
        assert run.wait(10) == EXIT_UNUSED
        run.communicate()


MADE = """
    from runner.device_noise import open_errors
    from runner.measured_device import make_measured

    def main(backend, messenger):
        errors = open_errors(make_measured("FakeMontrealV2"))
        return [len(errors._made), len(errors.places)]
"""


def test_zygote_makes_the_errors_of_a_device_between_requests(run_program):
    """Forks begin with those that are made, in the end with all; none of them waits for it."""
    until = time.monotonic() + 60
    while (counts := results(run_program(MADE)[0])[0])[0] < counts[1]:
        assert time.monotonic() < until, counts
        time.sleep(0.2)
    assert counts[0] == counts[1] > 200


def pieces(done, failing=False):
    """Work without an end, or one that fails."""
    while True:
        done.append(1)
        yield
        if failing:
            raise MemoryError("no more")


def test_request_ends_the_zygote_s_own_work():
    """It waits for the piece that is being made, and the rest is made after it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(b"a request")
        done = []
        work = pieces(done)
        for count in (1, 2):
            zygote_module._work_until_asked(work, ours)
            assert len(done) == count
    gc.unfreeze()


def test_work_that_fails_leaves_the_zygote_to_fork():
    """Without memory for it, say, nothing more is made, and requests are answered."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        done = []
        work = pieces(done, failing=True)
        for _ in range(2):
            zygote_module._work_until_asked(work, ours)
        assert len(done) == 1
    gc.unfreeze()


IMPORTED = """
    import sys

    def main(backend, messenger):
        return "scipy.linalg" in sys.modules
"""


def test_job_that_is_there_waits_for_no_rehearsal(run_program, start_run, write_program):
    """A started program process with a job imports what it needs; one that waits, some more."""
    started = start_run(**STARTED_ONE)
    started.start_job(write_program(IMPORTED))
    assert results(started.finish()[0]) == [False]
    assert results(run_program(IMPORTED)[0]) == [True]
