"""The checks of a script: each is a function, and its outcome a JSON line.

It runs in the environment of a client, of any age: with the standard library alone.
"""

import functools
import json
import os
import signal
import time
import traceback

URL = os.environ["CLIENTS_URL"]
"""The server, without a path."""

TOKEN = os.environ["CLIENTS_TOKEN"]

INSTANCE = os.environ["CLIENTS_INSTANCE"]
"""The CRN of the instance that everybody has."""

INSTANCE_NAME = os.environ["CLIENTS_INSTANCE_NAME"]

SECONDS = 90
"""The time limit of a check: a client that waits for ever is a fault, and no reason to stop."""

LONG_SECONDS = 300
"""The time limit of a check that runs many jobs one after the other."""

CHECKS = []


def check(function):
    """Add a function to the checks; it returns what is worth a word, and raises where it fails."""
    CHECKS.append(function)
    return function


newest = check
"""The same for the newest client alone: ``matrix`` leaves it out for others."""


def since(*_version):
    """Return the same for clients of this version and later ones; ``matrix`` reads the number."""
    return check


once = functools.cache
"""A decorator: what several checks use is made by the first of them."""


def raises(kind, function, *arguments, **named):
    """Return the exception of this kind that a call raises."""
    try:
        answer = function(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}: it returned {answer!r}")


def wait_until(condition, seconds=30):
    """Wait until it holds; return what it then is."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.1)
    return answer


def run(seconds=SECONDS):
    """Run all checks, and print their outcomes; one that fails stops none of the others."""
    signal.signal(signal.SIGALRM, _interrupt)
    only = os.environ.get("CLIENTS_ONLY", "").split()
    for function in CHECKS:
        if not only or function.__name__ in only:
            print(json.dumps(_try(function, seconds)), flush=True)


def _try(function, limit):
    begun = time.monotonic()
    signal.alarm(limit)
    try:
        detail, is_ok = str(function() or ""), True
    except BaseException:  # noqa: BLE001  (whatever a client raises is an outcome)
        detail, is_ok = traceback.format_exc(), False
    finally:
        signal.alarm(0)
    seconds = round(time.monotonic() - begun, 2)
    return {"name": function.__name__, "ok": is_ok, "detail": detail[-3000:], "seconds": seconds}


def _interrupt(*_):
    raise TimeoutError("the check took over its time")
