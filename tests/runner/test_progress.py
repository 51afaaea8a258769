"""A program's reports of progress: their rate, their order and their cost."""

import pytest

from qiskit_runtime.contract.wire.events import Console, MalformedLine, Message, ProgressEvent
from qiskit_runtime.contract.wire.progress import Progress
from qiskit_runtime.contract.wire.record_form import LINE_OVERHEAD, MARK, PROGRESS_BUDGET
from qiskit_runtime.contract.wire.verdict import Outcome


def reports_of(events):
    """Return the reports in their order."""
    return [event.progress for event in events if isinstance(event, ProgressEvent)]


def shown(events):
    """Console lines, messages and reports as they came, in short."""
    words = []
    for event in events:
        if isinstance(event, Console):
            words.append(event.data.decode())
        elif isinstance(event, Message):
            words.append(event.text)
        elif isinstance(event, ProgressEvent):
            words.append(f"{event.progress.done:g}/{event.progress.total:g}")
    return words


def test_reports_are_written_about_once_a_second_and_the_last_always(run_program):
    """A hundred a second become one a second, and the last is there though it is not the total."""
    events, verdict, _ = run_program(
        """
        import time
        def main(b, m):
            for step in range(250):
                m.report_progress(step, 1000, 250 - step)
                time.sleep(0.01)
        """
    )
    reports = reports_of(events)
    assert 3 <= len(reports) <= 2 + verdict.seconds
    assert reports[-1] == Progress(249, 1000, 1)
    assert [report.done for report in reports] == sorted(report.done for report in reports)


def test_newest_report_is_written_also_where_the_program_goes_silent(run_program):
    """The second of two quick reports before a long step is written while the step lasts."""
    events, _, _ = run_program(
        """
        import time
        def main(b, m):
            m.report_progress(1, 9)
            time.sleep(0.2)
            m.report_progress(2, 9)
            m.report_progress(3, 9)
            time.sleep(1.5)
            print("end")
        """
    )
    assert shown(events) == ["1/9", "3/9", "end"]


def test_report_keeps_its_order_with_what_came_before_it(run_program):
    """A report stands between the text printed before it and the message published after it."""
    events, _, _ = run_program(
        """
        def main(b, m):
            print("before")
            m.report_progress(1, 2)
            m.publish("after")
        """
    )
    assert shown(events) == ["before", "1/2", '"after"']


def test_report_that_ends_half_a_line_leaves_it_whole(run_program, console):
    """Printed text comes back byte for byte, also around a report."""
    events, _, _ = run_program(
        """
        import time
        def main(b, m):
            print("half", end="")
            m.report_progress(1, 2)
            time.sleep(0.3)
            print(" and half")
        """
    )
    assert console(events) == b"half and half\n" and reports_of(events) == [Progress(1, 2)]


def test_million_reports_cost_little(start_run, write_program):
    """A report in the innermost loop is cheap, and the record stays in its budget."""
    run = start_run()
    run.start_job(
        write_program(
            """
            import time
            def main(b, m):
                begin = time.process_time()
                for step in range(1_000_000):
                    m.report_progress(step, step, -step)
                print(time.process_time() - begin)
            """
        )
    )
    events, verdict, _ = run.finish()
    (seconds,) = (float(event.data) for event in events if isinstance(event, Console))
    reports = [line for line in run.record.split(b"\n") if line.startswith(MARK + b"p")]
    assert seconds < 30
    assert len(reports) <= 2 + verdict.seconds
    assert sum(len(line) + 1 + LINE_OVERHEAD for line in reports) < PROGRESS_BUDGET
    assert reports_of(events)[-1] == Progress(999_999, 999_999, -999_999)


def test_bad_numbers_raise_in_the_program_and_harm_nothing(run_program, console):
    """Each is a ValueError where it is reported; the job goes on, and no report is written."""
    calls = ["-1, 2", "3, 2", "nan, 2", "1, nan", "1, inf", "None, 2", "1, []", "'x', 2"]
    calls += ["1, 10**400", "2**60, 2**61", "1, 2, 'x'", "1, 2, []", "1, 2, 10**400", "1j, 2"]
    events, verdict, _ = run_program(
        f"""
        from math import inf, nan
        def main(b, m):
            for arguments in ({"".join(f"({call})," for call in calls)}):
                try:
                    m.report_progress(*arguments)
                except ValueError as error:
                    print(error)
                else:
                    print("taken", arguments)
        """
    )
    lines = console(events).decode().splitlines()
    assert len(lines) == len(calls)
    assert [line for line in lines if "taken" in line] == []
    assert all(name in line for name, line in zip(["done", "more than all"], lines, strict=False))
    assert reports_of(events) == [] and verdict.outcome is Outcome.SUCCEEDED


REPORTS = {
    "best not a number": ("1, 2, float('nan')", Progress(1, 2)),
    "numpy": ("np.int64(1), np.float32(2), np.float64(-0.5)", Progress(1, 2, -0.5)),
    "numpy's scalars of arrays": ("np.array(1), np.arange(3)[2], np.array(3.0)", Progress(1, 2, 3)),
}


def test_numbers_of_any_kind_are_reported(start_run, write_program):
    """NumPy's numbers count, and a best value that diverged is none; steps stay whole numbers."""
    source = "import numpy as np\nimport time\ndef main(b, m):\n"
    for call, _ in REPORTS.values():
        source += f"    m.report_progress({call})\n    m.publish(0)\n    time.sleep(1.05)\n"
    run = start_run()
    run.start_job(write_program(source))
    events, _, _ = run.finish()
    assert reports_of(events) == [expected for _, expected in REPORTS.values()]
    assert b'p {"done":1,"total":2}\n' in run.record


def test_forged_reports_are_text_or_nothing(run_program, console):
    """A printed frame is console text; rubbish in the channel is passed over."""
    events, verdict, _ = run_program(
        r"""
        import os, sys
        from runner.channel import Kind, pack
        def main(b, m):
            print('\x1ep {"done":1,"total":1}', flush=True)
            for rubbish in (b"", b"[]", b'{"done":2,"total":1}', b"\xff", b'{"done":"x"}'):
                os.write(int(sys.argv[1]), pack(Kind.PROGRESS, rubbish))
            m.report_progress(3, 9)
            m.publish(0)
            m.report_progress(4, 9)
            m.publish(0)
            os.write(int(sys.argv[1]), pack(Kind.PROGRESS, b"rubbish"))
        """
    )
    assert console(events) == b'\x1ep {"done":1,"total":1}\n'
    assert reports_of(events) == [Progress(3, 9), Progress(4, 9)]
    assert verdict.outcome is Outcome.SUCCEEDED


def test_report_of_a_fork_is_ignored(run_program):
    """Processes that a program forks report nothing, whether they exit or return."""
    events, verdict, _ = run_program(
        """
        import os
        def main(b, m):
            m.report_progress(1, 9)
            for leave in (True, False):
                child = os.fork()
                if child == 0:
                    m.report_progress(7, 9)
                    if leave:
                        os._exit(0)
                    return
                os.waitpid(child, 0)
            m.publish(0)
            m.report_progress(2, 9)
        """
    )
    assert reports_of(events) == [Progress(1, 9), Progress(2, 9)]
    assert verdict.outcome is Outcome.SUCCEEDED


def test_report_after_the_final_result_is_fine(run_program):
    """Progress is no message: it may follow the result, and the result stays the only one."""
    events, verdict, _ = run_program(
        """
        def main(b, m):
            m.publish("result", final=True)
            m.report_progress(2, 2)
        """
    )
    assert shown(events) == ['"result"', "2/2"]
    assert (verdict.messages, verdict.final, verdict.outcome) == (1, True, Outcome.SUCCEEDED)


@pytest.mark.parametrize("end", ["1 / 0", "import sys; sys.exit(3)"])
def test_last_report_of_a_failed_program_is_written(end, run_program):
    """A job that failed a moment after its last report still shows it."""
    events, verdict, _ = run_program(f"def main(b, m):\n    m.report_progress(5, 9)\n    {end}\n")
    assert reports_of(events) == [Progress(5, 9)] and verdict.outcome is Outcome.FAILED


def test_reports_from_threads_and_signals_leave_large_messages_whole(run_program):
    """Reports while another thread publishes megabytes break and block nothing."""
    events, verdict, _ = run_program(
        """
        import os, signal, threading
        def main(b, m):
            stop = threading.Event()
            def report():
                while not stop.is_set():
                    m.report_progress(1, 2)
            thread = threading.Thread(target=report)
            thread.start()
            signal.signal(signal.SIGALRM, lambda *_: m.report_progress(1, 2))
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for _ in range(8):
                m.publish("x" * 3_000_000)
            signal.setitimer(signal.ITIMER_REAL, 0)
            stop.set()
            thread.join()
            m.publish("end", final=True)
        """
    )
    assert [len(e.text) for e in events if isinstance(e, Message)] == [3_000_002] * 8 + [5]
    assert not [event for event in events if isinstance(event, MalformedLine)]
    assert verdict.outcome is Outcome.SUCCEEDED and reports_of(events)[-1] == Progress(1, 2)
