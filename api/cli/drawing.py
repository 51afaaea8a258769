"""Values as text for a terminal: counts as bars, JSON on a few lines, progress.

``screen`` shows them. Standard library only.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_ROWS = 16
"""Bars of one drawing."""

MAX_BAR = 60
"""Columns of the longest bar, however wide the terminal is."""

MAX_JSON_LINES = 4
"""Screen lines of one message that is not drawn."""

_ROW_EXTRA = len("        100.0 %")
"""A row without its label, bar and count."""

BLOCKS = " ▏▎▍▌▋▊▉█"
"""The eighths of a block, from none to all."""

_BIT_STRING = re.compile(r"[01]+( [01]+)*|0x[0-9a-fA-F]+")


def can_encode(encoding: str | None, text: str) -> bool:
    """Return whether a stream of this encoding takes the text."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_counts(value: Any) -> bool:
    """Return whether a value looks like a circuit's counts: bit strings, each with a number."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and _BIT_STRING.fullmatch(key) for key in value)
        and all(type(count) is int and count >= 0 for count in value.values())
    )


def split_counts(value: Any) -> tuple[dict[str, Any], dict[str, int] | None]:
    """Return a message without its counts, and the counts if it has any."""
    if is_counts(value):
        return {}, value
    if isinstance(value, dict) and is_counts(value.get("counts")):
        return {key: inner for key, inner in value.items() if key != "counts"}, value["counts"]
    return {}, None


def draw_counts(counts: Mapping[str, int], width: int, *, blocks: bool = True) -> list[str]:
    """Return a line an outcome, by key: label, bar, count, percent; the longest bar is the most."""
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
    """Return a bar for ``count`` of ``most`` that is ``width`` wide with its blanks.

    A count over zero shows, if only as a sliver.
    """
    eighths = -(-count * width * 8 // most) if most else 0
    if not blocks:
        return ("#" * (-(-eighths // 8))).ljust(width)
    full, rest = divmod(eighths, 8)
    return ("█" * full + BLOCKS[rest] * (rest > 0)).ljust(width)


def format_json(value: Any, width: int, *, blocks: bool = True) -> str:
    """Return a value as compact JSON on a few lines; a longer one is cut, with a note."""
    text = printable(json.dumps(value, ensure_ascii=not blocks))
    room = MAX_JSON_LINES * max(width, 20)
    if len(text) <= room:
        return text
    note = f" ... (cut: {len(text)} characters)"
    return text[: room - len(note)] + note


def format_progress(value: Any) -> str:
    """Return a message's progress, or an empty text."""
    match value:
        case {"done": int() | float() as done, "total": int() | float() as total} if total > 0:
            return f"{done}/{total} ({100 * done / total:.0f} %)"
        case {"iteration": int() | float() as iteration}:
            return f"iteration {iteration}"
        case _:
            return ""


def printable(text: str) -> str:
    """Return the text with control characters as backslash escapes: no terminal obeys them."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _shorten_middle(text: str, width: int, *, blocks: bool) -> str:
    if len(text) <= width:
        return text
    dots = "…" if blocks else "..."
    half = (width - len(dots)) // 2
    return text[:half] + dots + text[len(text) - half :]
