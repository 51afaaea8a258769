"""Limits and defaults that several parts of the system share; each stands here once.

A limit of one module alone stays in that module. Standard library only: the supervisor and the
life cycle import it. A test compares the CRDs in ``k8s/`` with these numbers.
"""

MIB = 2**20

# Times.

GRACE_SECONDS = 3.0
"""From SIGTERM to SIGKILL of a program that has to end."""

DEFAULT_MAX_EXECUTION_SECONDS = 300
"""The time limit of a program whose metadata names none."""

MAX_EXECUTION_SECONDS = 7 * 24 * 3600
"""The longest time limit that a program may have."""

START_DEADLINE_SECONDS = 1800
"""How long a job that was given to the cluster may wait for its pod to run."""

INPUT_DEADLINE_SECONDS = 60
"""How long a job may wait for its parameters to be stored."""

DEFAULT_TTL_SECONDS = 7 * 24 * 3600
"""How long Kubernetes mode keeps an ended job."""

# Circuits.

MAX_SHOTS = 10**8
"""The most shots of one circuit in one run."""

# Parameters and sources.

MAX_PARAMS_BYTES = 8 * MIB
"""A job's parameters, as UTF-8 JSON text, in both modes."""

MAX_PARAMS_DEPTH = 100
"""How deep objects and lists may nest in the parameters: readers recurse."""

MAX_SOURCE_BYTES = 256 * 1024
"""A program's source as it is uploaded: a module's text, or an archive, compressed or not."""

DEFAULT_STORAGE_BUDGET_MIB = 512
"""The room of all jobs' parameters and records in a namespace, as the API and the operator
count it."""

WHOLE = 100
"""The share in percent that is no limit."""

DEFAULT_INSTANCE_SHARE_PERCENT = 50
"""The share of programs, jobs and storage that one instance may take: it can't fill them."""


def take_share(total: int, percent: int) -> int:
    """Return so many percent of a limit, 1 at least."""
    return max(1, total * percent // WHOLE)


# The status of a job.

MAX_INLINE_RESULT_BYTES = 32 * 1024
"""A final result on a RuntimeJob's status; a larger one is in the job's record alone."""

MAX_STATUS_MESSAGE_CHARACTERS = 4096
"""The sentence on a resource's status that explains its phase or condition."""

# What the runner reads.

MAX_QPY_VERSION = 18
"""The newest version of QPY, Qiskit's form of circuits, that the runner's Qiskit reads."""

MAX_SAMPLEX_VERSION = 4
"""The newest version of a samplex, the random part of a circuit, that the runner reads."""

# Texts that a client files a job under.

MAX_LABEL_CHARACTERS = 128
"""A hub, group, project or tag, and a program's id."""

MAX_TAGS = 32
"""The tags of a job."""

MAX_VERSION_CHARACTERS = 64
"""A program's version."""

# Sessions.

DEFAULT_SESSION_SECONDS = 8 * 3600
"""How long a session stays open whose client names no time."""

MAX_SESSION_SECONDS = MAX_EXECUTION_SECONDS
"""The longest time that a session may stay open."""

INTERACTIVE_SECONDS = 60
"""How long a session without a job stays active."""

MAX_OPEN_SESSIONS_OF_INSTANCE = 100
"""The most open sessions of one instance, so that one leaves room for others."""

MAX_OPEN_SESSIONS = 500
"""The sessions of a server that are not closed."""

MAX_CLOSED_SESSIONS = 500
"""The closed sessions that are kept; the oldest go first."""

MAX_SESSION_TIMESTAMPS = 100
"""The changes of its state that a session remembers."""

ADMISSION_SECONDS = 30
"""How long a job that was admitted to its session may be on its way to the store."""
