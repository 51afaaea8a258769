"""What the command line shows: a screen for text and a status line, counts drawn as bars, tables.

``job_view`` and ``cli`` use it. Without a terminal, or with NO_COLOR, no escape code is written.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

MAX_ROWS = 16
"""Bars of one drawing."""

MAX_BAR = 60
"""Columns of the longest bar, however wide the terminal is."""

MAX_JSON_LINES = 4
"""Screen lines of one message that is not drawn."""

_ROW_EXTRA = len("        100.0 %")
"""What a row has beside its label, bar and count."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BIT_STRING = re.compile(r"[01]+( [01]+)*|0x[0-9a-fA-F]+")
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34"}


class Screen:
    """Stdout for what a command is asked for, stderr for notes and one line of status."""

    def __init__(
        self, out: TextIO, err: TextIO, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._out, self._err = out, err
        plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        self._styled = {out: out.isatty() and not plain, err: err.isatty() and not plain}
        self._at_line_start = True
        self._status = ""
        self.is_live = err.isatty() and environment.get("TERM") != "dumb"
        """Whether somebody sees a status line."""
        self.has_blocks = can_encode(out.encoding, _EIGHTHS)

    @property
    def width(self) -> int:
        """Columns; 80 where there is no terminal."""
        return shutil.get_terminal_size().columns

    @property
    def edge(self) -> int:
        """Where a table's lines are cut: a file has all of them."""
        return self.width if self._out.isatty() else sys.maxsize

    def print(self, text: str, style: str = "") -> None:
        """A line, or several, on stdout."""
        self._start_line()
        self._write(self._out, self._dress(self._out, text, style) + "\n")

    def write(self, text: str, *, newline: bool) -> None:
        """What a program printed, on stdout, as it was printed."""
        self.clear_status()
        self._at_line_start = newline
        self._write(self._out, text + "\n" * newline)

    def note(self, text: str, style: str = "dim") -> None:
        """A line beside the output, on stderr."""
        self._start_line()
        self._write(self._err, self._dress(self._err, text, style) + "\n")

    def status(self, text: str) -> None:
        """Replace the status line, where somebody sees it and no line is half printed."""
        if self.is_live and (self._at_line_start or not self._out.isatty()):
            text = text[: self.width - 1]
            padding = " " * (len(self._status) - len(text))
            self._write(self._err, f"\r{text}{padding}" + "\b" * len(padding))
            self._status = text

    def clear_status(self) -> None:
        """Take the status line away."""
        if self._status:
            self._write(self._err, "\r" + " " * len(self._status) + "\r")
            self._status = ""

    def _start_line(self) -> None:
        self.clear_status()
        if not self._at_line_start:
            self._write(self._out, "\n")
            self._at_line_start = True

    def _dress(self, stream: TextIO, text: str, style: str) -> str:
        if not style or not self._styled[stream]:
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        stream.write(text)
        stream.flush()


def open_screen() -> Screen:
    """The screen of this process."""
    return Screen(sys.stdout, sys.stderr)


def can_encode(encoding: str | None, text: str) -> bool:
    """Whether a stream of this encoding takes the text."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_counts(value: Any) -> bool:
    """Whether a value looks like a circuit's counts: bit strings and how often each was seen."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and _BIT_STRING.fullmatch(key) for key in value)
        and all(type(count) is int and count >= 0 for count in value.values())
    )


def split_counts(value: Any) -> tuple[dict[str, Any], dict[str, int] | None]:
    """What stands beside a message's counts, and the counts if there are any."""
    if is_counts(value):
        return {}, value
    if isinstance(value, dict) and is_counts(value.get("counts")):
        return {key: inner for key, inner in value.items() if key != "counts"}, value["counts"]
    return {}, None


def draw_counts(counts: Mapping[str, int], width: int, *, blocks: bool = True) -> list[str]:
    """A line for each outcome, by key: label, bar, count, percent; the longest bar is the most."""
    rows = sorted(counts.items())
    shown, total = rows[:MAX_ROWS], sum(counts.values())
    labels = [_shorten_middle(key, max(width // 3, 8), blocks=blocks) for key, _ in shown]
    label_width = max(map(len, labels))
    count_width = max(len(str(count)) for _, count in shown)
    room = width - label_width - count_width - _ROW_EXTRA
    bar_width = min(max(room, 4), MAX_BAR)
    most = max((count for _, count in shown), default=0)
    lines = [
        f"  {label:<{label_width}}  {draw_bar(count, most, bar_width, blocks=blocks)}"
        f"  {count:>{count_width}}  {100 * count / (total or 1):5.1f} %"
        for label, (_, count) in zip(labels, shown, strict=True)
    ]
    more = len(rows) - len(shown)
    return [*lines, f"  ... and {more} more"] if more else lines


def draw_bar(count: int, most: int, width: int, *, blocks: bool = True) -> str:
    """A bar for ``count`` of ``most`` that is ``width`` wide with its blanks.

    What was seen at all shows, if only as a sliver.
    """
    eighths = -(-count * width * 8 // most) if most else 0
    if not blocks:
        return ("#" * (-(-eighths // 8))).ljust(width)
    full, rest = divmod(eighths, 8)
    return ("█" * full + _EIGHTHS[rest] * (rest > 0)).ljust(width)


def format_json(value: Any, width: int, *, blocks: bool = True) -> str:
    """A value as compact JSON on a few lines; a longer one is cut, and says so."""
    text = printable(json.dumps(value, ensure_ascii=not blocks))
    room = MAX_JSON_LINES * max(width, 20)
    if len(text) <= room:
        return text
    note = f" ... (cut: {len(text)} characters)"
    return text[: room - len(note)] + note


def format_progress(value: Any) -> str:
    """What a message says about progress, or an empty text."""
    match value:
        case {"done": int() | float() as done, "total": int() | float() as total} if total > 0:
            return f"{done}/{total} ({100 * done / total:.0f} %)"
        case {"iteration": int() | float() as iteration}:
            return f"iteration {iteration}"
        case _:
            return ""


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Columns under a header; the last one is cut at the screen's edge."""
    cells = [list(header), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
    lines = [
        "  ".join([*(cell.ljust(size) for cell, size in zip(row, widths, strict=False)), row[-1]])
        for row in cells
    ]
    return [line if len(line) <= width else line[: max(width - 3, 0)] + "..." for line in lines]


def printable(text: str) -> str:
    """The text without what a terminal would obey: control characters as backslash escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _shorten_middle(text: str, width: int, *, blocks: bool) -> str:
    if len(text) <= width:
        return text
    dots = "…" if blocks else "..."
    half = (width - len(dots)) // 2
    return text[:half] + dots + text[len(text) - half :]
