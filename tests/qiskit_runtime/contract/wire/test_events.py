"""The frames of a job's events: their JSON, and the way back."""

import json

import pytest

from qiskit_runtime.contract.wire.events import (
    Console,
    ConsoleTruncated,
    EndEvent,
    Gap,
    MalformedLine,
    Message,
    ProgressEvent,
    frame_fields,
    from_json,
    to_json,
)
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict

FRAMES = [
    (
        Message(0, 3, ' {"a":1.0}', final=True),
        '{"type": "message", "number": 3, "final": true, "text": " {\\"a\\":1.0}"}',
    ),
    (
        Console(7, "grüß".encode(), newline=False),
        '{"type": "console", "line": 7, "text": "gr\\u00fc\\u00df", "newline": false}',
    ),
    (Gap(0, 2, 3), '{"type": "gap", "first": 2, "count": 3}'),
    (ConsoleTruncated(0), '{"type": "cut"}'),
    (ProgressEvent(0, Progress(1, 4)), '{"type": "progress", "done": 1, "total": 4}'),
    (
        ProgressEvent(0, Progress(1, 4, -1.5)),
        '{"type": "progress", "done": 1, "total": 4, "best": -1.5}',
    ),
]


@pytest.mark.parametrize(("event", "frame"), FRAMES)
def test_an_event_is_its_frame(event, frame):
    """The JSON is that of the API since its first day, and reads back as the same event."""
    assert to_json(event) == frame
    assert from_json(frame) == event


@pytest.mark.parametrize(
    "event", [MalformedLine(1, "x"), EndEvent(1, Verdict(Outcome.SUCCEEDED), intact=True)]
)
def test_other_events_are_not_for_clients(event):
    """A malformed line and the verdict have no frame."""
    assert frame_fields(event) is None


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no JSON",
        "[" * 100_000,
        "[]",
        "null",
        '{"type": "later"}',
        '{"type": "message", "number": "1", "final": true, "text": ""}',
        '{"type": "progress", "done": 5, "total": 4}',
        '{"type": "progress", "done": 1, "total": 4, "best": "low"}',
        b"\xff",
    ],
)
def test_any_other_text_is_no_event(frame):
    """Reading is total: a server of another kind, or a later one, can send anything."""
    assert from_json(frame) is None


def test_bytes_that_are_no_text_are_replaced():
    """A console line is shown whatever its bytes are, and half a surrogate pair breaks nothing."""
    assert json.loads(to_json(Console(1, b"a\xff")))["text"] == "a\ufffd"
    frame = '{"type": "console", "line": 1, "text": "\\ud800", "newline": true}'
    assert from_json(frame) == Console(1, b"?")


def test_a_gap_ends_with_its_last_message():
    """The first number and the count name the messages that it stands for."""
    assert Gap(1, 5, 7).last == 11
