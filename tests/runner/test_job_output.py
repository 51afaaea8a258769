"""The job's output on real pipes: its order, its rates, and what is refused of it."""

import os

import pytest

from qiskit_runtime.contract.wire.events import Console, EndEvent, Message, ProgressEvent
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record import RecordParser
from qiskit_runtime.contract.wire.record_form import RESULT_BUDGET
from qiskit_runtime.contract.wire.verdict import Outcome, Verdict
from runner import job_output
from runner.channel import ChannelBroken, Kind, pack
from runner.job_output import BATCH_SECONDS, PROGRESS_SECONDS, JobOutput, ProgressPace


class Pipe:
    """The pipe that a program prints into, with the job's output at its other end."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.record = b""
        self.output = JobOutput(self.reader, self.write)

    def write(self, data):
        self.record += data

    def print(self, data):
        os.write(self.writer, data)

    def events(self):
        """Return the record's events so far, without their line numbers."""
        shown = []
        for event in RecordParser().feed(self.record):
            match event:
                case Console(data=data):
                    shown.append(data)
                case Message(text=text):
                    shown.append(text)
                case ProgressEvent(progress=progress):
                    shown.append(progress)
                case EndEvent(verdict=verdict):
                    shown.append(verdict.outcome)
        return shown


@pytest.fixture
def pipe():
    made = Pipe()
    yield made
    os.close(made.reader)
    if made.writer is not None:
        os.close(made.writer)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(job_output, "time", made)
    return made


def test_printed_text_is_before_the_message_that_follows_it(pipe):
    """A message waits until the pipe is drained, and is accepted when it has its place."""
    pipe.print(b"before\n")
    assert pipe.output.write_message(Kind.INTERIM, b"1") == pack(Kind.ACCEPTED)
    pipe.print(b"after\n")
    pipe.output.read_rest()
    assert pipe.output.finish(Verdict(Outcome.SUCCEEDED)).messages == 1
    assert pipe.events() == [b"before", "1", b"after", Outcome.SUCCEEDED]


def test_pipe_without_bytes_is_not_at_its_end(pipe):
    """An empty pipe is open while the program may print, and at its end when that is closed."""
    assert pipe.output.read_console()
    pipe.print(b"half")
    assert pipe.output.read_console() and pipe.output.due_at is None
    os.close(pipe.writer)
    pipe.writer = None
    assert not pipe.output.read_console()
    assert pipe.events() == [b"half"]


def test_messages_in_quick_succession_share_a_frame(pipe, clock):
    """The first message is written at once, those within the next moment together after it."""
    pipe.output.write_message(Kind.INTERIM, b"1")
    assert pipe.events() == ["1"] and pipe.output.due_at is None
    for text in (b"2", b"3"):
        clock.now += BATCH_SECONDS / 4
        pipe.output.write_message(Kind.INTERIM, text)
    assert pipe.events() == ["1"] and pipe.output.due_at == 1000 + BATCH_SECONDS
    pipe.output.keep_time(clock.now)
    assert pipe.events() == ["1"]
    pipe.output.keep_time(1000 + BATCH_SECONDS)
    assert pipe.events() == ["1", "2", "3"] and pipe.output.due_at is None
    assert pipe.record.count(b"\n") == 2


def test_message_over_its_size_is_dropped_and_accepted(pipe):
    """A message that its process left out is counted, and the program goes on."""
    assert pipe.output.write_message(Kind.OVERSIZE, b"") == pack(Kind.ACCEPTED)
    verdict = pipe.output.finish(Verdict(Outcome.SUCCEEDED))
    assert (verdict.messages, verdict.dropped_messages) == (1, 1)


def test_result_over_its_budget_is_refused_with_the_numbers(pipe):
    """The program gets the sizes, and may publish a smaller result, after which nothing follows."""
    answer = pipe.output.write_message(Kind.FINAL, os.urandom(RESULT_BUDGET).hex().encode())
    assert answer[:1] == Kind.REFUSED.value and str(RESULT_BUDGET).encode() in answer
    assert pipe.output.write_message(Kind.FINAL, b"1") == pack(Kind.ACCEPTED)
    with pytest.raises(ChannelBroken, match="after the final result"):
        pipe.output.write_message(Kind.INTERIM, b"2")


@pytest.mark.parametrize("kind", [Kind.INTERIM, Kind.FINAL])
def test_message_that_is_not_utf_8_breaks_the_channel(kind, pipe):
    """A record holds text alone."""
    with pytest.raises(ChannelBroken, match="not UTF-8"):
        pipe.output.write_message(kind, b"\xff")
    assert pipe.record == b""


def test_traceback_follows_what_was_printed(pipe):
    """A traceback begins on a line of its own, whatever its bytes are."""
    pipe.print(b"half")
    pipe.output.write_traceback(b"Traceback:\nE: \xff\n")
    assert pipe.events() == [b"half", b"", b"Traceback:", "E: \ufffd".encode()]


def test_reports_are_written_at_their_pace(pipe, clock):
    """A report is written at once, the newest of those that follow a second later."""
    pipe.output.begin(clock.now)
    for done in (b"1", b"2", b"3"):
        pipe.output.write_progress(b'{"done":' + done + b',"total":9}')
    assert pipe.events() == [Progress(1, 9)]
    assert pipe.output.due_at == clock.now + PROGRESS_SECONDS
    pipe.print(b"printed\n")
    clock.now += PROGRESS_SECONDS
    pipe.output.keep_time(clock.now)
    assert pipe.events() == [Progress(1, 9), b"printed", Progress(3, 9)]
    pipe.output.write_progress(b'{"done":4,"total":9}')
    pipe.output.write_progress(b"rubbish")
    pipe.output.read_rest()
    assert pipe.events()[-1] == Progress(4, 9) and pipe.output.due_at is None


def test_pace_slows_with_the_jobs_time():
    """Between two reports is a second, or a hundredth of the job's time so far."""
    pace = ProgressPace()
    pace.started = 50.0
    assert pace.take(50.0) is None and pace.due_at is None
    pace.report(b'{"done":1,"total":9}')
    assert pace.take(50.0) == Progress(1, 9)
    pace.report(b'{"done":2,"total":9}')
    assert pace.due_at == 51.0 and pace.take(50.9) is None
    assert pace.take(1050.0) == Progress(2, 9)
    pace.report(b'{"done":3,"total":9}')
    assert pace.due_at == 1060.0
    assert pace.take(1059.0, at_end=True) == Progress(3, 9)
