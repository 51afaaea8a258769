"""What the server's own process is given before it serves: descriptors, and no secret arguments."""

import os
import resource
import sys

SPARE_DESCRIPTORS = 256
"""What is left for other than connections: the store's files, runners' pipes, one burst of
connections that are accepted before any of them is looked at."""

ACCEPTED_AT_ONCE = 32
"""The size of that burst; a few of them may be on their way."""


def raise_descriptor_limit() -> int:
    """Take as many descriptors as the system allows this process; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # macOS calls it unlimited, and allows less.
        return soft
    return hard


def bound_connections(wanted: int) -> int:
    """As many connections as wanted, or as many as there are descriptors for."""
    limit = raise_descriptor_limit()
    return wanted if limit < 0 else min(wanted, max(limit - SPARE_DESCRIPTORS, limit // 4))


def hide_option(option: str, value: str, variable: str) -> None:
    """Start this process anew with an environment variable for an option, unless it has none.

    What is among the arguments every user of the machine can read, for as long as it runs.
    """
    rest = list(sys.orig_argv[1:])
    for given in ([option, value], [f"{option}={value}"]):
        for at in range(len(rest)):
            if rest[at : at + len(given)] == given:
                arguments = [sys.executable, *rest[:at], *rest[at + len(given) :]]
                environment = {**os.environ, variable: value}
                os.execve(sys.executable, arguments, environment)  # noqa: S606  (the same program)
