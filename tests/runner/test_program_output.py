"""A program's console and messages: their order, their bounds, their delay, and their packets."""

import os
import socket
import threading
import time

import pytest

from qiskit_runtime.contract.wire.events import ConsoleTruncated, Gap, Message
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_form import MAX_MESSAGE_BYTES, RECORD_BUDGET
from qiskit_runtime.contract.wire.verdict import Outcome
from runner.channel import ChannelBroken, Kind, SupervisorEnd, pack
from runner.message_writer import ResultTooLarge
from runner.program_output import ProgramOutput
from tests.runner.births import BOTH_BIRTHS


def cost(record):
    """A record's bytes with what a container log adds."""
    return len(record) + 64 * record.count(b"\n")


@BOTH_BIRTHS
def test_print_and_publish_10000_times_keep_their_order(run_program, order):
    """Whatever is printed before a message stands before it in the record."""
    events, verdict, _ = run_program(
        """
        def main(b, m):
            for i in range(10_000):
                print("p", i)
                m.publish(i)
        """
    )
    assert order(events[:-1]) == [text for i in range(10_000) for text in (f"p {i}", str(i))]
    assert [e.number for e in events if isinstance(e, Message)] == list(range(1, 10_001))
    assert verdict.messages == 10_000 and verdict.dropped_console_bytes == 0


@BOTH_BIRTHS
def test_stdout_and_stderr_keep_their_order(run_program, console):
    """Both streams are one, in the order of the writes."""
    events, _, _ = run_program(
        """
        import sys
        def main(b, m):
            for i in range(200):
                print("out", i)
                print("err", i, file=sys.stderr)
        """
    )
    assert console(events) == b"".join(b"out %d\nerr %d\n" % (i, i) for i in range(200))


@BOTH_BIRTHS
def test_partial_line_before_a_publish_stands_before_it(run_program, order):
    """A print without a newline comes before the message, also where stdout is redirected."""
    events, _, _ = run_program(
        """
        import contextlib, io
        def main(b, m):
            print("half", end="")
            with contextlib.redirect_stdout(io.StringIO()):
                m.publish(1)
            print(" line")
        """
    )
    assert order(events[:-1]) == ["half", "1", " line"]
    assert [getattr(e, "newline", None) for e in events[:-1]] == [False, None, True]


@BOTH_BIRTHS
def test_print_is_streamed_while_the_program_runs(start_run, write_program):
    """Printed text, newline or not, and a message arrive within a second."""
    run = start_run()
    run.start_job(
        write_program(
            """
            import time
            def main(b, m):
                m.publish("early")
                print("progress", end="")
                time.sleep(30)
            """
        )
    )
    while not run.events:
        assert run.read_some()
    seen = time.monotonic()
    run.read_until("progress")
    assert time.monotonic() - seen < 1
    assert run.events[0].text == '"early"' and run.process.poll() is None


@BOTH_BIRTHS
def test_python_s_own_streams_are_the_console(run_program, order):
    """Prints to ``sys.__stdout__`` and ``sys.__stderr__`` are kept, in order."""
    events, _, _ = run_program(
        """
        import sys
        def main(b, m):
            print("one", file=sys.__stdout__)
            print("two", file=sys.__stderr__)
            print("three")
            m.publish(4)
            print("five", file=sys.__stdout__, end="")
        """
    )
    assert order(events[:-1]) == ["one", "two", "three", "4", "five"]


RESTORES = "sys.stdout = io.StringIO(); print('hidden'); sys.stdout = sys.__stdout__"
"""The common way to be silent for a while."""

WRAPPERS = [
    RESTORES,
    "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
    "sys.stdout = open(1, 'w', closefd=False)",
    "sys.stderr = os.fdopen(sys.stderr.fileno(), 'w', closefd=False); sys.stdout = sys.stderr",
]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@BOTH_BIRTHS
def test_stream_in_the_console_s_place_keeps_the_order(wrapper, run_program, order):
    """Text of a stream that leads to the console is before the message, and the traceback after."""
    events, verdict, _ = run_program(
        f"""
        import io, os, sys
        def main(b, m):
            print("one")
            {wrapper}
            print("two")
            m.publish(3)
            print("four")
            raise ValueError("five")
        """
    )
    shown = order(events[:-1])
    assert shown[:4] == ["one", "two", "3", "four"] and shown[-1] == "ValueError: five"
    assert verdict.outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "wrapper", [*WRAPPERS, "sys.stdout = codecs.getwriter('utf-8')(sys.stdout.buffer)"]
)
@BOTH_BIRTHS
def test_stream_in_the_console_s_place_is_streamed(wrapper, start_run, write_program):
    """Prints into it arrive while the program runs."""
    run = start_run()
    run.start_job(
        write_program(
            f"""
            import codecs, io, os, sys, time
            def main(b, m):
                {wrapper}
                print("progress")
                time.sleep(30)
            """
        )
    )
    run.read_until("progress")
    assert run.process.poll() is None


@BOTH_BIRTHS
def test_stream_to_elsewhere_is_left_alone(run_program, tmp_path, console):
    """A program's own file, object or nothing in the console's place is no concern of ours."""
    events, verdict, _ = run_program(
        f"""
        import sys, time
        class Odd:
            def write(self, text): pass
            def fileno(self): raise SystemExit(3)
            flush = fileno
        def main(b, m):
            print("shown")
            kept = sys.stdout
            for other in (open({str(tmp_path / "log")!r}, "w"), Odd(), None):
                sys.stdout = other
                print("elsewhere")
                time.sleep(0.2)
                m.publish(1)
            del sys.stdout
            m.publish(1)
            sys.stdout = kept
            print("again")
        """
    )
    assert console(events) == b"shown\nagain\n" and verdict.messages == 4
    assert (tmp_path / "log").read_text() == "elsewhere\n"


def test_flood_of_100_mb_is_cut_and_the_result_kept(start_run, write_program, console):
    """A console flood is cut with its marker; the count is exact and the result has its room."""
    run = start_run()
    run.start_job(
        write_program(
            """
            def main(b, m):
                for _ in range(1000):
                    print("y" * 99_999)
                return "done"
            """
        )
    )
    events, verdict, _ = run.finish()
    assert sum(isinstance(e, ConsoleTruncated) for e in events) == 1
    assert verdict.dropped_console_bytes == 100_000_000 - len(console(events))
    assert verdict.final and verdict.outcome is Outcome.SUCCEEDED
    assert cost(run.record) < RECORD_BUDGET


def test_line_of_50_mb_is_cut_and_a_traceback_follows(start_run, write_program, console):
    """After one endless line there is still room for the traceback."""
    run = start_run()
    run.start_job(
        write_program("def main(b, m):\n    print('z' * 50_000_000)\n    raise ValueError('end')\n")
    )
    events, verdict, _ = run.finish()
    assert console(events).endswith(b"\nValueError: end\n")
    assert cost(run.record) < RECORD_BUDGET and verdict.outcome is Outcome.FAILED
    assert any(isinstance(e, ConsoleTruncated) for e in events)


def test_everything_at_once_stays_within_the_record_budget(start_run, write_program):
    """Alternating floods, a maximal result and a huge traceback fit into the record together."""
    run = start_run()
    run.start_job(
        write_program(
            r"""
            import os
            def main(b, m):
                for i in range(300):
                    print("\n" * 200, "\x1e\r\n" * 200)
                    m.publish(os.urandom(10_000).hex())
                for size in range(2_980_000, 1_000_000, -50_000):
                    try:
                        m.publish(os.urandom(size).hex(), final=True)
                        break
                    except ValueError:
                        pass
                raise ValueError("a\r\n\x1e" * 100_000)
            """
        )
    )
    events, verdict, _ = run.finish()
    assert verdict.final and verdict.outcome is Outcome.FAILED
    assert any(isinstance(e, ConsoleTruncated) for e in events) and any(
        isinstance(e, Gap) for e in events
    )
    assert 8_000_000 < cost(run.record) <= RECORD_BUDGET


@BOTH_BIRTHS
def test_program_that_closes_its_output_lives_on(run_program):
    """A program may close its stdout, by object and by number, and still publish."""
    events, verdict, _ = run_program(
        """
        import os, sys, time
        def main(b, m):
            sys.stdout.close()
            os.close(1)
            os.close(2)
            time.sleep(0.3)
            m.publish("there", final=True)
        """
    )
    assert [e.text for e in events if isinstance(e, Message)] == ['"there"']
    assert verdict.outcome is Outcome.SUCCEEDED and verdict.seconds < 5


def test_odd_bytes_on_the_console_come_back_exactly(run_program, console):
    """NUL, lone CR, marks and bytes that are no UTF-8 are kept as printed."""
    data = b"\x00a\r\nb\rc\n\x1el\x1e\n\xff\xfe\n\x1ev {}\n\r\n\r"
    events, verdict, _ = run_program(f"import os\ndef main(b, m):\n    os.write(1, {data!r})\n")
    assert console(events) == data
    assert verdict.outcome is Outcome.SUCCEEDED


class Supervisor:
    """The supervisor's end; ``packets`` is what has arrived, "flush" where the console was."""

    def __init__(self):
        self.ours, self.program = socket.socketpair()
        self.end = SupervisorEnd(self.ours.fileno())
        self.packets = []
        self.output = ProgramOutput(self.program, lambda: self.receive("flush"))

    def receive(self, *more):
        """Note the packets that have arrived by now."""
        self.packets += [*self.end.receive(), *more]

    def publish(self, text, final=False, answer=Kind.ACCEPTED, payload=b""):
        """Publish a message whose answer is there already."""
        self.end.answer(pack(answer, payload))
        self.output.publish(text, final)
        self.receive()


@pytest.fixture
def supervisor():
    made = Supervisor()
    yield made
    made.ours.close()
    made.program.close()


def test_message_follows_the_console_and_the_newest_report(supervisor):
    """Printed text is flushed, then the report is sent, then the message."""
    supervisor.output.report(Progress(1, 9))
    supervisor.output.report(Progress(2, 9))
    supervisor.publish('"é"')
    assert supervisor.packets == [
        "flush",
        "flush",
        (Kind.PROGRESS, b'{"done":2,"total":9}'),
        (Kind.INTERIM, '"é"'.encode()),
    ]


def test_report_is_sent_once(supervisor):
    """A report that was sent is not sent again."""
    supervisor.output.report(Progress(1, 9))
    supervisor.output.send_progress()
    supervisor.output.send_progress()
    supervisor.receive()
    assert supervisor.packets == ["flush", (Kind.PROGRESS, b'{"done":1,"total":9}')]


def test_fork_sends_no_report(supervisor, monkeypatch):
    """A process that the program forked leaves the channel alone."""
    supervisor.output.report(Progress(1, 9))
    monkeypatch.setattr(os, "getpid", lambda: 1)
    supervisor.output.send_progress()
    supervisor.receive()
    assert supervisor.packets == []


def test_report_to_a_supervisor_that_ended_is_dropped(supervisor):
    """A report fails in silence, where a message is an error."""
    supervisor.ours.close()
    supervisor.output.flush = lambda: None
    supervisor.output.report(Progress(1, 9))
    supervisor.output.send_progress()
    with pytest.raises((ChannelBroken, OSError)):
        supervisor.output.publish("1", final=False)


def test_refused_result_is_an_error_in_the_supervisors_words(supervisor):
    """The program gets the text of the refusal."""
    with pytest.raises(ResultTooLarge, match="^5 MiB; 4 are kept$"):
        supervisor.publish("1", final=True, answer=Kind.REFUSED, payload=b"5 MiB; 4 are kept")


def test_message_over_the_packets_limit_is_left_out(supervisor):
    """An interim message is replaced by its count, a final result is an error with the limit."""
    text = "x" * (MAX_MESSAGE_BYTES + 1)
    supervisor.publish(text)
    assert supervisor.packets == ["flush", (Kind.OVERSIZE, b"")]
    with pytest.raises(ResultTooLarge, match=str(MAX_MESSAGE_BYTES)):
        supervisor.output.publish(text, final=True)


def test_large_packets_of_several_threads_are_whole(supervisor):
    """Nothing comes between the pieces of one packet."""
    texts = [bytes([65 + n]) * 1_000_000 for n in range(4)]
    threads = [
        threading.Thread(target=supervisor.output.send, args=(Kind.INTERIM, t)) for t in texts
    ]
    for thread in threads:
        thread.start()
    while len(supervisor.packets) < len(texts):
        supervisor.receive()
    for thread in threads:
        thread.join()
    assert sorted(text for _, text in supervisor.packets) == texts
