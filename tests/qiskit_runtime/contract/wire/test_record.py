"""The record's parser: whatever it is fed, it reads on, and holds no more than its bound."""

import base64
import os
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_runtime.contract.wire.events import Console, EndEvent, MalformedLine, Message
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_form import (
    LINE_OVERHEAD,
    MARK,
    MAX_MESSAGE_BYTES,
    RESULT_BUDGET,
)


def parse(record, piece=None):
    """The events of a record, fed in pieces."""
    parser, size = RecordParser(), piece or max(len(record), 1)
    return [
        event for at in range(0, len(record), size) for event in parser.feed(record[at : at + size])
    ]


line = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda kind, rest: MARK + kind + rest,
        st.sampled_from([b"i", b"f", b"g", b"v", b"l", b"c", b"x", b""]),
        st.one_of(
            st.binary(max_size=30),
            st.from_regex(
                rb" [0-9]{1,7} [0-9]{1,7} [0-9]{1,7}/[0-9]{1,7} [=~][a-zA-Z0-9=]*", fullmatch=True
            ),
            st.from_regex(rb" [0-9]{1,3} [0-3] [0-3]/[0-3] [=~].{0,9}", fullmatch=True),
        ),
    ),
    st.integers(4000, 9000).map(lambda n: b"w" * n),
)


@settings(deadline=None, max_examples=120)
@given(lines=st.lists(line, max_size=30), piece=st.integers(1, 6000))
def test_parser_never_raises_and_reads_on_after_garbage(lines, piece):
    """Whatever comes, every line after it is still read with its number."""
    data = b"\n".join(lines) + b"\n" + MARK + b"i 7 1 1/1 =after\nlast\n"
    events = parse(data, piece)
    assert events == parse(data)
    if not any(isinstance(event, EndEvent) for event in events):
        number = data.count(b"\n")
        assert events[-1] == Console(number, b"last")
        assert Message(number - 1, 7, "after") in events


def frame(payload, count, chunk=4000):
    """A forged frame of interim messages."""
    body = base64.b64encode(payload)
    chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    return b"".join(
        MARK + b"i 1 %d %d/%d ~%b\n" % (count, n, len(chunks), part)
        for n, part in enumerate(chunks, 1)
    )


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (zlib.compress(b"x" * (MAX_MESSAGE_BYTES + 1)), 1),
        (zlib.compress(bytes(1) * 200_000_000), 1),
        (zlib.compress(MARK * MAX_MESSAGE_BYTES), 99_999),
        (zlib.compress(MARK * MAX_MESSAGE_BYTES), 2),
        (zlib.compress(b"cut")[:-3], 1),
        (zlib.compress(b"\xff"), 1),
        (b"no zlib", 1),
    ],
    ids=["over", "bomb", "marks", "two", "cut", "utf8", "noise"],
)
def test_bomb_in_a_forged_frame_is_garbage(payload, count):
    """A payload that inflates to too much, or is unreadable, is garbage; memory is bounded."""
    data = frame(payload, count)
    tracemalloc.start()
    events = parse(data + b"after\n")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(e) for e in events] == [MalformedLine, Console]
    assert peak < 3 * MAX_MESSAGE_BYTES + RESULT_BUDGET


def test_parser_holds_no_more_than_its_bound():
    """An endless line, and an endless frame of empty or full chunks, are let go at the budget."""
    tracemalloc.start()
    parser = RecordParser()
    for _ in range(300):
        assert list(parser.feed(b"x" * 10_000)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    garbage, held = list(parser.feed(b"\n")), 0
    for payload in (b"", b"y" * 4000):
        for n in range(1, RESULT_BUDGET // (len(payload) + LINE_OVERHEAD) + 3):
            garbage += parser.feed(MARK + b"i 1 1 %d/999999 =%b\n" % (n, payload))
            held = max(held, len(parser._chunks) * (len(payload) + LINE_OVERHEAD))
    assert RESULT_BUDGET // 2 < held <= RESULT_BUDGET
    assert {event.why for event in garbage} >= {
        "a line of 4096 bytes or more",
        "a frame over the budget",
        "a chunk without those before it",
    }


def test_frame_without_its_last_chunk_is_garbage_and_the_next_is_read():
    """A frame that breaks off costs only itself."""
    data = frame(os.urandom(9000), 1).splitlines(keepends=True)
    events = parse(data[0] + data[1] + MARK + b"i 2 1 1/1 =next\n" + data[2] + b"line\n")
    assert [type(e) for e in events] == [MalformedLine, Message, MalformedLine, Console]
