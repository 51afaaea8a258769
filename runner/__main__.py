"""``python -m runner``: run one job, handed over in a folder or on standard input."""

import argparse
import sys
from pathlib import Path

from qiskit_runtime.contract.handover import HandOverError, read_handover
from qiskit_runtime.contract.verdict import EXIT_CODES, EXIT_UNREADABLE
from runner.pod_exit import leave_pod
from runner.supervisor import supervise


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
        "--grace",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="how long a program that is told to end may take before it is killed (default: 3)",
    )
    arguments = parser.parse_args()
    try:
        job = read_handover(arguments.input) if arguments.input else None
        verdict = supervise(job, arguments.grace)
    except HandOverError as error:
        print(f"runner: {error}", file=sys.stderr)
        leave_pod(str(error))
        return EXIT_UNREADABLE
    leave_pod(verdict.to_json())
    return EXIT_CODES[verdict.outcome]


if __name__ == "__main__":
    sys.exit(main())
