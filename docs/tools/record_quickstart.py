"""Record `make quickstart` as an animated SVG: the real command in a terminal, with its own timing.

``make recording`` runs it. Nothing of the output is made up; a pause longer than ``MAX_PAUSE`` is
shortened. The picture needs neither JavaScript nor a font from elsewhere, and a reader who prefers
reduced motion sees its last frame.
"""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "assets" / "quickstart.svg"
COMMAND = ["make", "quickstart"]
COLUMNS, ROWS = 96, 30
MAX_PAUSE, LAST_PAUSE = 1.5, 6.0
"""The longest pause that is shown, and how long the last frame stays, in seconds."""

CELL_WIDTH, LINE_HEIGHT, MARGIN, TITLE_HEIGHT = 8.4, 18, 14, 30
PALETTE = ["#6b7280", "#f87171", "#4ade80", "#facc15", "#60a5fa", "#c084fc", "#22d3ee", "#e5e7eb"]
FOREGROUND, BACKGROUND = "#e5e7eb", "#111827"
CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78]")


@dataclass(frozen=True)
class Style:
    """The colours and weight of a character."""

    color: str = FOREGROUND
    bold: bool = False
    dim: bool = False

    def apply(self, code: int) -> "Style":
        """Return the style after one number of a Select Graphic Rendition sequence."""
        if code == 0:
            return Style()
        if code in (1, 2, 22):
            return replace(self, bold=code == 1, dim=code == 2)
        if code == 39:
            return replace(self, color=FOREGROUND)
        if code in range(30, 38) or code in range(90, 98):
            return replace(self, color=PALETTE[code % 10])
        return self


Row = tuple[tuple[str, Style], ...]
"""The characters of a line, each with its style."""


@dataclass
class Terminal:
    """A terminal's screen: as much of one as the command line's output needs."""

    lines: list[list[tuple[str, Style]]] = field(default_factory=lambda: [[] for _ in range(ROWS)])
    row: int = 0
    column: int = 0
    style: Style = Style()

    def feed(self, text: str) -> None:
        """Draw what a program has written."""
        end = 0
        for control in CONTROL.finditer(text):
            self._write(text[end : control.start()])
            self._control(control[1] or "", control[2] or "")
            end = control.end()
        self._write(text[end:])

    def rows(self) -> tuple[Row, ...]:
        """Return the screen's lines."""
        return tuple(tuple(line) for line in self.lines)

    def _write(self, text: str) -> None:
        for character in text:
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self._feed_line()
            elif character >= " ":
                self._put(character)

    def _put(self, character: str) -> None:
        if self.column >= COLUMNS:
            self.column = 0
            self._feed_line()
        line = self.lines[self.row]
        line.extend([(" ", Style())] * (self.column + 1 - len(line)))
        line[self.column] = character, self.style
        self.column += 1

    def _feed_line(self) -> None:
        if self.row == ROWS - 1:
            self.lines = [*self.lines[1:], []]
        else:
            self.row += 1

    def _control(self, numbers: str, letter: str) -> None:
        first = int(numbers) if numbers.isdigit() else 0
        match letter:
            case "A":
                self.row = max(0, self.row - max(1, first))
            case "C":
                self.column = min(COLUMNS - 1, self.column + max(1, first))
            case "G":
                self.column = max(0, first - 1)
            case "K" if first == 2:
                self.lines[self.row] = []
            case "K":
                del self.lines[self.row][self.column :]
            case "m":
                for code in numbers.split(";"):
                    self.style = self.style.apply(int(code or 0))


@dataclass(frozen=True)
class Frame:
    """The screen from a moment on, in seconds from the start of the recording."""

    at: float
    rows: tuple[Row, ...]


def record(command: list[str]) -> list[Frame]:
    """Run the command in a terminal and return the frames in which its screen differs.

    Raises:
        SystemExit: the command failed.
    """
    terminal = Terminal()
    terminal.feed(f"\x1b[32m$\x1b[0m {' '.join(command)}\r\n")
    frames = [Frame(0, terminal.rows())]
    process, screen = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        environment = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
        size = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
        os.execvpe(command[0], command, environment | size)  # noqa: S606 (the command is COMMAND)
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    now, last = 1.0, time.monotonic()
    pending = b""
    while output := _read(screen):
        pending += output
        # A character may be cut in two; the rest of it comes with the next read.
        text = pending.decode("utf-8", "ignore")
        pending = pending[len(text.encode()) :]
        terminal.feed(text)
        moment = time.monotonic()
        now, last = now + min(MAX_PAUSE, moment - last), moment
        if terminal.rows() != frames[-1].rows:
            frames.append(Frame(now, terminal.rows()))
    _, status = os.waitpid(process, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(command)} failed")
    return frames


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:  # Linux reports the end of a terminal's output so.
        return b""


def draw(frames: list[Frame]) -> str:
    """Return the SVG: each line of the screen, visible for as long as it was on it."""
    total = frames[-1].at + LAST_PAUSE
    styles: dict[tuple[float, float], str] = {}
    texts = []
    for number in range(ROWS):
        starts = [(frame.at, frame.rows[number]) for frame in frames]
        runs = [(row, next(iter(group))[0]) for row, group in groupby(starts, lambda one: one[1])]
        ends = [start for _, start in runs[1:]] + [total]
        for (row, start), end in zip(runs, ends, strict=True):
            if row:
                name = styles.setdefault((start, end), f"t{len(styles)}")
                texts.append(f'<g class="{name}">{draw_row(row, number)}</g>')
    width = COLUMNS * CELL_WIDTH + 2 * MARGIN
    height = ROWS * LINE_HEIGHT + TITLE_HEIGHT + MARGIN
    rules = "\n".join(animate(name, *span, total) for span, name in styles.items())
    return TEMPLATE.format(
        width=width, height=height, rules=rules, texts="\n".join(texts), title=" ".join(COMMAND),
        foreground=FOREGROUND, background=BACKGROUND,
    )  # fmt: skip


TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img">
<title>{title}, recorded</title>
<style>
text {{
  font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre; fill: {foreground}
}}
.b {{ font-weight: bold }}
.d {{ opacity: .6 }}
{rules}
@media (prefers-reduced-motion: reduce) {{ g {{ animation: none !important }} }}
</style>
<rect width="100%" height="100%" rx="8" fill="{background}"/>
<circle cx="20" cy="16" r="6" fill="#f87171"/>
<circle cx="40" cy="16" r="6" fill="#facc15"/>
<circle cx="60" cy="16" r="6" fill="#4ade80"/>
{texts}
</svg>
"""


def animate(name: str, start: float, end: float, total: float) -> str:
    """Return the style of what is visible from start to end; without motion, the last frame's."""
    steps = {0.0: "hidden", start: "visible"} | ({end: "hidden"} if end < total else {})
    frames = "".join(
        f"{100 * at / total:.3f}% {{ visibility: {state} }} " for at, state in steps.items()
    )
    rest = "visible" if end >= total else "hidden"
    return (
        f".{name} {{ visibility: {rest}; animation: {name} {total:.2f}s step-end infinite }}"
        f" @keyframes {name} {{ {frames}}}"
    )


def draw_row(row: Row, number: int) -> str:
    """Return a line of the screen as text elements, one for each run of a style."""
    y = TITLE_HEIGHT + (number + 1) * LINE_HEIGHT - 5
    drawn, column = [], 0
    for style, group in groupby(row, lambda one: one[1]):
        text = "".join(character for character, _ in group)
        if text.strip():
            names = " ".join(["b"] * style.bold + ["d"] * style.dim)
            drawn.append(
                f'<text x="{MARGIN + column * CELL_WIDTH:g}" y="{y}"'
                f' textLength="{len(text) * CELL_WIDTH:g}"'
                + (f' class="{names}"' if names else "")
                + (f' style="fill:{style.color}"' if style.color != FOREGROUND else "")
                + f">{escape(text)}</text>"
            )
        column += len(text)
    return "".join(drawn)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(record(COMMAND)), "utf-8")
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB\n")
