"""Progress: what it takes, and how it comes back from JSON and from a record."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_runtime.contract.limits import MAX_EXECUTION_SECONDS
from qiskit_runtime.contract.wire.events import Console, MalformedLine, Message, ProgressEvent
from qiskit_runtime.contract.wire.progress import Progress, parse_progress
from qiskit_runtime.contract.wire.record import RecordParser, newest_progress, verdict_at_end
from qiskit_runtime.contract.wire.record_form import (
    LINE_OVERHEAD,
    MAX_LINE_BYTES,
    PROGRESS_BUDGET,
    RECORD_BUDGET,
)
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from runner.job_output import PROGRESS_SECONDS
from runner.record_writer import RecordWriter

VERDICT = Verdict(outcome=Outcome.SUCCEEDED, exit_code=0)
LONGEST = Progress(1.2345678901234567e-100, 1234567890.1234567, -1.2345678901234567e-300)

counts = st.one_of(st.integers(0, 2**53), st.floats(0, 2**53))
progresses = st.builds(
    lambda pair, best: Progress(min(pair), max(pair), best),
    st.tuples(counts, counts),
    st.one_of(st.none(), st.floats()),
)
steps = st.lists(
    st.one_of(
        progresses,
        st.binary(max_size=200),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
        st.none(),
    ),
    max_size=25,
)


@given(progress=progresses)
def test_progress_comes_back_from_its_json(progress):
    """Every progress is one short line of JSON that reads back as the same."""
    text = progress.to_json()
    assert parse_progress(text) == parse_progress(text.encode()) == progress
    assert "\n" not in text and len(text) + LINE_OVERHEAD < 160
    assert json.loads(text) == progress.fields


@given(
    text=st.one_of(
        st.binary(),
        st.text(),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["done", "total", "best", "x"]), inner),
            ),
        ).map(json.dumps),
    )
)
def test_any_text_is_read_or_is_none(text):
    """Whatever a program sends is a progress within its limits, or none; it never raises."""
    progress = parse_progress(text)
    if progress is not None:
        assert 0 <= progress.done <= progress.total <= 2**53
        assert progress.best is None or math.isfinite(progress.best)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 5000,
        "[" * 100_000,
        '{"done":1,"total":1' + "0" * 4000 + "}",
        '{"done":1,"total":2,"best":1' + "0" * 400 + "}",
    ],
)
def test_huge_numbers_and_deep_nests_are_none(text):
    """Texts that json or float refuse in their own ways are no progress either."""
    assert parse_progress(text) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, 2), "done is -1; a number from 0 to 2^53 is needed"),
        ((3, 2), "3 of 2 is more than all"),
        ((math.nan, 2), "done is nan"),
        ((1, math.inf), "total is inf"),
        ((1, 2**54), "total is 18014398509481984"),
        ((None, 2), "done is a number of a float's range, not NoneType"),
        ((1, 10**400), "total is a number of a float's range, not int"),
        ((1, 2, []), "best is a number of a float's range, not list"),
        ((1, 2, -(10**400)), "best is a number of a float's range, not int"),
    ],
)
def test_bad_number_is_a_value_error_that_names_it(arguments, words):
    """Whatever is wrong with a number, it is one kind of exception, and says which number."""
    with pytest.raises(ValueError, match="progress: ") as caught:
        Progress(*arguments)
    assert words in str(caught.value)


def test_whole_numbers_look_whole():
    """Steps that a program counts in floats are shown as people count."""
    assert Progress(1.0, 2.0, 3.0).to_json() == '{"done":1,"total":2,"best":3.0}'
    assert Progress(0.5, 2).to_json() == '{"done":0.5,"total":2}'
    assert Progress(0, 0, math.inf).to_json() == '{"done":0,"total":0}'


@settings(deadline=None)
@given(steps=steps, piece=st.integers(1, 300))
def test_progress_between_anything_comes_back_and_disturbs_nothing(steps, piece):
    """Reports come back in order; console bytes and messages around them are what they were."""
    lines = []
    writer = RecordWriter(lines.append)
    for step in steps:
        match step:
            case Progress():
                writer.progress(step)
            case bytes():
                writer.console(step)
            case str():
                writer.message(step.encode())
            case None:
                writer.flush()
    writer.finish(VERDICT)
    record, parser = b"".join(lines), RecordParser()
    pieces = (record[at : at + piece] for at in range(0, len(record), piece))
    events = [event for data in pieces for event in parser.feed(data)]
    reports = [step for step in steps if isinstance(step, Progress)]
    assert [event.progress for event in events if isinstance(event, ProgressEvent)] == reports
    assert newest_progress(events) == (reports[-1] if reports else None)
    assert b"".join(step for step in steps if isinstance(step, bytes)) == b"".join(
        event.data + b"\n" * event.newline for event in events if isinstance(event, Console)
    )
    assert [e.text for e in events if isinstance(e, Message)] == [
        step for step in steps if isinstance(step, str)
    ]
    assert verdict_at_end(events) is not None


def test_budget_holds_whoever_reports_too_often():
    """Reports without room are left out, and the record is whole all the same."""
    lines = []
    writer = RecordWriter(lines.append)
    for _ in range(5000):
        writer.progress(LONGEST)
    assert 0 < sum(len(line) + LINE_OVERHEAD for line in lines) <= PROGRESS_BUDGET
    writer.finish(VERDICT)
    assert verdict_at_end(list(RecordParser().feed(b"".join(lines)))) is not None
    assert RECORD_BUDGET <= 9 * 2**20


def test_longest_job_has_room_for_all_of_its_reports():
    """The last report of the longest job is still written."""
    lines = []
    writer = RecordWriter(lines.append)
    seconds, reports = 0.0, 0
    while seconds <= MAX_EXECUTION_SECONDS:
        writer.progress(LONGEST)
        reports += 1
        seconds += max(PROGRESS_SECONDS, seconds / 100)
    writer.progress(LONGEST)
    assert len(lines) == reports + 1


@pytest.mark.parametrize("rest", [b"", b" ", b" {}", b" rubbish", b' {"done":2,"total":1}', b"x"])
def test_report_of_another_form_is_garbage(rest):
    """A frame that no writer writes is a MalformedLine, and reading goes on after it."""
    garbage, line = RecordParser().feed(b"\x1ep" + rest + b"\nprinted\n")
    assert isinstance(garbage, MalformedLine) and line == Console(2, b"printed")
    assert len(LONGEST.to_json()) < MAX_LINE_BYTES
