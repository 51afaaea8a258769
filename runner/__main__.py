"""``python -m runner``: run one job, given in a folder, on standard input, or over a port."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.handover import DIGEST_VARIABLE
from qiskit_runtime.contract.wire.job_input import JobInputError, read_job_input
from qiskit_runtime.contract.wire.verdict import (
    EXIT_CODES,
    EXIT_UNREADABLE,
    EXIT_UNUSED,
    MAX_VERDICT_BYTES,
    Verdict,
)
from qiskit_runtime.host.descriptors import wait_until_read, write_all
from qiskit_runtime.host.left_behind import remove_tree
from runner.handover_port import HandoverPort
from runner.processes import carry
from runner.program import start_program
from runner.supervisor import Supervisor

TERMINATION_LOG = Path("/dev/termination-log")
"""The file of a container's termination message, which the kubelet puts on the pod's status."""


class NoJobCame(Exception):
    """The runner was ended, or its program process failed, before it was handed a job."""


def main() -> int:
    """Parse the command line and supervise one job; returns the exit code."""
    parser = _make_parser()
    arguments = parser.parse_args()
    if arguments.mark:
        carry(arguments.mark)
    try:
        verdict = supervise(_choose_source(parser, arguments), arguments.grace, arguments.folder)
    except JobInputError as error:
        print(f"runner: {error}", file=sys.stderr)
        leave_pod(str(error))
        return EXIT_UNREADABLE
    except NoJobCame:
        leave_pod("it was given no job")
        return EXIT_UNUSED
    leave_pod(verdict.to_json())
    return EXIT_CODES[verdict.outcome]


def _choose_source(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> Callable[[Supervisor], None]:
    """Return what gives a supervisor its job, now or later.

    Raises:
        JobInputError: the input that is in a folder already is not one.
    """
    if not arguments.input:
        return lambda supervisor: supervisor.watch_input(0)
    read = partial(read_job_input, arguments.input, arguments.pod)
    if not arguments.wait_for_input:
        job = read()
        return lambda supervisor: supervisor.start_job(job)
    # Taken out of the environment: the program has no use for it.
    digest = bytes.fromhex(os.environ.pop(DIGEST_VARIABLE, ""))
    if not digest:
        parser.error(f"--wait-for-input: {DIGEST_VARIABLE} is not set")
    port = HandoverPort(arguments.wait_for_input, digest, arguments.input)
    return lambda supervisor: supervisor.watch_port(port, read)


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Run one Qiskit Runtime job and write its record to standard output.",
    )
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FOLDER",
        help="the folder of job.json and params.json; without it, the job is read from standard "
        "input as one line of JSON, and the end of standard input ends the job",
    )
    parser.add_argument(
        "--pod",
        default="",
        metavar="NAME",
        help="the name of this pod: an input for another pod is refused",
    )
    parser.add_argument(
        "--wait-for-input",
        type=int,
        metavar="PORT",
        help="wait, with Qiskit imported, until the input is handed over on this port, and put it "
        f"into FOLDER; {DIGEST_VARIABLE} has the digest of the token of who may do that",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="the time between SIGTERM and SIGKILL for a program that is stopped (default: 3)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="a folder to create and to work in, which the caller removes (default: a temporary "
        "folder)",
    )
    parser.add_argument(
        "--mark",
        type=int,
        metavar="NUMBER",
        help="a mark that the job's processes inherit, by which the caller knows those it adopts",
    )
    return parser


def supervise(
    give_job: Callable[[Supervisor], None], grace_seconds: float, folder: Path | None = None
) -> Verdict:
    """Run the one job that a supervisor gets of ``give_job``; returns its verdict.

    Raises:
        JobInputError: the job that came later is not a job input.
        NoJobCame: none has come, or it came after the runner was told to end.
    """
    with _make_folder(folder) as made:
        start = partial(start_program, str(made))
        supervisor = Supervisor(start, partial(write_all, 1), grace_seconds)
        give_job(supervisor)
        verdict = supervisor.run()
        if not supervisor.has_job:
            raise NoJobCame
        return verdict


@contextmanager
def _make_folder(folder: Path | None) -> Iterator[Path]:
    """Make the folder that a job works in; a temporary one is removed in the end."""
    if folder is not None:
        folder.mkdir(mode=0o700)
        yield folder
        return
    temporary = Path(tempfile.mkdtemp(prefix="qiskit-runtime-"))
    try:
        yield temporary
    finally:
        remove_tree(temporary)


def leave_pod(message: str) -> None:
    """Write the termination message, and wait until the log has all of the record.

    Does nothing but in a pod, as its PID 1. The container runtime drops what it holds of the output
    when PID 1 ends: of 18 runs that ended in a burst of lines 5 lost their tail, with this wait
    none of 16.
    """
    if os.getpid() != 1:
        return
    with suppress(OSError):
        # Whatever the program wrote into the file is replaced.
        TERMINATION_LOG.write_bytes(message.encode()[:MAX_VERDICT_BYTES])
    wait_until_read(1)


if __name__ == "__main__":
    sys.exit(main())
