"""Does what its parameters say, step by step: one program for all situations of a test."""

import signal
import sys
import time
from pathlib import Path


def main(backend, messenger, steps=()):
    """``steps`` is a list of ``[name, argument]``; see ``STEPS``."""
    for name, argument in steps:
        STEPS[name](messenger, argument, backend)


def wait_for(path):
    """Wait until the test makes this file."""
    while not Path(path).exists():
        time.sleep(0.01)


def count(messenger, number):
    """Publish the numbers from 1."""
    for value in range(1, number + 1):
        messenger.publish(value)


def dots(messenger, number, size):
    """Publish this many texts of this size, which begin with their number."""
    for value in range(1, number + 1):
        messenger.publish(f"{value}".ljust(size, "."))


def write_bytes(data):
    """Print bytes that need not be text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def ignore_sigterm():
    """Refuse to end when told to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def fail(text):
    """End with an exception of this text."""
    raise ValueError(text)


def large(size):
    """A text whose beginning differs in every part, and whose rest compresses well."""
    text = "".join(f"{value:08x}" for value in range(min(size, 2**20) // 8))
    return text + "." * (size - len(text))


STEPS = {
    "publish": lambda messenger, value, _: messenger.publish(value),
    "final": lambda messenger, value, _: messenger.publish(value, final=True),
    "backend": lambda messenger, _, backend: messenger.publish(backend.name, final=True),
    "count": lambda messenger, number, _: count(messenger, number),
    "large": lambda messenger, size, _: messenger.publish(large(size), final=True),
    "progress": lambda messenger, report, _: messenger.report_progress(*report),
    "dots": lambda messenger, counts, _: dots(messenger, *counts),
    "print": lambda _, text, __: print(text),
    "write": lambda _, text, __: sys.stdout.write(text),
    "bytes": lambda _, text, __: write_bytes(bytes.fromhex(text)),
    "ignore_sigterm": lambda *_: ignore_sigterm(),
    "sleep": lambda _, seconds, __: time.sleep(seconds),
    "wait": lambda _, path, __: wait_for(path),
    "fail": lambda _, text, __: fail(text),
    "ignore": lambda *_: None,
}
