"""The supervisor of a program process that the zygote forked; the zygote's ``exec`` starts it.

``python forked_supervisor.py GRACE PID CONSOLE CHANNEL FOLDER...``: the time between SIGTERM and
SIGKILL, the program process, which is its child already, the two descriptors that lead to that, and
the folders of what is imported here. The job comes on standard input, and its record goes to
standard output, as with ``python -m runner``.

A module of its own, as a job may wait for it: the command line of ``runner`` alone takes as long
as this to import. The zygote has it start without ``site`` for the same reason.
"""

# ruff: noqa: E402  (imports begin after the line that makes them faster)

import gc

# Nothing that they make is garbage: to look for some would be a twentieth of the start.
gc.disable()

import os
import sys
from functools import partial

# After the standard library: a package may have a module with the name of one of its modules.
sys.path += sys.argv[5:]

from qiskit_runtime.contract.wire.job_input import JobInputError
from qiskit_runtime.contract.wire.verdict import EXIT_CODES, EXIT_UNREADABLE, EXIT_UNUSED
from qiskit_runtime.host.descriptors import write_all
from runner.program import Program
from runner.supervisor import Supervisor


def main() -> int:
    """Supervise one job; returns the exit code, the same as ``python -m runner``'s."""
    gc.freeze()
    gc.enable()
    grace, pid, console, channel = sys.argv[1:5]
    start = partial(Program, int(pid), int(console), int(channel))
    try:
        supervisor = Supervisor(start, partial(write_all, 1), float(grace))
        supervisor.watch_input(0)
        verdict = supervisor.run()
    except JobInputError as error:
        sys.stderr.write(f"runner: {error}\n")
        return EXIT_UNREADABLE
    return EXIT_CODES[verdict.outcome] if supervisor.has_job else EXIT_UNUSED


if __name__ == "__main__":
    # All is written: the interpreter's own end would only take time.
    os._exit(main())
