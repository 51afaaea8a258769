"""Lines of one kind in the log: some are written, the rest is counted."""

import logging

import pytest

from api.serving import server
from api.serving.log_repeats import EXEMPT, LINES_A_MINUTE, QueryFilter, RepeatFilter


def _log(messages, clock):
    """Return the lines that are written of messages, each a name and a text with arguments."""
    written = []
    repeats = RepeatFilter(lambda: clock[0])
    for name, text, *arguments in messages:
        record = logging.LogRecord(name, logging.WARNING, "", 0, text, tuple(arguments), None)
        if repeats.filter(record):
            written.append(record.getMessage())
        clock[0] += 1e-6
    return written


def test_lines_of_one_kind_are_held_back_and_counted():
    """Ten a minute are written, whatever their arguments are; the next minute says how many not."""
    clock = [0.0]
    repeats = RepeatFilter(lambda: clock[0])

    def write(count, text="bad %s"):
        records = [logging.LogRecord("a", 30, "", 0, text, (i,), None) for i in range(count)]
        return [record.getMessage() for record in records if repeats.filter(record)]

    assert len(first := write(500)) == LINES_A_MINUTE
    assert first[0] == "bad 0" and "held back for a minute" in first[-1]
    assert write(5, "other %s") == [f"other {number}" for number in range(5)]
    clock[0] = 61
    assert write(1) == [f"bad 0 ({500 - LINES_A_MINUTE} more were held back)"]
    assert write(1) == ["bad 0"]


def test_access_log_is_written_whole():
    """The access log has a line for each request."""
    assert len(_log([(EXEMPT[0], "GET")] * 100, [0.0])) == 100


def test_kinds_without_number_cost_bounded_memory():
    """Many kinds are all written, and the oldest forgotten."""
    messages = [("a", f"kind {number}") for number in range(5000)]
    assert len(_log(messages, [0.0])) == 5000


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/login/callback?code=secret&state=s", "/login/callback"),
        ("/login/callback", "/login/callback"),
        ("/jobs?limit=2", "/jobs?limit=2"),
    ],
)
def test_access_log_has_no_code_of_a_login(path, written):
    """The query of the callback is what a person logs in with; other queries are written."""
    text = '%s - "%s %s HTTP/%s" %d'
    arguments = ("127.0.0.1:1", "GET", path, "1.1", 200)
    record = logging.LogRecord(EXEMPT[0], 20, "", 0, text, arguments, None)
    filters = logging.Filterer()
    for one in server._make_log_config()["filters"].values():
        filters.addFilter(one["()"]())
    assert filters.filter(record)
    assert record.getMessage() == f'127.0.0.1:1 - "GET {written} HTTP/1.1" 200'
    assert QueryFilter().filter(logging.LogRecord("a", 30, "", 0, "no arguments", None, None))
