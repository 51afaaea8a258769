"""``python -m runner``: run one job, handed over in a folder or on standard input."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qiskit_runtime.contract.limits import GRACE_SECONDS
from qiskit_runtime.contract.wire.job_input import JobInput, JobInputError, read_job_input
from qiskit_runtime.contract.wire.verdict import EXIT_CODES, EXIT_UNREADABLE, Verdict
from qiskit_runtime.host.left_behind import remove_tree
from runner.pipes import write_all
from runner.pod_exit import leave_pod
from runner.processes import carry
from runner.supervisor import Supervisor


def main() -> int:
    """Parse the command line and supervise one job; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m runner",
        description="Run one Qiskit Runtime job and write its record to standard output.",
    )
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FOLDER",
        help="the folder of job.json and params.json; without it, one line of JSON on standard "
        "input, whose end ends the job",
    )
    parser.add_argument(
        "--pod",
        default="",
        metavar="NAME",
        help="the pod that this is: an input that was meant for another is not run",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="how long a program that is told to end may take before it is killed "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="a folder to make and to work in, for the caller to remove; without it, a temporary "
        "one",
    )
    parser.add_argument(
        "--mark",
        type=int,
        metavar="NUMBER",
        help="what the processes of the job carry, for the caller to know those that it adopts",
    )
    arguments = parser.parse_args()
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


def supervise(job: JobInput | None, grace_seconds: float, folder: Path | None = None) -> Verdict:
    """Run one job, given now or (None) as a line of standard input; returns its verdict.

    Raises:
        JobInputError: what came on standard input is no hand-over.
    """
    supervisor = Supervisor(write_all, grace_seconds)
    with _make_folder(folder) as made:
        supervisor.start(str(made))
        if job is None:
            supervisor.watch_input(0)
        else:
            supervisor.hand_over(job)
        return supervisor.run()


@contextmanager
def _make_folder(folder: Path | None) -> Iterator[Path]:
    """The folder that a job works in; a temporary one is removed, whatever is in it by then."""
    if folder is not None:
        folder.mkdir(mode=0o700)
        yield folder
        return
    temporary = Path(tempfile.mkdtemp(prefix="qiskit-runtime-"))
    try:
        yield temporary
    finally:
        remove_tree(temporary)


if __name__ == "__main__":
    sys.exit(main())
