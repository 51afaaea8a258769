"""``python -m runner``: run one job, handed over in a folder or on standard input."""

import argparse
import sys
import tempfile
from pathlib import Path

from qiskit_runtime.contract.handover import HandOver, HandOverError, read_handover
from qiskit_runtime.contract.verdict import EXIT_CODES, EXIT_UNREADABLE, Verdict
from runner.pipes import write_all
from runner.pod_exit import leave_pod
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
        default=3.0,
        metavar="SECONDS",
        help="how long a program that is told to end may take before it is killed (default: 3)",
    )
    arguments = parser.parse_args()
    try:
        job = read_handover(arguments.input, arguments.pod) if arguments.input else None
        verdict = supervise(job, arguments.grace)
    except HandOverError as error:
        print(f"runner: {error}", file=sys.stderr)
        leave_pod(str(error))
        return EXIT_UNREADABLE
    leave_pod(verdict.to_json())
    return EXIT_CODES[verdict.outcome]


def supervise(job: HandOver | None, grace_seconds: float) -> Verdict:
    """Run one job, given now or (None) as a line of standard input; returns its verdict.

    Raises:
        HandOverError: what came on standard input is no hand-over.
    """
    supervisor = Supervisor(write_all, grace_seconds)
    with tempfile.TemporaryDirectory(
        prefix="qiskit-runtime-", ignore_cleanup_errors=True
    ) as folder:
        supervisor.start(folder)
        if job is None:
            supervisor.watch_input(0)
        else:
            supervisor.hand_over(job)
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
