"""The command line's screen: styles, tables, the status line, and plain text in files."""

import io
import re

import pytest

from api.cli.screen import Screen
from qiskit_runtime.contract.wire.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


class Ascii(io.StringIO):
    """A file of an encoding without blocks."""

    encoding = "ascii"


@pytest.fixture(autouse=True)
def _fixed_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_a_file_gets_no_escape_codes():
    """No escape code and no status line is written to files."""
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err, {})
    screen.status("Queued")
    screen.print("Result", "bold")
    screen.note("done")
    assert (out.getvalue(), err.getvalue()) == ("Result\n", "done\n")


def test_a_terminal_gets_styles_unless_no_color_is_set():
    """Styles are for terminals; NO_COLOR turns them off there too."""
    styled, plain = Terminal(), Terminal()
    Screen(styled, Terminal(), {}).print("Result", "bold")
    Screen(plain, Terminal(), {"NO_COLOR": "1"}).print("Result", "bold")
    assert styled.getvalue() == "\x1b[1mResult\x1b[0m\n"
    assert plain.getvalue() == "Result\n"


def test_the_status_line_leaves_no_trace():
    """Before other output the status line is erased; NO_COLOR keeps colours out of it."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, {"NO_COLOR": "1"})
    screen.status("Queued 10 s")
    screen.status("Running")
    screen.print("text")
    assert "Queued 10 s" in err.getvalue() and "Running" in err.getvalue()
    assert read_lines(err.getvalue()) == [""]
    assert not re.search(r"\x1b\[[\d;]*m", err.getvalue())


def read_lines(written):
    """The lines that a terminal shows after this: texts, line feeds, and rich's cursor codes."""
    lines, row = [""], 0
    for code, text in re.findall(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", written):
        if code == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif code == "\x1b[1A":
            row -= 1
        elif code == "\x1b[2K":
            lines[row] = ""
        lines[row] += text
    while len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def test_progress_is_a_bar():
    """The status line has a bar of the share that is done, next to its numbers."""
    err = Terminal()
    screen = Screen(Terminal(), err, {"NO_COLOR": "1"})
    screen.status("5/10 (50 %)", Progress(5, 10))
    (line,) = read_lines(err.getvalue())
    assert re.fullmatch(r"[-|/\\\\] ━{15}\S? *5/10 \(50 %\) *", line), line


def test_a_table_is_aligned_and_cut():
    """Columns begin below each other; on a terminal the last is cut at the edge, in a file not."""
    terminal, file = Terminal(), io.StringIO()
    rows = [("long cell", "x" * 100), ("c\x1b", "y")]
    for out in (terminal, file):
        Screen(out, Terminal(), {"NO_COLOR": "1", "COLUMNS": "30"}).print_table(("A", "B"), rows)
    assert file.getvalue().splitlines() == [
        "A          B",
        "long cell  " + "x" * 100,
        "c\\x1b      y",
    ]
    assert terminal.getvalue().splitlines() == [
        "A          B",
        "long cell  " + "x" * 18 + "…",
        "c\\x1b      y",
    ]


def test_half_a_line_is_not_overwritten():
    """The status line waits for the program's line to end; a message begins on a new one."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, {})
    screen.write("half", newline=False)
    screen.status("Running")
    screen.print("next")
    assert err.getvalue() == ""
    assert out.getvalue() == "half\nnext\n"


def test_an_encoding_without_blocks_is_noticed():
    """An ASCII stdout gets '#' instead of blocks."""
    assert not Screen(Ascii(), Ascii(), {}).has_blocks
    assert Screen(Terminal(), Ascii(), {}).has_blocks
