"""The state of ``top``, and the keys that change it: jobs, selection, filter, log. Pure."""

import time
from dataclasses import dataclass, field
from enum import StrEnum

from api.cli.top.feed import Notice, Snapshot, Trouble, Update
from qiskit_runtime.client import JobInfo

NOTICE_SECONDS = 8.0
"""How long a notice stays."""

_STEPS = {"up": -1, "k": -1, "down": 1, "j": 1}


class Mode(StrEnum):
    """The meaning of the keys."""

    TABLE = "table"
    LOG = "log"
    FILTER = "filter"
    CONFIRM = "confirm"


class Act(StrEnum):
    """The wish of a key that goes beyond the board."""

    CANCEL = "cancel"
    DELETE = "delete"
    QUIT = "quit"


@dataclass
class Board:
    """The state of the display. ``page`` is the number of lines of the table or the log."""

    snapshot: Snapshot
    url: str = ""
    mode: Mode = Mode.TABLE
    selected: str = ""
    filter: str = ""
    trouble: str = ""
    page: int = 10
    scrolled: int = 0
    """Lines between the end of the log and the last one that is shown."""
    log_lines: int = 0
    asked: Act = Act.CANCEL
    """What is to be confirmed."""
    _notice: str = field(default="", repr=False)
    _noticed: float = 0.0

    def __post_init__(self) -> None:
        self._select(0)

    @property
    def jobs(self) -> list[JobInfo]:
        """The jobs that the filter lets through."""
        return [job for job in self.snapshot.jobs if _matches(job, self.filter)]

    @property
    def job(self) -> JobInfo | None:
        """The selected job; None where there is none."""
        return next((job for job in self.jobs if job.id == self.selected), None)

    @property
    def notice(self) -> str:
        """The newest notice, for some seconds."""
        is_new = time.monotonic() - self._noticed < NOTICE_SECONDS
        return self._notice if is_new else ""

    def tell(self, text: str) -> None:
        """Show a notice."""
        self._notice, self._noticed = text, time.monotonic()

    def take(self, update: Update) -> None:
        """Take what the feed found."""
        match update:
            case Snapshot():
                place = self._place()
                self.snapshot = update
                if self.job is None:
                    # The selected job is gone: its neighbour is nearest to what was looked at.
                    self._select(place)
                if self.trouble:
                    self.trouble = ""
                    self.tell("the server answers again")
            case Trouble(text=text):
                self.trouble = text
            case Notice(text=text):
                self.tell(text)

    def press(self, key: str) -> Act | None:
        """Obey a key; returns what it asks for that the board can't do."""
        match self.mode:
            case Mode.TABLE:
                return self._press_in_table(key)
            case Mode.LOG:
                self._press_in_log(key)
            case Mode.FILTER:
                self._press_in_filter(key)
            case Mode.CONFIRM:
                self.mode = Mode.TABLE
                return self.asked if key in {"y", "Y"} else None
        return None

    def _press_in_table(self, key: str) -> Act | None:
        match key:
            case "q" | "Q":
                return Act.QUIT
            case "c" | "d":
                self._ask(Act.CANCEL if key == "c" else Act.DELETE)
            case "enter" | "l" if self.job:
                self.mode, self.scrolled = Mode.LOG, 0
            case "/":
                self.mode = Mode.FILTER
            case "escape":
                self.filter = ""
            case _:
                self._move(key)
        return None

    def _ask(self, act: Act) -> None:
        """Ask for a confirmation, or say why the job can't be ended or deleted."""
        job = self.job
        if job is None:
            return
        if job.has_ended == (act is Act.DELETE):
            self.asked, self.mode = act, Mode.CONFIRM
        elif act is Act.DELETE:
            self.tell(f"only an ended job can be deleted (c cancels); {job.id} is {job.status}")
        else:
            self.tell(f"job {job.id} has ended: {job.status}")

    def _move(self, key: str) -> None:
        if step := self._read_step(key, len(self.snapshot.jobs)):
            self._select(self._place() + step)

    def _read_step(self, key: str, last: int) -> int:
        """Return how far a key goes among so many lines, down if above 0; 0 for any other key."""
        places = {"home": -last, "end": last, "pageup": -self.page, "pagedown": self.page}
        return (_STEPS | places).get(key, 0)

    def _press_in_log(self, key: str) -> None:
        if key in {"q", "l", "enter", "escape"}:
            self.mode = Mode.TABLE
            return
        moved = self.scrolled - self._read_step(key, self.log_lines)
        self.scrolled = min(max(moved, 0), max(self.log_lines - self.page, 0))

    def grow_log(self, lines: int) -> None:
        """Note the number of lines that the log has now; what is read stays where it is."""
        if self.scrolled:
            self.scrolled += max(lines - self.log_lines, 0)
        self.log_lines = lines

    def _press_in_filter(self, key: str) -> None:
        match key:
            case "enter":
                self.mode = Mode.TABLE
            case "escape":
                self.mode, self.filter = Mode.TABLE, ""
            case "backspace":
                self.filter = self.filter[:-1]
            case _ if len(key) == 1 and key.isprintable():
                self.filter += key
        if self.job is None:
            self._select(0)

    def _place(self) -> int:
        ids = [job.id for job in self.jobs]
        return ids.index(self.selected) if self.selected in ids else 0

    def _select(self, place: int) -> None:
        jobs = self.jobs
        self.selected = jobs[min(max(place, 0), len(jobs) - 1)].id if jobs else ""


def _matches(job: JobInfo, text: str) -> bool:
    """Return whether each word of the filter is in one of the job's texts."""
    texts = " ".join((job.id, job.program, job.backend, job.status, *job.tags)).lower()
    return all(word in texts for word in text.lower().split())
