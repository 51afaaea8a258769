"""The preparation of the server's own process: descriptors, and no secret arguments."""

import os
import resource
import sys

SPARE_DESCRIPTORS = 256
"""Descriptors that connections may not use: for the store's files, runners' pipes, one burst of
connections that are accepted before the first is counted."""

ACCEPTED_AT_ONCE = 32
"""The connections of that burst; a few of them may be on their way."""


def raise_descriptor_limit() -> int:
    """Raise the limit of descriptors as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # macOS reports no limit, and allows less.
        return soft
    return hard


def bound_connections(wanted: int) -> int:
    """Return the number of connections: those wanted, or as many as there are descriptors for."""
    limit = raise_descriptor_limit()
    return wanted if limit < 0 else min(wanted, max(limit - SPARE_DESCRIPTORS, limit // 4))


def hide_option(option: str, value: str, variable: str) -> None:
    """Restart this process with an environment variable in place of a secret option.

    Every user of the machine can read the arguments of a process for as long as it runs.
    """
    rest = list(sys.orig_argv[1:])
    for given in ([option, value], [f"{option}={value}"]):
        for at in range(len(rest)):
            if rest[at : at + len(given)] == given:
                arguments = [sys.executable, *rest[:at], *rest[at + len(given) :]]
                environment = {**os.environ, variable: value}
                os.execve(sys.executable, arguments, environment)  # noqa: S606  (the same program)
