"""The copy of a record: it may be read in one piece after a restart, and is never held whole."""

import tracemalloc

from controller.record.copy import RecordCopy
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from runner.record_writer import RecordWriter

MESSAGES = 100_000


def make_record():
    """A record of many small messages, a result and a verdict."""
    lines = []
    writer = RecordWriter(lines.append)
    for number in range(MESSAGES):
        writer.message(b"0")
        if not number % 1000:
            writer.flush()
    writer.message(b'"done"', final=True)
    writer.finish(Verdict(Outcome.SUCCEEDED, final=True))
    return b"".join(lines)


def test_many_small_messages_are_never_held_together():
    """A hundred thousand, read in one piece, cost a fraction of what they are as objects."""
    record, copy = make_record(), RecordCopy()
    tracemalloc.start()
    try:
        copy.feed(record)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (copy.result, copy.verdict.final) == ('"done"', True)
    assert peak < 2 * 2**20


def test_line_after_the_verdict_takes_its_word_back():
    """Nobody writes behind it: what was read in that piece is not vouched for."""
    copy = RecordCopy()
    copy.feed(make_record() + b"more\n")
    assert copy.verdict is None
