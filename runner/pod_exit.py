"""How a runner leaves its pod: with a termination message, and with its whole record in the log.

Used by ``python -m runner`` where it is a container's PID 1; elsewhere nothing here does anything.
Standard library only.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from qiskit_runtime.contract.wire.verdict import MAX_VERDICT_BYTES
from runner.pipes import readable_bytes

TERMINATION_LOG = Path("/dev/termination-log")
"""Where a container leaves its last words; the kubelet puts them on the pod's status."""

LINGER_SECONDS = 0.2
"""How long the container runtime may hold what it has taken from the pipe and not yet written."""

DRAIN_SECONDS = 10.0
"""How long it may take to empty the pipe. Longer, and nobody reads it."""


def leave_pod(last_words: str) -> None:
    """Leave the termination message, and wait until the log has what was written.

    The container runtime drops what it holds of the output when PID 1 ends: of 18 runs that ended
    in a burst of lines 5 lost their tail, with this none of 16.
    """
    if os.getpid() != 1:
        return
    with suppress(OSError):
        # The program could write it too: what it wrote goes.
        TERMINATION_LOG.write_bytes(last_words.encode()[:MAX_VERDICT_BYTES])
    wait_until_read(1)


def wait_until_read(pipe: int) -> None:
    """Wait until what was written into ``pipe`` has been read, and a moment longer."""
    until = time.monotonic() + DRAIN_SECONDS
    with suppress(OSError):
        while readable_bytes(pipe) and time.monotonic() < until:
            time.sleep(0.005)
    time.sleep(LINGER_SECONDS)
