"""The verdict: any fits its line, and no forged text breaks its reader."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_runtime.contract.wire.verdict import (
    EXIT_CODES,
    MAX_VERDICT_BYTES,
    Outcome,
    Verdict,
    parse_verdict,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=150)
@given(
    message=st.text(max_size=2000), reason=st.text(max_size=100), versions=st.text(max_size=3000)
)
def test_any_verdict_fits_its_line_and_comes_back(message, reason, versions):
    """A verdict of any text is at most a line of ASCII, and is read back with its facts."""
    verdict = Verdict(Outcome.FAILED, 1, reason=reason, message=message, versions={"v": versions})
    text = verdict.to_json()
    assert len(text) <= MAX_VERDICT_BYTES - 100 and text.isascii() and "\n" not in text
    read = parse_verdict(text)
    assert read is not None and (read.outcome, read.exit_code) == (Outcome.FAILED, 1)
    if max(len(message), len(reason), len(versions)) < 60:
        assert read == verdict


@settings(deadline=None, max_examples=200)
@given(
    fields=st.dictionaries(st.sampled_from([*Verdict.__slots__, "other"]), json_values, max_size=5),
    outcome=st.sampled_from(["Succeeded", "Failed", "Nonsense"]),
)
def test_forged_verdict_is_read_as_none_or_whole(fields, outcome):
    """Whatever a program forges: no error, and no verdict that can't be written again."""
    verdict = parse_verdict(json.dumps({"outcome": outcome, **fields}))
    if verdict is not None:
        assert parse_verdict(verdict.to_json()) is not None
        assert verdict.message.encode() is not None and verdict.lines >= 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "null",
        '{"outcome": []}',
        '{"outcome":"Failed","message":"\\ud800"}',
        '{"outcome":"Failed","seconds":NaN}',
        '{"outcome":"Failed","versions":{"a":1}}',
        b"\xff",
    ],
)
def test_text_that_is_no_verdict_is_none(text):
    """Reading a verdict is total."""
    assert parse_verdict(text) is None


def test_every_outcome_has_an_exit_code_of_its_own():
    """The runner's exit code implies the outcome, and 137 is never one."""
    assert set(EXIT_CODES) == set(Outcome)
    assert len(set(EXIT_CODES.values())) == len(Outcome) and 137 not in EXIT_CODES.values()
