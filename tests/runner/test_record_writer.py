"""The record's writer: all that it writes comes back exactly, and stays within the budgets."""

import base64
import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    EndEvent,
    Gap,
    MalformedLine,
    Message,
)
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_form import (
    CONSOLE_BUDGET,
    INTERIM_BUDGET,
    INTERIM_TEXT_BUDGET,
    LINE_OVERHEAD,
    MARK,
    MAX_LINE_BYTES,
    MESSAGE_OVERHEAD,
    RECORD_BUDGET,
    RESULT_BUDGET,
)
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict, checksum
from runner.message_writer import ResultTooLarge
from runner.record_writer import RecordWriter

VERDICT = Verdict(outcome=Outcome.SUCCEEDED, exit_code=0)

console_bytes = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from([b"\n", b"\r", b"\x00", MARK, b"l", b"c", b"v", b"x", b"\xff", b"ab"])
    ).map(b"".join),
    st.builds(lambda byte, n: byte * n, st.binary(min_size=1, max_size=2), st.integers(0, 9000)),
)
message_text = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.builds(
        lambda text, n: text * n, st.text("a\x1e\n\r", min_size=1, max_size=3), st.integers(0, 3000)
    ),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("console"), console_bytes),
        st.tuples(st.just("message"), message_text),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=25,
)


def write(actions, finish=True):
    """Apply the actions to a writer; returns its record."""
    lines = []
    writer = RecordWriter(lines.append)
    for action, value in actions:
        if action == "console":
            writer.console(value)
        elif action == "message":
            writer.message(value.encode())
        elif action == "final":
            writer.message(value.encode(), final=True)
        elif action == "traceback":
            writer.traceback(value)
        elif action == "drop":
            writer.drop()
        else:
            writer.flush()
    if finish:
        writer.finish(VERDICT)
    return b"".join(lines)


def parse(record, piece=None):
    """Return the events of a record that is fed in pieces."""
    parser, size = RecordParser(), piece or max(len(record), 1)
    return [
        event for at in range(0, len(record), size) for event in parser.feed(record[at : at + size])
    ]


def cost(record):
    """Return a record's bytes with those that a container log adds."""
    return len(record) + LINE_OVERHEAD * record.count(b"\n")


def printed(events):
    """Return the printed bytes."""
    return b"".join(e.data + b"\n" * e.newline for e in events if isinstance(e, Console))


def flat(events):
    """Console bytes and messages as they came, neighbouring console bytes joined."""
    shown = []
    for event in events:
        if isinstance(event, Console):
            data = event.data + b"\n" * event.newline
            if shown and isinstance(shown[-1], bytes):
                shown[-1] += data
            elif data:
                shown.append(data)
        elif isinstance(event, Message):
            shown.append(event.text)
    return shown


@settings(deadline=None, max_examples=200)
@given(steps=steps, piece=st.integers(1, 5000))
def test_any_interleaving_comes_back_exactly(steps, piece):
    """Console bytes and messages in any order come back as they were, in that order."""
    record = write(steps)
    events = parse(record, piece)
    expected = []
    for action, value in steps:
        if action == "console" and value and expected and isinstance(expected[-1], bytes):
            expected[-1] += value
        elif action == "message" or (action == "console" and value):
            expected.append(value)
    assert flat(events) == expected
    assert events[-1].intact and not any(isinstance(e, MalformedLine) for e in events)
    numbers = [e.number for e in events if isinstance(e, Message)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(len(line) < MAX_LINE_BYTES for line in record.split(b"\n"))
    assert not any(line.endswith(b"\r") for line in record.split(b"\n"))


FLOODS = {
    "one line of 50 MB": [b"z" * 50_000_000],
    "one line of 50 MB in pieces": [b"z" * 250_000] * 200,
    "2 million empty lines": [b"\n" * 2_000_000],
    "CR lines": [b"\r\n" * 300_000],
    "mark lines": [b"\x1e\n" * 300_000],
    "lines as long as a chunk": [b"y" * 4000 + b"\n"] * 2000,
    "lines a byte longer": [b"y" * 4001 + b"\n"] * 2000,
    "invalid UTF-8": [b"\xff\x00\r" * 100_000] * 20,
    "100 KB at once": [b"x" * 99_999 + b"\n"] * 100,
}


@pytest.mark.parametrize("name", FLOODS)
def test_console_flood_is_cut_with_its_marker(name):
    """Console bytes over the budget are cut, marked once, and counted to the byte."""
    pieces = FLOODS[name]
    record = write([("console", piece) for piece in pieces])
    events = parse(record)
    kept, whole = printed(events), b"".join(pieces)
    cut = next(n for n, event in enumerate(events) if isinstance(event, ConsoleTruncated))
    assert whole.startswith(kept) and len(kept) > 30_000
    assert (
        printed(events[cut:]) == b"" and sum(isinstance(e, ConsoleTruncated) for e in events) == 1
    )
    assert events[-1].intact
    assert events[-1].verdict.dropped_console_bytes == len(whole) - len(kept)
    assert CONSOLE_BUDGET * 0.9 < cost(record) < CONSOLE_BUDGET + 2 * MAX_LINE_BYTES


@pytest.fixture(scope="module")
def maximal_result():
    """A result that just fits: the largest hex text of random bytes."""
    low, high, data = 1_000_000, 4_000_000, os.urandom(4_000_000).hex()
    while high - low > 1000:
        middle = (low + high) // 2
        try:
            RecordWriter(lambda _: None).message(data[: middle * 2].encode(), final=True)
            low = middle
        except ResultTooLarge:
            high = middle
    # A later number in the frames' headers takes a few bytes more.
    return data[: low * 2 - 4000]


@pytest.mark.parametrize("flood", [b"\n" * 50, b"\r\n" * 30, b"\x1e\n" * 30, b"q" * 500, b"\x1e"])
def test_everything_maximal_stays_within_the_record_budget(flood, maximal_result):
    """Alternating prints and publishes, a maximal result, a huge traceback: all fit together."""
    noise = os.urandom(3000).hex()
    actions = []
    for number in range(3000):
        actions += [("console", flood), ("message", noise[: number % 6000])]
        actions += [("drop", None)] if number % 7 == 0 else []
    actions += [("console", b"\n" * 500_000), ("message", noise)]
    actions += [
        ("final", maximal_result),
        ("console", b"half"),
        ("traceback", "\r\n\x1e\n" * 90_000),
    ]
    record = write(actions)
    events = parse(record)
    assert events[-1].intact and events[-1].verdict.final
    assert RESULT_BUDGET < cost(record) <= RECORD_BUDGET
    assert [e.text for e in events if isinstance(e, Message) and e.final] == [maximal_result]


@settings(deadline=None, max_examples=15)
@given(
    repeats=st.lists(
        st.tuples(console_bytes, st.integers(0, 4000), st.integers(1, 6000)), min_size=1, max_size=4
    ),
    traceback=st.tuples(st.text("a\n\r\x1e", max_size=20), st.integers(0, 20_000)),
)
def test_any_flood_stays_within_the_record_budget(repeats, traceback):
    """Console and interim budgets hold whatever is repeated how often."""
    noise = os.urandom(3000).hex()
    actions = []
    for data, size, times in repeats:
        actions += [("console", data), ("message", noise[:size])] * (
            times // (1 + len(data) // 500)
        )
    record = write([*actions, ("traceback", traceback[0] * traceback[1])])
    assert cost(record) <= RECORD_BUDGET - RESULT_BUDGET
    assert parse(record)[-1].intact


def test_interim_messages_over_the_budget_leave_exact_gaps():
    """Every number is either a message or in a gap, and later ones that fit still come."""
    noise = os.urandom(30_000).hex()
    actions = [("message", noise), ("message", "1")] * 100 + [("drop", None), ("final", "2")]
    events = parse(write(actions))
    numbers = [e.number for e in events if isinstance(e, Message)]
    gaps = [n for e in events if isinstance(e, Gap) for n in range(e.first, e.first + e.count)]
    assert sorted(numbers + gaps) == list(range(1, 203)) and len(gaps) > 10
    assert events[-1].verdict.dropped_messages == len(gaps)
    assert events[-1].verdict.messages == 202 and numbers[-1] == 202


def test_interim_budget_holds():
    """Interim messages of any size stay within their budget with the overhead counted."""
    for size in (0, 10, 1500, 60_000):
        noise = os.urandom(size // 2).hex()
        actions = [("message", noise), ("flush", None)] * min(40_000, 9_000_000 // (size + 200))
        assert cost(write(actions)) < INTERIM_BUDGET + MAX_LINE_BYTES


def test_interim_messages_that_compress_well_are_bounded_before_compression():
    """A reader never has to hold more text than its budget, however small the record is."""
    zeros = "0" * (4 * 2**20)
    events = parse(write([("message", zeros)] * 20))
    kept = [e for e in events if isinstance(e, Message)]
    assert len(kept) == INTERIM_TEXT_BUDGET // (len(zeros) + MESSAGE_OVERHEAD) == 7
    assert events[-1].verdict.dropped_messages == 20 - len(kept)


def count_by_kind(record):
    """Return the number of messages in a record, that of its gaps, and its end."""
    kept = dropped = 0
    for event in RecordParser().feed(record):
        kept += isinstance(event, Message) and not event.final
        dropped += event.count if isinstance(event, Gap) else 0
    return kept, dropped, event


def test_tiny_messages_are_counted_with_what_they_take_of_a_reader():
    """A reader holds a quarter of a million messages at most, be they of one byte."""
    kept, dropped, end = count_by_kind(write([("message", "0")] * 300_000 + [("final", "{}")]))

    assert 250_000 < kept < 260_000
    assert kept + dropped == 300_000 == end.verdict.messages - 1
    assert end.intact and end.verdict.final


def test_record_of_more_messages_than_fit_is_read_without_them():
    """A parser trusts no writer's budget: millions of messages become gaps, the result stays."""
    zeros, ends = base64.b64encode(zlib.compress(MARK.join([b"0"] * 90_000))), []
    writer = RecordWriter(ends.append)
    for number in range(20):
        frame = MARK + b"i %d 90000 1/1 ~%b\n" % (1 + number * 90_000, zeros)
        writer._emit([frame])
    writer.message(b"{}", final=True)
    writer.finish(VERDICT)
    kept, dropped, end = count_by_kind(b"".join(ends))

    assert kept == 180_000 and kept + dropped == 1_800_000
    assert end.intact and end.verdict.final


def test_messages_in_a_row_share_a_frame():
    """Messages between two flushes are one line, numbered from the first."""
    record = write([("message", str(n)) for n in range(100)], finish=False)
    assert record == b""
    record = write([("message", str(n)) for n in range(100)])
    assert record.count(b"\n") == 2
    assert [(e.line, e.number) for e in parse(record)[:-1]] == [(1, n) for n in range(1, 101)]


def test_result_over_the_budget_is_refused_and_nothing_written():
    """A refused result leaves no trace and names both sizes, and a smaller one can follow."""
    lines = []
    writer = RecordWriter(lines.append)
    text = os.urandom(4 << 20).hex().encode()
    with pytest.raises(ResultTooLarge, match=f"{len(text)} bytes.*at most {RESULT_BUDGET}"):
        writer.message(text, final=True)
    assert lines == [] and not writer.has_final
    writer.message(b"1", final=True)
    assert writer.has_final


def test_long_traceback_keeps_header_and_end():
    """A huge traceback after a half line keeps its header on a line of its own, and its end."""
    text = "Traceback (most recent call last):\n" + "  line\n" * 50_000 + "ValueError: end\n"
    events = parse(write([("console", b"half"), ("traceback", text), ("traceback", text)]))
    shown = printed(events)
    assert shown.startswith(b"half\nTraceback (most recent call last):\n  [...]\n  line")
    assert shown.endswith(b"\nValueError: end\n") and shown.count(b"Traceback") == 1


@pytest.fixture(scope="module")
def small_record():
    """A record with every kind of line."""
    noise = os.urandom(3000).hex()
    return write(
        [
            ("console", b"plain\nends in CR\r\nhalf"),
            ("message", "1"),
            ("message", '{"a": 2}'),
            ("console", b"\x1ev {}\n"),
            ("message", noise),
            ("drop", None),
            ("final", '"done"'),
            ("traceback", "Traceback\nValueError: x\n"),
        ]
    )


def is_intact(record):
    """Return whether a reader takes this as a whole record: an intact end, and nothing after it."""
    events = parse(record)
    return bool(events) and isinstance(events[-1], EndEvent) and events[-1].intact


def test_every_bit_flip_is_noticed(small_record):
    """No altered byte, the verdict's among them, is taken for a whole record."""
    assert is_intact(small_record)
    for at in range(len(small_record)):
        altered = bytearray(small_record)
        altered[at] ^= 1 << (at % 8)
        assert not is_intact(bytes(altered)), at


def test_every_prefix_and_suffix_is_noticed(small_record):
    """A record that lacks its beginning or its end, or has more, is not whole."""
    for at in range(1, len(small_record), 3):
        assert not is_intact(small_record[:at]) and not is_intact(small_record[at:])
    assert not is_intact(small_record[:-1])
    assert not is_intact(small_record + b"more\n") and not is_intact(b"more\n" + small_record)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_cut_and_pasted_record_is_noticed(data, small_record):
    """Removing, repeating or inserting bytes anywhere is noticed."""
    a = data.draw(st.integers(0, len(small_record)))
    b = data.draw(st.integers(0, len(small_record)))
    altered = small_record[:a] + data.draw(st.binary(max_size=20)) + small_record[b:]
    # What follows without a newline is no line yet.
    assert altered.startswith(small_record) or not is_intact(altered)


def test_line_after_the_verdict_is_garbage():
    """Nothing counts after the last line."""
    events = parse(write([]) + b"more\n" + MARK + b"f 1 1 1/1 =1\n")
    assert [type(e) for e in events] == [EndEvent, MalformedLine, MalformedLine]


def test_forged_verdict_line_on_the_console_stays_console():
    """A program that prints a verdict has printed a line."""
    text = VERDICT.to_json().encode()
    forged = MARK + b"v %b %b\n" % (checksum(text), text)
    events = parse(write([("console", forged)]))
    assert [type(e) for e in events] == [Console, EndEvent] and printed(events) == forged
    assert events[-1].verdict.lines == 1
