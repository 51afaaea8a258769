"""Today's official client, 0.49 and later, against a server: all that a user of it calls."""

import importlib
import logging
import warnings

import checklist
from qiskit_ibm_runtime import RuntimeJobV2

POLL_SECONDS = 0.1
"""The least that the client takes; its default of 0.5 s would be the time of most checks."""

wait = RuntimeJobV2.wait_for_final_state


def wait_for_final_state(job, timeout=None, poll_interval=POLL_SECONDS):
    """Wait as the client does, and ask more often."""
    wait(job, timeout, poll_interval or POLL_SECONDS)


RuntimeJobV2.wait_for_final_state = wait_for_final_state

for name in ("construct", "backends", "primitives", "jobs", "sessions"):
    # Each module adds its checks.
    importlib.import_module(name)

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
checklist.run()
