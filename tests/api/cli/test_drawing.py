"""The command line's drawing: counts as bars, JSON that is cut, progress."""

import pytest

from api.cli.drawing import (
    MAX_ROWS,
    draw_bar,
    draw_counts,
    format_json,
    format_progress,
    is_counts,
    printable,
    split_counts,
)


@pytest.mark.parametrize("value", [{"00": 1}, {"0 11": 0, "1 00": 7}, {"0x1f": 3}])
def test_bit_strings_with_numbers_are_counts(value):
    """Bit strings, with spaces between registers, and hexadecimal outcomes are drawn."""
    assert is_counts(value)


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, {"00": -1}, {"00": 1.5}, {"00": True}, {"0  1": 1}, [1], "00", None]
)
def test_other_values_are_not_counts(value):
    """A value that only resembles counts is shown as JSON."""
    assert not is_counts(value)


def test_counts_within_a_message_are_found():
    """Counts under "counts" are drawn, and the rest of the message is kept."""
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
    """The bar is of '#' in an encoding without blocks."""
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


def test_control_characters_are_shown_not_obeyed():
    """A job's data can't move the cursor or change the terminal's title."""
    assert printable("a\x1b]0;x\x07\n") == "a\\x1b]0;x\\x07\\n"
    assert "\x9b" not in format_json("\x9b31m", 80)
