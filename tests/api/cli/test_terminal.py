"""The command line's drawing: counts as bars, JSON that is cut, the status line, escape codes."""

import io

import pytest

from api.cli.terminal import (
    MAX_ROWS,
    Screen,
    draw_bar,
    draw_counts,
    format_json,
    format_progress,
    format_table,
    is_counts,
    printable,
    split_counts,
)


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


@pytest.mark.parametrize("value", [{"00": 1}, {"0 11": 0, "1 00": 7}, {"0x1f": 3}])
def test_bit_strings_with_numbers_are_counts(value):
    """Bit strings, with spaces between registers, and hexadecimal outcomes are drawn."""
    assert is_counts(value)


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, {"00": -1}, {"00": 1.5}, {"00": True}, {"0  1": 1}, [1], "00", None]
)
def test_other_values_are_not_counts(value):
    """What only resembles counts is shown as JSON."""
    assert not is_counts(value)


def test_counts_within_a_message_are_found():
    """Counts under "counts" are drawn, and what stands beside them is kept."""
    message = {"iteration": 0, "counts": {"01": 2}}
    assert split_counts(message) == ({"iteration": 0}, {"01": 2})
    assert split_counts({"iteration": 0}) == ({}, None)


def test_counts_are_drawn_by_key_with_percentages():
    """A row is label, bar, count and percent; rows are sorted by label."""
    lines = draw_counts({"11": 25, "00": 75}, 40)
    assert [line.split()[0] for line in lines] == ["00", "11"]
    assert lines[0].endswith("75   75.0 %")
    assert lines[0].count("█") > 2 * lines[1].count("█")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_rows_fit_the_terminal(width):
    """No row is wider than the terminal, and all are equally wide."""
    lines = draw_counts({"0" * 30: 1, "1" * 30: 10**6}, max(width, 40))
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= max(width, 40)


def test_many_outcomes_end_in_a_number_of_more():
    """Beyond the sixteenth row a line says how many are left out."""
    lines = draw_counts({f"{i:05b}": i for i in range(32)}, 80)
    assert len(lines) == MAX_ROWS + 1
    assert lines[-1].strip() == "... and 16 more"


def test_counts_of_nothing_are_drawn():
    """Counts that are all zero have empty bars, and no division by zero."""
    assert draw_counts({"0": 0}, 80)[0].endswith("0    0.0 %")


def test_a_bar_is_exact_to_an_eighth():
    """The last block is an eighth block; what was seen at all shows."""
    assert draw_bar(1, 2, 1) == "▌"
    assert draw_bar(3, 4, 2) == "█▌"
    assert draw_bar(1, 10**9, 4) == "▏   "
    assert draw_bar(0, 5, 2) == "  "


def test_a_bar_without_blocks_is_of_hashes():
    """Where the encoding has no blocks the bar is '#'."""
    assert draw_bar(1, 2, 4, blocks=False) == "##  "


def test_short_json_is_whole():
    """A small message is one line of JSON."""
    assert format_json({"a": [1, 2]}, 80) == '{"a": [1, 2]}'


def test_long_json_is_cut_with_a_note():
    """A large message is cut to a few lines, and says how large it is."""
    text = format_json("x" * 10_000, 80)
    assert len(text) == 4 * 80
    assert text.endswith("(cut: 10002 characters)")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"done": 3, "total": 12}, "3/12 (25 %)"),
        ({"iteration": 7, "counts": {"0": 1}}, "iteration 7"),
        ({"done": 1, "total": 0}, ""),
        ({"value": 1}, ""),
        ("text", ""),
    ],
)
def test_progress_is_read_from_messages(value, text):
    """done/total and iteration are progress; other messages say nothing of it."""
    assert format_progress(value) == text


def test_a_table_is_aligned_and_cut():
    """Columns begin below each other; the last is cut at the edge."""
    lines = format_table(("A", "B"), [("long cell", "x" * 50), ("c", "y")], 30)
    assert lines[0] == "A          B"
    assert lines[1] == "long cell  " + "x" * 16 + "..."


def test_control_characters_are_shown_not_obeyed():
    """A job's data can't move the cursor or change the terminal's title."""
    assert printable("a\x1b]0;x\x07\n") == "a\\x1b]0;x\\x07\\n"
    assert "\x9b" not in format_json("\x9b31m", 80)


def test_a_file_gets_no_escape_codes():
    """Where stdout and stderr are files, no escape code and no status line is written."""
    out, err = io.StringIO(), io.StringIO()
    screen = Screen(out, err, {})
    screen.status("| Queued")
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
    """Before other output the status line is overwritten with blanks."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, {"NO_COLOR": "1"})
    screen.status("| Queued 10 s")
    screen.status("/ Running")
    screen.print("text")
    assert err.getvalue().endswith("\r" + " " * len("/ Running") + "\r")
    assert "\x1b" not in err.getvalue()


def test_half_a_line_is_not_overwritten():
    """The status line waits for the program's line to end; a message begins on a new one."""
    out, err = Terminal(), Terminal()
    screen = Screen(out, err, {})
    screen.write("half", newline=False)
    screen.status("| Running")
    screen.print("next")
    assert err.getvalue() == ""
    assert out.getvalue() == "half\nnext\n"


def test_an_encoding_without_blocks_is_noticed():
    """An ASCII stdout gets '#' instead of blocks."""
    assert not Screen(Ascii(), Ascii(), {}).has_blocks
    assert Screen(Terminal(), Ascii(), {}).has_blocks
