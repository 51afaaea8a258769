"""A job's log level: a program's own log messages, without the libraries' chatter.

Used by the program process.
"""

import logging
import sys

TALKATIVE = ("qiskit", "qiskit_aer", "qiskit_ibm_runtime", "samplomatic", "spnego", "stevedore")
"""Libraries that log each of their steps below WARNING: hundreds of lines for one transpilation.

A program that wants them sets its level: ``logging.getLogger("qiskit").setLevel("INFO")``.
"""


def open_log(level: str) -> None:
    """Print log messages from this level on, those of the talkative libraries from WARNING on."""
    logging.basicConfig(level=level, stream=sys.stdout)
    if logging.getLogger().level < logging.WARNING:
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
