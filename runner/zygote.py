"""The zygote: a process that has imported Qiskit and Aer, and forks the program processes of jobs.

Local mode's server starts one as ``python -m runner.zygote FD``, FD being its end of a socket pair,
and asks it for runners (``contract.wire.forking``). It runs no user's code and holds no job's data.
It forks, and between two requests makes what spares forks some time; when the server ends, it ends.

For each runner it forks a process that becomes the supervisor, and that one forks the program
process, and leaves all of the zygote behind by its ``exec``, which keeps its process id and its
child. It is no child of the zygote's (``sibling``) but the server's, as one that the server starts
itself, and outlives the zygote.
"""

import errno
import gc
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import current_process
from pathlib import Path
from select import POLLIN, poll, select

import qiskit_runtime
from qiskit_runtime.contract.wire.forking import (
    MAX_PACKET_BYTES,
    ForkAnswer,
    ForkRequest,
    parse_answer,
    parse_request,
)
from qiskit_runtime.host.descriptors import widen
from qiskit_runtime.host.process_tree import close_to_others, open_to_others
from runner import program_process
from runner.process_end import end_process
from runner.processes import carry, close_all_but, die_with_parent, refuse_privileges
from runner.sibling import fork_sibling
from runner.written_pages import Places, copy_pages, find_written

_SUPERVISOR = Path(__file__).with_name("forked_supervisor.py")

_PACKAGES = {
    str(Path(module.__file__ or "").parents[1]) for module in (program_process, qiskit_runtime)
}
"""The folders of what the supervisor imports: it starts without those that ``site`` knows."""


_IDLE_SECONDS = 0.1
"""How long a fork waits for its job before it copies pages: on a busy machine jobs come sooner."""


@dataclass(frozen=True, slots=True)
class _Birth:
    """The working folder of a program process, and its ends of console and channel."""

    folder: str
    console: int
    channel: int


def main() -> int:
    """Serve until the server ends; in each fork: run one job. Returns the exit code."""
    close_to_others()
    refuse_privileges()
    die_with_parent()
    requests = socket.socket(fileno=int(sys.argv[1]))
    requests.set_inheritable(False)
    versions = _preload()
    # The collector passes over what is there now, also in the forks: so its pages stay shared.
    gc.collect()
    gc.freeze()
    _check_threads()
    written: Places = []
    birth = _serve(requests, written)
    requests.close()
    if birth is None:
        return 0
    _become_program(birth)

    def load() -> dict[str, str]:
        # For a job that comes at once, the pages are copied as it writes to them: as fast in sum.
        if not select([birth.channel], [], [], _IDLE_SECONDS)[0]:
            copy_pages(written)
        return versions

    return program_process.run_one(birth.channel, load)


def _preload() -> dict[str, str]:
    """Have done what every program needs, in this thread alone; returns the versions."""
    given = dict(os.environ)
    # Qiskit's parallel loops start threads for good, which forks would lack.
    os.environ["QISKIT_IN_PARALLEL"] = "TRUE"
    versions = program_process.preload()
    program_process.preload_rest()
    os.environ.clear()
    os.environ.update(given)
    return versions


def _check_threads() -> None:
    """See that no library has a thread: forks would lack it, and might wait for it.

    Raises:
        SystemExit: one has.
    """
    # NumPy's and SciPy's libraries end theirs when a process forks.
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    if (count := len([*Path("/proc/self/task").iterdir()])) > 1:
        raise SystemExit(f"the zygote has {count} threads, so that it can't be forked")


def _serve(requests: socket.socket, written: Places) -> _Birth | None:
    """Answer requests until the server ends. A program process returns too, with its birth.

    ``written`` is where the places come that it copies.
    """
    work = _prepare_for_forks(written)
    with suppress(ConnectionError):
        requests.send(ForkAnswer().to_packet())
        while True:
            _work_until_asked(work, requests)
            packet, streams, _, _ = socket.recv_fds(
                requests, MAX_PACKET_BYTES, 3, socket.MSG_CMSG_CLOEXEC
            )
            if not packet:
                break
            made = _make_runner(parse_request(packet), streams)
            if isinstance(made, _Birth):
                return made
            requests.send(made.to_packet())
    return None


def _prepare_for_forks(written: Places) -> Iterator[None]:
    # Imported by preload already, which has set what Aer reads as it is loaded.
    from runner.quantum_backend import prepare, rehearse_job

    yield from prepare()
    # It has computed with NumPy and SciPy.
    _check_threads()
    # A collection of what was just made would write to all of it.
    gc.freeze()
    written += find_written(rehearse_job)
    yield


def _work_until_asked(work: Iterator[None], requests: socket.socket) -> None:
    """Do what spares forks some time, a piece at a time, until a request has come or it is done."""
    has_worked = False
    asked = poll()
    asked.register(requests, POLLIN)
    # Nothing of it is needed: without memory for it, say, forks do it themselves.
    with suppress(Exception):
        for _ in work:
            has_worked = True
            if asked.poll(0):
                break
    if has_worked:
        gc.freeze()


def _make_runner(request: ForkRequest, streams: list[int]) -> ForkAnswer | _Birth:
    """Fork a runner with these standard streams; its program process returns its birth."""
    told, tell = os.pipe()
    answer = None
    try:
        if fork_sibling():
            return _become_runner(request, streams, tell)
    except OSError as error:
        answer = _describe(error)
    for descriptor in (tell, *streams):
        os.close(descriptor)
    with os.fdopen(told, "rb") as lines:
        # The pipe ends with the supervisor's exec; the last line counts.
        answers = [parse_answer(line) for line in lines]
    return answer or (answers or [ForkAnswer(errno=errno.ECHILD)])[-1]


def _become_runner(request: ForkRequest, streams: list[int], tell: int) -> _Birth:
    """Become the supervisor, which does not return, or its program process."""
    try:
        os.setsid()
        carry(request.mark)
        Path(request.folder).mkdir(mode=0o700)
        console = os.pipe()
        widen(console[0])
        channel = [end.detach() for end in socket.socketpair()]
        if (pid := os.fork()) == 0:
            return _Birth(request.folder, console[1], channel[1])
        os.write(tell, ForkAnswer(os.getpid()).to_packet() + b"\n")
        _become_supervisor(request.grace_seconds, streams, pid, console[0], channel[0])
    except OSError as error:
        os.write(tell, _describe(error).to_packet() + b"\n")
    os._exit(1)


def _describe(error: OSError) -> ForkAnswer:
    return ForkAnswer(errno=error.errno or errno.EAGAIN)


def _become_supervisor(
    grace_seconds: float, streams: list[int], program: int, console: int, channel: int
) -> None:
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
    for descriptor in (console, channel):
        os.set_inheritable(descriptor, True)
    numbers = map(str, (grace_seconds, program, console, channel))
    command = (sys.executable, "-S", "-E", "-P", str(_SUPERVISOR), *numbers, *_PACKAGES)
    os.execv(sys.executable, command)  # noqa: S606  (no shell is wanted)


def _become_program(birth: _Birth) -> None:
    """Have this fork be as a process that the supervisor has started."""
    os.setsid()
    for standard in (1, 2):
        os.dup2(birth.console, standard)
    close_all_but(birth.channel)
    os.chdir(birth.folder)
    os.environ["TMPDIR"] = birth.folder
    tempfile.tempdir = None
    open_to_others()
    # Python's own generator has a new seed after a fork; NumPy's is given the job's.
    current_process().authkey = os.urandom(32)
    sys.argv = [program_process.__file__, str(birth.channel)]


if __name__ == "__main__":
    end_process(main)
