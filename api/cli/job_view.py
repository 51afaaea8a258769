"""A job on the command line: its stream as it comes, or one JSON object at its end.

``run``, ``stream`` and ``quickstart`` use it. Both ways return the command's exit code.
"""

import json
import time
from typing import Any

from api.cli.drawing import draw_counts, format_json, format_progress, printable, split_counts
from api.cli.screen import Screen
from qiskit_runtime.client import (
    ClientError,
    Console,
    ConsoleTruncated,
    Gap,
    Job,
    JobInfo,
    Message,
    Progress,
    ProgressEvent,
    Reconnecting,
    StreamEvent,
    Unreachable,
    Waiting,
)

EXIT_CODES = {"Completed": 0, "Failed": 1, "Cancelled": 3}
"""A command's exit code by the first word of the job's status."""

_STYLES = {"Completed": "green", "Failed": "red", "Cancelled": "yellow"}
_POLL_SECONDS = 1.0


class JobView:
    """Shows one job's stream on a screen."""

    def __init__(self, screen: Screen, job: Job, *, logs: bool = True) -> None:
        self._screen, self._job = screen, job
        self._logs = logs
        self._started = time.monotonic()
        self._polled = self._started - _POLL_SECONDS
        self._status = "Queued"
        self._progress: Progress | None = None
        self._iteration = ""
        self._frames = 0

    def show(self, event: StreamEvent) -> None:
        """Show an event."""
        match event:
            case Waiting():
                self._wait()
            case Reconnecting(why=why):
                self._screen.note(f"[the connection was lost ({printable(why)}); reconnecting ...]")
            case Console(text=text, newline=newline):
                self._frames += 1
                if self._logs:
                    self._screen.write(text, newline=newline)
            case Message():
                self._frames += 1
                self._show_message(event)
            case ProgressEvent(progress=progress):
                self._progress, self._iteration = progress, ""
            case Gap(first=first, count=count):
                self._screen.note(
                    f"[{count} messages from number {first} on were dropped: too many]"
                )
            case ConsoleTruncated():
                self._screen.note("[what was printed from here on was dropped: too much]")

    def finish(self, job: JobInfo) -> int:
        """Show the job's end; returns the exit code."""
        text = job.status if job.seconds is None else f"{job.status} after {job.seconds:.1f} s"
        if job.reason:
            text += f" ({job.reason})"
        if job.message:
            text += f": {printable(job.message)}"
        self._screen.note(text, _STYLES.get(job.phase, "bold"))
        return exit_code(job)

    def _show_message(self, message: Message) -> None:
        value = decode(message.text)
        if message.final:
            self._screen.print("")
            self._screen.print("Result", "bold")
            self._progress, self._iteration = None, ""
        else:
            self._iteration = format_progress(value) or self._iteration
        self._show_value(value)

    def _show_value(self, value: Any) -> None:
        screen = self._screen
        beside, counts = split_counts(value)
        if counts is None:
            beside = value
        if counts is None or beside:
            screen.print(format_json(beside, screen.width, blocks=screen.has_blocks))
        if counts is not None:
            screen.print("\n".join(draw_counts(counts, screen.width, blocks=screen.has_blocks)))

    def _wait(self) -> None:
        """Show a spinner until the first frame, the program's own progress after it."""
        text = describe_progress(self._progress) if self._progress else self._iteration
        if not self._screen.is_live or (self._frames and not text):
            return
        now = time.monotonic()
        if not self._frames and now - self._polled >= _POLL_SECONDS:
            self._polled, self._status = now, self._ask_status()
        took = f"{now - self._started:.0f} s"
        self._screen.status(f"{text or self._status}  {took}", self._progress)

    def _ask_status(self) -> str:
        try:
            return self._job.status()
        except ClientError:
            # The stream will say what is wrong, if it goes on.
            return self._status


def watch(screen: Screen, job: Job, *, after: int = 0, logs: bool = True) -> int:
    """Show the job's stream and its end; returns the exit code."""
    view = JobView(screen, job, logs=logs)
    try:
        for event in job.follow(after):
            view.show(event)
        return view.finish(job.wait())
    finally:
        screen.clear_status()


def collect(screen: Screen, job: Job, *, after: int = 0) -> int:
    """Print one JSON object once the job has ended; returns the exit code."""
    interim, result = list[Any](), None
    for event in job.stream(after):
        match event:
            case Message(text=text, final=True):
                result = decode(text)
            case Message(text=text):
                interim.append(decode(text))
    info = job.wait()
    fields = {name: info.fields[name] for name in ("id", "status", "reason", "message")}
    document = {**fields, "result": result, "interim": interim, "logs": job.logs()}
    screen.print(json.dumps(document))
    return exit_code(info)


def exit_code(job: JobInfo) -> int:
    """Return the exit code of a command that waited for this job."""
    try:
        return EXIT_CODES[job.phase]
    except KeyError:
        raise Unreachable(f"job {job.id} ended as {job.status}, which is no known end") from None


def describe_progress(progress: Progress) -> str:
    """Return the progress for a status line: 30/100 (30 %), best -1.25."""
    best = "" if progress.best is None else f", best {progress.best:.6g}"
    share = f" ({100 * progress.done / progress.total:.0f} %)" if progress.total else ""
    return f"{progress.done:g}/{progress.total:g}{share}{best}"


def decode(text: str) -> Any:
    """Return a message's value; the text itself where Python's reader does not take it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
