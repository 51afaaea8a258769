"""``python -m runner``: run one job, whose input is in a folder or on standard input."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.job_input import JobInput, JobInputError, read_job_input
from qiskit_runtime.contract.wire.verdict import (
    EXIT_CODES,
    EXIT_UNREADABLE,
    MAX_VERDICT_BYTES,
    Verdict,
)
from qiskit_runtime.host.left_behind import remove_tree
from runner.pipes import wait_until_read, write_all
from runner.processes import carry
from runner.program import start_program
from runner.supervisor import Supervisor

TERMINATION_LOG = Path("/dev/termination-log")
"""The file of a container's termination message, which the kubelet puts on the pod's status."""


def main() -> int:
    """Parse the command line and supervise one job; returns the exit code."""
    arguments = _make_parser().parse_args()
    if arguments.mark:
        carry(arguments.mark)
    try:
        job = read_job_input(arguments.input, arguments.pod) if arguments.input else None
        verdict = supervise(job, arguments.grace, arguments.folder)
    except JobInputError as error:
        print(f"runner: {error}", file=sys.stderr)
        leave_pod(str(error))
        return EXIT_UNREADABLE
    leave_pod(verdict.to_json())
    return EXIT_CODES[verdict.outcome]


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


def supervise(job: JobInput | None, grace_seconds: float, folder: Path | None = None) -> Verdict:
    """Run one job, given now or (None) as a line of standard input; returns its verdict.

    Raises:
        JobInputError: the line on standard input is not a job input.
    """
    with _make_folder(folder) as made:
        start = partial(start_program, str(made))
        supervisor = Supervisor(start, partial(write_all, 1), grace_seconds)
        if job is None:
            supervisor.watch_input(0)
        else:
            supervisor.start_job(job)
        return supervisor.run()


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
