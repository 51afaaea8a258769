"""``qiskit-runtime top`` in a real pseudo-terminal, against servers of the tests' own."""

import re
import shutil
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest

from api.cli.top.board import Act, Board, Mode
from api.cli.top.feed import MAX_VALUES, PAGE, Follower, Snapshot, Trouble, take_snapshot
from api.cli.top.terminal import read_keys
from api.cli.top.view import describe_time, draw, draw_curve, wrap
from qiskit_runtime.client import Client, JobInfo
from tests.api.cli.terminals import Terminal
from tests.api.cli.test_cli import COMMAND, PROGRAMS, Served, call, make_environment

UP, DOWN, ESCAPE = "\x1b[A", "\x1b[B", "\x1b"
# A record keeps one report a second.
CURVE = [
    ["progress", [1, 8, -0.25]], ["sleep", 1.1],
    ["progress", [2, 8, -0.5]], ["sleep", 1.1],
    ["progress", [5, 8, -1.25]],
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server of the tests that do not stop it."""
    data = tmp_path_factory.mktemp("data")
    options = "--workers", 3, "--programs", PROGRAMS, "--data", data
    with Served(*options) as server:
        yield server


@pytest.fixture
def start(served, tmp_path):
    """Post a job of steps that waits for a gate at its end; returns the job, the gate is opened."""
    gate = tmp_path / "gate"
    with Client(served.url) as client:

        def start(*steps, **more):
            return client.run("steps", params={"steps": [*steps, ["wait", str(gate)]]}, **more)

        yield start
        gate.touch()
        for job in client.jobs(pending=True):
            client.job(job.id).wait(20)


def top(served, *arguments, columns=80, lines=24, **variables):
    """Open ``top`` in a terminal."""
    environment = make_environment(TERM="xterm-256color", PYTHONUTF8="1", **variables)
    # A variable for programs without a terminal: what the terminal says counts.
    del environment["COLUMNS"]
    command = [COMMAND, "top", "--url", served.url, "--interval", "0.2", *arguments]
    return Terminal(command, environment, columns, lines)


def row_of(text, job):
    """The line of a job in the table."""
    return next(
        (
            line
            for line in text.splitlines()[2:-3]
            if line[2:11] == f"{job.id[:8]} " or job.id in line[:40]
        ),
        "",
    )


def test_a_running_job_shows_its_progress_and_curve(served, start):
    """The row has phase, progress and best value; below is the curve of a job that began before."""
    job = start(*CURVE)
    with top(served) as terminal:
        terminal.shows(job.id, "5/8", "-1.25", "1 running", "best -0.25 to -1.25  █▆▁")
        row = row_of(terminal.text, job)
        assert re.match(rf"> {job.id[:8]} steps +\S+ +Running +\d+s +5/8 +-1\.25$", row), row
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.is_restored


def test_a_new_job_comes_and_an_ended_one_stays(served, start):
    """Without a key the board follows what happens; each of the two jobs has its own phase."""
    with top(served) as terminal:
        terminal.shows("ended")
        job = start()
        terminal.wait(lambda text: "Running" in row_of(text, job))
        with Client(served.url) as client:
            client.job(job.id).cancel()
        terminal.wait(lambda text: "Cancelled" in row_of(text, job))


def test_the_log_is_followed_scrolled_and_left(served, start):
    """Enter shows the log as it comes, its messages too; home and end scroll; q leads back."""
    printed = [["print", f"line {number}"] for number in range(40)]
    job = start(*printed, ["publish", {"energy": -1.5}])
    with top(served) as terminal:
        terminal.shows(job.id)
        terminal.press("\r")
        terminal.shows(f"Log of job {job.id}", "line 39", 'message {"energy": -1.5}')
        assert "line 0\n" not in terminal.text
        terminal.press("\x1b[H")
        terminal.shows("line 0\n")
        terminal.press("\x1b[F")
        terminal.shows("line 39")
        terminal.press("q")
        terminal.shows("DONE/TOTAL")


def test_nothing_that_a_program_prints_reaches_the_terminal(served, start):
    """Escape codes, a bell and an override of direction show as text; tags do too."""
    evil = "\x1b]0;owned\x07\x1b[2Jred \u202eabc"
    job = start(["print", evil], ["publish", evil], tags=["x"])
    with top(served) as terminal:
        terminal.shows(job.id)
        terminal.press("l")
        terminal.shows(r"\x1b]0;owned\x07\x1b[2Jred \u202eabc", "message ")
        assert b"\x1b]0;" not in terminal.written
        assert "\u202e".encode() not in terminal.written


def test_cancel_and_delete_ask_first(served, start):
    """A no leaves the job alone, a yes does it; what can't be is said in a sentence."""
    job = start()
    with top(served) as terminal:
        terminal.wait(lambda text: "Running" in row_of(text, job))
        terminal.press("d")
        terminal.shows("only an ended job can be deleted")
        terminal.press("c")
        terminal.shows(f"Cancel job {job.id}? y/n")
        terminal.press("n")
        terminal.wait(lambda text: "y/n" not in text)
        assert "Running" in row_of(terminal.text, job)
        terminal.press("cy")
        terminal.wait(lambda text: "Cancelled" in row_of(text, job))
        terminal.press("c")
        terminal.shows(f"job {job.id} has ended")
        terminal.press("d")
        terminal.shows(f"Delete job {job.id} and all its data? y/n")
        terminal.press("y")
        terminal.wait(lambda text: not row_of(text, job))
    with Client(served.url) as client:
        assert job.id not in [ended.id for ended in client.jobs()]


def test_a_filter_lets_words_through(served, start):
    """Each word is looked for in id, program, status and tags; esc shows all again."""
    red, blue = start(tags=["red"]), start(tags=["blue"])
    with top(served) as terminal:
        terminal.wait(lambda text: row_of(text, red) and row_of(text, blue))
        terminal.press("/RED steps")
        terminal.wait(lambda text: row_of(text, red) and not row_of(text, blue))
        terminal.press("\r")
        terminal.shows("/RED steps\n")
        terminal.press(ESCAPE)
        terminal.wait(lambda text: row_of(text, blue))
        terminal.press("/nosuch")
        terminal.shows("no job matches the filter")
        # These letters are no commands while a filter is written.
        terminal.press("qcd")
        terminal.shows("/nosuchqcd_")


def test_keys_select_a_job(served, start):
    """Down and up move the mark, and the details below are those of the marked job."""
    older, newer = start(), start()
    with top(served) as terminal:
        terminal.wait(lambda text: "Running" in row_of(text, newer) and row_of(text, older))
        selected = [line for line in terminal.lines if line.startswith("> ")]
        assert selected == [row_of(terminal.text, newer)] or older.id[:8] in selected[0]
        terminal.press("\x1b[H")
        terminal.wait(lambda text: row_of(text, newer).startswith("> ") and newer.id in text)
        terminal.press(DOWN)
        terminal.wait(lambda text: row_of(text, older).startswith("> ") and older.id in text)
        terminal.press(UP)
        terminal.wait(lambda text: row_of(text, newer).startswith("> "))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["TERM", "HUP"]
)
def test_a_signal_puts_the_terminal_back(number, code, served):
    """However it is ended, the shell gets its screen, cursor and echo back."""
    with top(served) as terminal:
        terminal.shows("q quit")
        terminal.send(number)
        assert terminal.end() == code
        assert terminal.is_restored


def test_ctrl_c_puts_the_terminal_back(served):
    """Ctrl-C ends it with 130, without a traceback."""
    with top(served) as terminal:
        terminal.shows("q quit")
        terminal.press("\x03")
        assert terminal.end() == 130
        assert terminal.is_restored
        assert b"Traceback" not in terminal.written


def test_ctrl_z_puts_the_terminal_back_until_it_is_continued(served):
    """A shell has the terminal as it was while it is stopped; with ``fg`` the board is back."""
    command = f"{COMMAND} top --url {served.url}; echo it was stopped; read line; fg"
    environment = make_environment(TERM="xterm-256color")
    with Terminal([shutil.which("bash"), "-mc", command], environment) as terminal:
        terminal.shows("q quit")
        terminal.press("\x1a")
        terminal.shows("it was stopped")
        assert terminal.is_restored
        terminal.screen.reset()
        terminal.press("\n")
        terminal.shows("q quit")
        terminal.press("q")
        assert terminal.end() == 0
        assert terminal.is_restored


@pytest.mark.parametrize(("columns", "lines"), [(140, 40), (40, 10), (20, 3)])
def test_it_fits_into_any_size(columns, lines, served, start):
    """After the window has changed, the board fills it and nothing is broken at its edge."""
    job = start(*CURVE)
    with top(served) as terminal:
        terminal.shows("q quit", "5/8")
        terminal.resize(columns, lines)
        terminal.wait(lambda text: text.splitlines()[-1].startswith("up/down"))
        terminal.wait(lambda text: text.splitlines()[0].startswith("1 running  0 queued"[:columns]))
        if columns == 140:
            terminal.shows(f"> {job.id} steps")
            terminal.wait(lambda text: "█▆▁" in row_of(text, job))


def test_a_terminal_without_colours_and_blocks_gets_neither(served, start):
    """NO_COLOR leaves no style at all, ASCII no character that it has not."""
    job = start(*CURVE)
    plain = {"NO_COLOR": "1", "PYTHONIOENCODING": "ascii"}
    with top(served, **plain) as terminal:
        terminal.shows(job.id, "> ", "best -0.25 to -1.25  #+_")
        assert not re.search(rb"\x1b\[[\d;]*m", terminal.written)
        terminal.written.decode("ascii")
        terminal.press("q")
        assert terminal.end() == 0


def test_without_a_terminal_one_table_is_printed(served, start):
    """A pipe gets the jobs once, with whole ids; a dumb terminal does too."""
    job = start(*CURVE)
    deadline = time.monotonic() + 20
    while "5/8" not in (ended := call("top", "--url", served.url)).stdout:
        assert time.monotonic() < deadline, ended
    header, *rows = ended.stdout.splitlines()
    assert header.split() == ["JOB", "PROGRAM", "BACKEND", "PHASE", "TIME", "DONE/TOTAL", "BEST"]
    assert [row.split()[0] for row in rows if "Running" in row] == [job.id]
    assert "\x1b" not in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_restarted_server_is_waited_for(tmp_path):
    """While no server answers a line says so; after it is back the board goes on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = "--port", port, "--data", tmp_path, "--programs", PROGRAMS
    with Served(*options) as first:
        with Client(first.url) as client:
            ended = client.run("steps", params={"steps": []})
            ended.wait(20)
        with top(first) as terminal:
            terminal.wait(lambda text: "Completed" in row_of(text, ended))
            first.stop()
            terminal.shows("! trying again: can't reach a server at")
            assert "Completed" in row_of(terminal.text, ended)
            with Served(*options) as second:
                terminal.shows("the server answers again")
                with Client(second.url) as client:
                    new = client.run("steps", params={"steps": CURVE})
                    terminal.wait(lambda text: "Completed" in row_of(text, new))
                    terminal.press("\x1b[H")
                    terminal.shows(new.id, "█▆▁")
            terminal.press("q")
            assert terminal.end() == 0


def test_a_token_is_presented(tmp_path):
    """With its token the jobs are shown, streams too; without, a sentence and exit code 2."""
    token = "a-token-of-the-tests"
    with Served("--token", token, "--data", tmp_path, "--programs", PROGRAMS) as server:
        refused = call("top", "--url", server.url, RUNTIME_TOKEN="wrong")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "RUNTIME_TOKEN or --token" in refused.stderr
        with Client(server.url, token) as client:
            job = client.run("steps", params={"steps": CURVE})
            job.wait(20)
        with top(server, RUNTIME_TOKEN=token) as terminal:
            terminal.shows(job.id, "Completed", "█▆▁")


def test_no_server_ends_with_4():
    """The command says that no server answers, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended = call("top", "--url", f"http://127.0.0.1:{port}")
    assert (ended.returncode, "can't reach a server" in ended.stderr) == (4, True)


@pytest.mark.parametrize(
    ("line", "parts"),
    [("", [""]), ("abcde", ["abc", "de"]), ("量子计算", ["量", "子", "计", "算"])],
)
def test_a_line_of_the_log_is_wrapped_whole(line, parts):
    """Wide characters take two columns, and none is lost at the edge."""
    assert wrap(line, 3) == parts


START = datetime(2026, 1, 1, tzinfo=UTC)


def make_job(number, status="Completed", **more):
    """A job as the server tells it, created in the order of the numbers."""
    times = {"created": str(START + timedelta(seconds=number)), "started": None, "finished": None}
    texts = {"program": "steps", "backend": "aer", "reason": "", "message": "", "tags": []}
    fields = {"id": f"job-{number:04}", "status": status, "progress": None, **times, **texts}
    return {**fields, **more}


class Listing:
    """A client whose server has these jobs; lists them as the server does, newest first."""

    def __init__(self, jobs):
        self.jobs = jobs[::-1]
        self.calls = self

    def get(self, _, *, pending, limit, offset):
        found = [job for job in self.jobs if (job["status"] in {"Queued", "Running"}) == pending]
        return {"jobs": found[offset : offset + limit], "total": len(found)}

    def perform(self, page):
        return page


def test_running_jobs_behind_a_long_queue_are_found():
    """The running jobs are older than hundreds of queued ones: they come first all the same."""
    jobs = [make_job(0), make_job(1, "Running"), make_job(2, "Running")]
    jobs += [make_job(number, "Queued") for number in range(3, 3 + 5 * PAGE)]
    found = take_snapshot(Listing(jobs))
    assert [job.id for job in found.jobs[:3]] == ["job-0002", "job-0001", "job-0003"]
    assert (found.running, found.queued, found.ended) == (2, 5 * PAGE, 1)
    assert len({job.id for job in found.jobs}) == len(found.jobs) == 2 * PAGE + 1


def make_board(*jobs, **more):
    """A board of these jobs."""
    infos = tuple(JobInfo.from_fields(job) for job in jobs)
    return Board(Snapshot(infos, 0, 0, len(jobs)), **more)


def test_the_selection_stays_on_its_job():
    """The mark stays on its job while others come and go; after a deleted one it is near."""
    board = make_board(make_job(3), make_job(2), make_job(1))
    board.press("down")
    board.take(make_board(make_job(4), make_job(3), make_job(2), make_job(1)).snapshot)
    assert board.selected == "job-0002"
    board.take(make_board(make_job(4), make_job(3), make_job(1)).snapshot)
    assert board.selected == "job-0001"
    board.take(make_board().snapshot)
    assert (board.selected, board.press("enter"), board.mode) == ("", None, Mode.TABLE)


def test_only_a_yes_confirms():
    """The question is answered by y; enter, which comes by accident, is a no."""
    board = make_board(make_job(1, "Running"))
    assert [board.press(key) for key in ("c", "enter")] == [None, None]
    assert [board.press(key) for key in ("c", "y")] == [None, Act.CANCEL]


def test_trouble_ends_with_the_next_list():
    """The line of a lost server goes when it answers, and a notice tells it."""
    board = make_board(make_job(1))
    board.take(Trouble("no route"))
    assert "! trying again: no route" in draw(board, lambda _: None, (80, 24), blocks=True)[1].plain
    board.take(board.snapshot)
    assert (board.trouble, board.notice) == ("", "the server answers again")


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (20, 5), (1, 1), (7, 2)])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_drawing_has_the_size_of_the_terminal(size, mode):
    """Each mode fills any size, with wide characters too, and no line is wider."""
    jobs = [make_job(number, program="量子" * 20, message="界" * 99) for number in range(99)]
    lines = draw(make_board(*jobs, mode=mode), lambda _: None, size, blocks=True)
    assert len(lines) == size[1]
    assert max(line.cell_len for line in lines) <= size[0]


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([], 9, ""),
        ([1.0], 9, "▁"),
        ([2, 2, 2], 9, "▁▁▁"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"),
        ([0, 9, 0, 9, 0, 7], 3, "██▁"),
        ([-1.7e308, 1.7e308], 9, "▁█"),
    ],
    ids=["none", "one", "flat", "levels", "more than columns", "large"],
)
def test_a_curve_has_its_values_as_levels(values, width, drawn):
    """The lowest value is the lowest level; of more values than columns, the last of each share."""
    assert draw_curve(values, width, blocks=True) == drawn


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b[A\x1bOB", ["up", "down"]),
        ("q\r\x7f/é", ["q", "enter", "backspace", "/", "é"]),
        ("\x1b", ["escape"]),
        ("\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["pageup", "pagedown", "home", "end"]),
        ("\x1b[15~\x1b[1;5C\x00", []),
    ],
)
def test_what_a_terminal_sends_is_read_as_keys(sent, keys):
    """Arrow keys in both forms, letters, and nothing for keys without a meaning."""
    assert read_keys(sent) == keys


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"),
     (90061, "1d01h"), (-5, "0s")],
)  # fmt: skip
def test_times_are_short(seconds, text):
    """Two units at most; a server whose clock is ahead gives no negative time."""
    job = JobInfo.from_fields(make_job(0, "Running", started=str(START)))
    assert describe_time(job, START + timedelta(seconds=seconds)) == text


def test_a_long_stream_costs_bounded_memory():
    """Every second of many values is kept, the newest always; and a long log's last lines."""

    class Closed:
        def follow(self, _):
            def none():
                yield from ()

            return none()

    follower = Follower(Closed(), "x")
    for value in range(10 * MAX_VALUES):
        follower._add(value)
    assert len(follower.values) <= MAX_VALUES
    assert (follower.values[0], follower.values[-1]) == (0, 10 * MAX_VALUES - 1)
    follower._write("".join(f"{number}\n" for number in range(9000)))
    assert (len(follower.lines), follower.lines[-1]) == (4999, "8999")
    follower._write("10 %\r20 %\r")
    follower._write("\n")
    assert follower.lines[-1] == "20 %"
