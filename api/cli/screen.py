"""The screen: results on stdout, notes and one live line of status on stderr, drawn by rich.

Files, pipes, dumb terminals and NO_COLOR get plain text without escape codes. Commands import this
module when they run: ``--help`` needs no rich.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console, OverflowMethod, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from api.cli.drawing import BLOCKS, can_encode, printable
from qiskit_runtime.contract.wire.progress import Progress

_FILE_WIDTH = 10_000
"""Columns of a file: nothing is cut there."""

_BAR_WIDTH = 30


class _Console(Console):
    """A console that leaves a reader who goes away, as in ``| head``, to the command."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  (rich calls this while it handles the BrokenPipeError)


class Screen:
    """Stdout for the output of a command, stderr for notes and the status line."""

    def __init__(
        self, out: TextIO, err: TextIO, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._out, self._err = open_console(out, environment), open_console(err, environment)
        self._at_line_start = True
        self._status: Live | None = None
        self.is_live = err.isatty() and environment.get("TERM") != "dumb"
        """True where somebody sees a status line."""
        self.has_blocks = can_encode(out.encoding, BLOCKS)

    @property
    def width(self) -> int:
        """Columns; 80 without a terminal."""
        return shutil.get_terminal_size().columns

    def print(self, text: str, style: str = "") -> None:
        """Print a line, or several, on stdout."""
        self._start_line()
        self._out.print(Text(text, style), soft_wrap=True)

    def print_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print columns under a header; on a terminal the last one is cut at the edge."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in header[:-1]:
            table.add_column(name, no_wrap=True)
        # rich narrows the columns that may wrap; this one's cells are cut instead.
        table.add_column(header[-1])
        for row in rows:
            cells = (Text(printable(cell), overflow=self._overflow, no_wrap=True) for cell in row)
            table.add_row(*cells)
        with self._out.capture() as captured:
            self._out.print(table)
        lines = captured.get().splitlines()
        self.write("\n".join(line.rstrip() for line in lines), newline=True)

    def write(self, text: str, *, newline: bool) -> None:
        """Write the program's own output to stdout, as it is."""
        self.clear_status()
        self._at_line_start = newline
        self._out.file.write(text + "\n" * newline)
        self._out.file.flush()

    def note(self, text: str, style: str = "dim") -> None:
        """Print a line on stderr, next to the output."""
        self._start_line()
        self._err.print(Text(text, style), soft_wrap=True)

    def status(self, text: str, progress: Progress | None = None) -> None:
        """Show the status line, where somebody sees it and no line is half printed."""
        if not self.is_live or not (self._at_line_start or not self._out.is_terminal):
            return
        if self._status is None:
            self._spinner = Spinner("line")
            self._status = Live(
                console=self._err,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._status.start()
        self._status.update(self._draw_status(text, progress), refresh=True)

    def clear_status(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _draw_status(self, text: str, progress: Progress | None) -> RenderableType:
        line = Table.grid(padding=(0, 1))
        line.add_column()
        cells: list[RenderableType] = [self._spinner]
        if progress is not None and progress.total:
            line.add_column()
            cells.append(ProgressBar(progress.total, progress.done, width=_BAR_WIDTH))
        line.add_column(no_wrap=True, overflow=self._overflow)
        line.add_row(*cells, Text(text))
        return line

    def _start_line(self) -> None:
        self.clear_status()
        if not self._at_line_start:
            self.write("", newline=True)

    @property
    def _overflow(self) -> OverflowMethod:
        return "ellipsis" if self.has_blocks else "crop"


def open_screen() -> Screen:
    """Return the screen of this process."""
    return Screen(sys.stdout, sys.stderr)


def open_console(stream: TextIO, environment: Mapping[str, str]) -> Console:
    """Return a console that adds nothing to a text but the style that is asked for."""
    is_plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
    return _Console(
        file=stream,
        color_system=None if is_plain else "auto",
        width=None if stream.isatty() else _FILE_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        _environ=environment,
    )
