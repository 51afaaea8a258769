"""The terminal of ``top`` and the loop that shows the board on it until somebody quits.

The terminal is put back however the command ends: by a key, Ctrl-C, a signal or an error.
"""

import codecs
import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from api.cli.drawing import can_encode
from api.cli.screen import open_console
from api.cli.top.board import Act, Board, Mode
from api.cli.top.feed import Feed, Snapshot
from api.cli.top.view import draw, visible_jobs

TICK_SECONDS = 0.1
"""The time between two draws at least; what is pressed is obeyed at once."""

REDRAW_TICKS = 10
"""Ticks after which the times on the board are drawn again."""

SPLIT_SECONDS = 0.05
"""How long the rest of a key's escape sequence may take, over a slow line."""

_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_SPLIT = re.compile(rb"\x1b([\[O][0-9;]*)?\Z")
_NAMES = {
    "A": "up", "B": "down", "H": "home", "F": "end", "1~": "home", "4~": "end", "7~": "home",
    "8~": "end", "5~": "pageup", "6~": "pagedown",
}  # fmt: skip
_CHARS = {
    "\x1b": "escape", "\r": "enter", "\n": "enter", "\x7f": "backspace", "\b": "backspace",
    "\x1a": "suspend",
}  # fmt: skip


def is_terminal(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether somebody sits there: keys come in, and the screen can be drawn on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and environment.get("TERM") != "dumb"


def read_keys(text: str) -> list[str]:
    """Return the keys of what a terminal sent: a character, or a name such as ``up``."""
    keys = (_read_key(found) for found in _SEQUENCE.findall(text))
    return [key for key in keys if key]


def _read_key(found: str) -> str:
    if len(found) > 1:
        return _NAMES.get(found[2:], "")
    return _CHARS.get(found, found if found.isprintable() else "")


class Terminal:
    """The terminal: another screen, without echo, keys as they come. Put back at the end."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._console = open_console(sys.stdout, os.environ)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.has_blocks = can_encode(sys.stdout.encoding, "▁█")

    def __enter__(self) -> Self:
        self._handlers = {
            number: signal.signal(number, _exit) for number in (signal.SIGTERM, signal.SIGHUP)
        }
        self._enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _enter(self) -> None:
        self._saved = termios.tcgetattr(self._input)
        tty.setcbreak(self._input)
        attributes = termios.tcgetattr(self._input)
        # Ctrl-Z comes as a key: the screen is put back before the process stops.
        attributes[6][termios.VSUSP] = b"\x00"
        termios.tcsetattr(self._input, termios.TCSANOW, attributes)
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._live.start()

    def _leave(self) -> None:
        try:
            # A terminal that has gone away takes nothing any more.
            with suppress(OSError):
                self._live.stop()
        finally:
            with suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSADRAIN, self._saved)

    def suspend(self) -> None:
        """Stop the process, as Ctrl-Z does, and come back when it is continued."""
        self._leave()
        os.kill(0, signal.SIGTSTP)
        self._enter()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines as they are now; 80 by 24 where the terminal does not tell."""
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
        return columns or 80, lines or 24

    def wait_keys(self, seconds: float) -> list[str]:
        """Return the keys that were pressed, after some seconds at the latest.

        Raises:
            EOFError: the terminal has gone away.
        """
        if not select.select([self._input], [], [], seconds)[0]:
            return []
        data = self._read()
        if _SPLIT.search(data) and select.select([self._input], [], [], SPLIT_SECONDS)[0]:
            data += self._read()
        return read_keys(self._decode(data))

    def _read(self) -> bytes:
        try:
            data = os.read(self._input, 4096)
        except OSError:
            data = b""
        if not data:
            raise EOFError("the terminal has gone away")
        return data

    def draw(self, lines: list[Text], size: tuple[int, int]) -> None:
        """Show the lines."""
        self._console.size = size
        for line in lines:
            line.no_wrap = True
        self._live.update(Group(*lines), refresh=True)


def _exit(number: int, _: FrameType | None) -> None:
    """End as a signal asks, by an exception: the terminal is put back on its way."""
    raise SystemExit(128 + number)


def show(terminal: Terminal, feed: Feed, snapshot: Snapshot, url: str) -> int:
    """Show the jobs until somebody quits; returns the exit code."""
    board = Board(snapshot, url)
    seen: Any = None
    ticks = 0
    while True:
        size = terminal.size
        state = (size, feed.revision, ticks // REDRAW_TICKS)
        if state != seen:
            seen = state
            terminal.draw(draw(board, feed.follower, size, blocks=terminal.has_blocks), size)
        try:
            keys = terminal.wait_keys(TICK_SECONDS)
        except EOFError:
            return 0
        if Act.QUIT in [_obey(key, board, feed, terminal) for key in keys]:
            return 0
        ticks += 1
        if _take_updates(board, feed) or keys:
            seen = None


def _obey(key: str, board: Board, feed: Feed, terminal: Terminal) -> Act | None:
    """Do what a key asks for; returns it."""
    if key == "suspend":
        terminal.suspend()
        return None
    job_id, act = board.selected, board.press(key)
    if act is Act.CANCEL:
        feed.cancel(job_id)
    elif act is Act.DELETE:
        feed.delete(job_id)
    feed.follow(_wanted(board))
    return act


def _take_updates(board: Board, feed: Feed) -> bool:
    """Take what the feed found meanwhile; returns whether there was something."""
    has_any = False
    while not feed.updates.empty():
        board.take(feed.updates.get())
        has_any = True
    if has_any and not board.trouble:
        feed.follow(_wanted(board))
    return has_any


def _wanted(board: Board) -> list[str]:
    """Return the jobs to listen to: the selected one first, then the running ones in view."""
    selected = [board.selected] if board.selected else []
    if board.mode is Mode.LOG:
        return selected
    running = [job.id for job in visible_jobs(board) if job.phase == "Running"]
    return selected + running
