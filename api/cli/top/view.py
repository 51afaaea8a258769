"""The board as lines of text for a terminal of any size, also one without colours or blocks."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from rich.cells import chop_cells, set_cell_size
from rich.text import Text

from api.cli.drawing import printable
from api.cli.top.board import Board, Mode
from api.cli.top.feed import Follower
from qiskit_runtime.client import JobInfo

HEADER = ("JOB", "PROGRAM", "BACKEND", "PHASE", "TIME", "DONE/TOTAL", "BEST")

_WIDTHS = (8, 15, 10, 9, 6, 10, 11)
"""Columns of a terminal of 80, which are full with them."""

_WIDER = ((0, 36), (1, 27), (2, 20))
"""The columns that get the room of a wider one, in this order, and up to which width."""

MIN_CURVE = 12

_LEVELS, _PLAIN_LEVELS = "▁▂▃▄▅▆▇█", "_.-~=+*#"
_STYLES = {"Running": "cyan", "Completed": "green", "Failed": "red", "Cancelled": "yellow"}

_KEYS = {
    Mode.TABLE: "up/down select  enter log  c cancel  d delete  / filter  q quit",
    Mode.LOG: "up/down, page up/down, home, end scroll  q back",
    Mode.FILTER: "enter keeps the filter  esc clears it",
    Mode.CONFIRM: "y yes  any other key no",
}

Followers = Callable[[str], Follower | None]


def draw(board: Board, followers: Followers, size: tuple[int, int], *, blocks: bool) -> list[Text]:
    """Return exactly as many lines as the terminal has, none wider than it."""
    width, height = size
    head = [_draw_counts(board), _draw_trouble(board)]
    foot = [_draw_prompt(board), Text(_KEYS[board.mode], "dim")]
    rows = max(height - len(head) - len(foot), 1)
    draw_body = _draw_log if board.mode is Mode.LOG else _draw_jobs
    body = draw_body(board, followers, (width, rows), blocks)[:rows]
    body += [Text()] * (rows - len(body))
    lines = [*head, *body, *foot][:height]
    for line in lines:
        line.truncate(width)
    return lines


def _draw_counts(board: Board) -> Text:
    found = board.snapshot
    counts = f"{found.running} running  {found.queued} queued  {found.ended} ended"
    return Text(f"{counts}  {printable(board.url)}", "bold")


def _draw_trouble(board: Board) -> Text:
    if board.trouble:
        return Text(f"! trying again: {printable(board.trouble)}", "bold red")
    return Text(printable(board.notice), "bold")


def _draw_prompt(board: Board) -> Text:
    if board.mode is Mode.CONFIRM:
        more = " and all its data" if board.asked.value == "delete" else ""
        question = f"{board.asked.value.capitalize()} job {board.selected}{more}? y/n"
        return Text(question, "bold yellow")
    if board.mode is Mode.FILTER or board.filter:
        cursor = "_" if board.mode is Mode.FILTER else ""
        return Text(f"/{board.filter}{cursor}", "bold")
    return Text()


def _draw_jobs(
    board: Board, followers: Followers, size: tuple[int, int], blocks: bool
) -> list[Text]:
    width, height = size
    details = _draw_details(board, followers, width, blocks=blocks) if height >= 8 else []
    board.page = max(height - 1 - len(details), 1)
    widths = _share_width(width)
    table = [_draw_row(HEADER, widths)]
    shown = visible_jobs(board)
    table += [_draw_job(job, board, followers, widths, width, blocks) for job in shown]
    if not shown:
        table.append(Text("  no job matches the filter" if board.filter else "  no jobs yet"))
    table += [Text()] * (board.page + 1 - len(table))
    return table + details


def visible_jobs(board: Board) -> Sequence[JobInfo]:
    """Return the page of jobs that has the selected one."""
    jobs = board.jobs
    place = next((at for at, job in enumerate(jobs) if job.id == board.selected), 0)
    first = min(max(place - board.page // 2, 0), max(len(jobs) - board.page, 0))
    return jobs[first : first + board.page]


def _share_width(width: int) -> tuple[int, ...]:
    """Return the width of each column: a wide terminal shows the whole id."""
    widths = list(_WIDTHS)
    spare = max(width - len("> ") - sum(_WIDTHS) - len(_WIDTHS) - MIN_CURVE, 0)
    for place, most in _WIDER:
        more = min(spare, most - widths[place])
        widths[place] += more
        spare -= more
    return tuple(widths)


def _draw_job(
    job: JobInfo,
    board: Board,
    followers: Followers,
    widths: tuple[int, ...],
    width: int,
    blocks: bool,
) -> Text:
    is_selected = job.id == board.selected
    line = _draw_row(make_row(job), widths, mark="> " if is_selected else "  ")
    left = width - line.cell_len
    follower = followers(job.id)
    if left >= MIN_CURVE and follower is not None and job.phase == "Running":
        line.append(draw_curve(follower.values, min(left, 40), blocks=blocks))
    line.stylize("reverse" if is_selected else _STYLES.get(job.phase, ""))
    return line


def _draw_row(cells: Sequence[str], widths: tuple[int, ...], mark: str = "  ") -> Text:
    fitted = (
        set_cell_size(printable(cell), width) for cell, width in zip(cells, widths, strict=True)
    )
    return Text(mark + " ".join(fitted) + " ", "" if cells is not HEADER else "bold")


def make_row(job: JobInfo) -> tuple[str, ...]:
    """Return a job's cells, in the order of ``HEADER``."""
    progress = job.progress
    done = "" if progress is None else f"{progress.done:g}/{progress.total:g}"
    best = "" if progress is None or progress.best is None else f"{progress.best:.6g}"
    return job.id, job.program, job.backend, job.phase, describe_time(job), done, best


def describe_time(job: JobInfo, now: datetime | None = None) -> str:
    """Return how long the job waits, runs or ran."""
    now = now or datetime.now(UTC)
    since = job.started or job.created
    # The server's clock may be ahead of this one.
    seconds = max(int(((job.finished or now) - since).total_seconds()), 0)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}{seconds % size // part:02}{smaller}"
    return f"{seconds // 60}m{seconds % 60:02}s" if seconds >= 60 else f"{seconds}s"


def _draw_details(board: Board, followers: Followers, width: int, *, blocks: bool) -> list[Text]:
    """Return the selected job whole: its id, why it is as it is, its best value's curve."""
    job = board.job
    if job is None:
        return []
    why = ": ".join(text for text in (job.reason, job.message) if text)
    title = f"{job.id}  {job.program}  {job.status}" + f"  ({why})" * bool(why)
    lines = [Text(), Text(printable(title), "bold")]
    follower = followers(job.id)
    values = follower.values if follower is not None else []
    if values:
        ends = f"best {values[0]:.6g} to {values[-1]:.6g}  "
        curve = draw_curve(values, max(width - len(ends), 1), blocks=blocks)
        return [*lines, Text(ends + curve)]
    return [*lines, Text("no best value was reported", "dim")]


def draw_curve(values: Sequence[float], width: int, *, blocks: bool) -> str:
    """Return a line of at most ``width`` levels; each is the last value of its share of them."""
    levels = _LEVELS if blocks else _PLAIN_LEVELS
    count = min(width, len(values))
    picked = [values[(at + 1) * len(values) // count - 1] for at in range(count)]
    if not picked:
        return ""
    low, high = min(picked), max(picked)
    # Halves: the difference of two large numbers may be none.
    span = high / 2 - low / 2
    return "".join(
        levels[math.floor((value / 2 - low / 2) / span * (len(levels) - 1) + 0.5) if span else 0]
        for value in picked
    )


def _draw_log(
    board: Board, followers: Followers, size: tuple[int, int], blocks: bool
) -> list[Text]:
    """Return the end of the selected job's log, or what was scrolled to, wrapped at the edge."""
    width, height = size
    board.page = height - 1
    follower = followers(board.selected)
    lines = follower.lines if follower is not None else []
    board.grow_log(len(lines))
    last = len(lines) - board.scrolled
    wrapped = [
        part for line in lines[max(last - board.page, 0) : last] for part in wrap(line, width)
    ]
    if not blocks:
        wrapped = [part.encode("ascii", "backslashreplace").decode() for part in wrapped]
    place = f" (line {last} of {len(lines)})" if board.scrolled else ""
    title = Text(f"Log of job {board.selected}{place}", "bold")
    empty = Text("nothing was printed or published yet", "dim")
    return [title, *(map(Text, wrapped[-board.page :]) if lines else [empty])]


def wrap(line: str, width: int) -> list[str]:
    """Return a line in parts that fit; the widest character has two columns."""
    return chop_cells(line, max(width, 2)) or [""]
