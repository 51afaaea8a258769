"""A job as the command line shows it: its stream as it comes, or one JSON object at its end.

``run``, ``stream`` and ``quickstart`` use it. Both ways return the command's exit code.
"""

import json
import time
from datetime import datetime
from typing import Any

import click

from api.cli.client import Client, Unreachable
from api.cli.job_stream import (
    Console,
    ConsoleTruncated,
    Gap,
    Message,
    Progress,
    Reconnecting,
    StreamEvent,
    Waiting,
    follow_job,
)
from api.cli.terminal import (
    Screen,
    draw_counts,
    format_json,
    format_progress,
    printable,
    split_counts,
)

EXIT_CODES = {"Completed": 0, "Failed": 1, "Cancelled": 3}
"""A command's exit code by the first word of the job's status."""

_STYLES = {"Completed": "green", "Failed": "red", "Cancelled": "yellow"}
_SPINNER = "|/-\\"
_POLL_SECONDS = 1.0


class JobView:
    """Shows one job's stream on a screen."""

    def __init__(self, screen: Screen, client: Client, job_id: str, *, logs: bool = True) -> None:
        self._screen, self._client, self._job_id = screen, client, job_id
        self._logs = logs
        self._started = time.monotonic()
        self._polled = self._started - _POLL_SECONDS
        self._status = "Queued"
        self._progress = ""
        self._frames = self._ticks = 0

    def show(self, event: StreamEvent) -> None:
        """Show what came."""
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
            case Progress():
                self._progress = describe_progress(event)
            case Gap(first=first, count=count):
                self._screen.note(
                    f"[{count} messages from number {first} on were dropped: too many]"
                )
            case ConsoleTruncated():
                self._screen.note("[what was printed from here on was dropped: too much]")

    def finish(self, job: dict[str, Any]) -> int:
        """Say how the job ended; returns the exit code."""
        status = str(job["status"])
        took = _seconds(job)
        text = f"{status} after {took:.1f} s" if took is not None else status
        if job["reason"]:
            text += f" ({job['reason']})"
        if job["message"]:
            text += f": {printable(job['message'])}"
        self._screen.note(text, _STYLES.get(_phase(job), "bold"))
        return exit_code(job)

    def _show_message(self, message: Message) -> None:
        value = decode(message.text)
        if message.final:
            self._screen.print("\nResult", "bold")
        self._progress = "" if message.final else format_progress(value) or self._progress
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
        """A spinner until the first frame, the program's own progress after it."""
        if not self._screen.is_live or (self._frames and not self._progress):
            return
        now = time.monotonic()
        self._ticks += 1
        if not self._frames and now - self._polled >= _POLL_SECONDS:
            self._polled, self._status = now, self._ask_status()
        wheel = _SPINNER[self._ticks % len(_SPINNER)]
        what = self._progress or self._status
        self._screen.status(f"{wheel} {what}  {now - self._started:.0f} s")

    def _ask_status(self) -> str:
        try:
            return str(self._client.get_job(self._job_id)["status"])
        except click.ClickException:
            # The stream will say what is wrong, if it goes on.
            return self._status


def watch(client: Client, screen: Screen, job_id: str, *, after: int = 0, logs: bool = True) -> int:
    """Show the job's stream until it ends, and how it ended; returns the exit code."""
    view = JobView(screen, client, job_id, logs=logs)
    try:
        for event in follow_job(client, job_id, after):
            view.show(event)
        return view.finish(client.wait_final(job_id))
    finally:
        screen.clear_status()


def collect(client: Client, screen: Screen, job_id: str, *, after: int = 0) -> int:
    """Print one JSON object once the job has ended; returns the exit code."""
    interim, result = list[Any](), None
    for event in follow_job(client, job_id, after):
        match event:
            case Message(text=text, final=True):
                result = decode(text)
            case Message(text=text):
                interim.append(decode(text))
    job = client.wait_final(job_id)
    fields = {name: job[name] for name in ("id", "status", "reason", "message")}
    logs = client.get_logs(job_id)
    document = {**fields, "result": result, "interim": interim, "logs": logs}
    screen.print(json.dumps(document))
    return exit_code(job)


def exit_code(job: dict[str, Any]) -> int:
    """The exit code of a command that waited for this job."""
    try:
        return EXIT_CODES[_phase(job)]
    except KeyError:
        raise Unreachable(
            f"the stream of job {job['id']} ended while the job is {job['status']}"
        ) from None


def _phase(job: dict[str, Any]) -> str:
    """Its status without what may follow: ``Cancelled - Ran too long`` is Cancelled."""
    return str(job["status"]).partition(" ")[0]


def describe_progress(progress: Progress) -> str:
    """The progress for a status line: 30/100 (30 %), best -1.25."""
    best = "" if progress.best is None else f", best {progress.best:.6g}"
    share = f" ({100 * progress.done / progress.total:.0f} %)" if progress.total else ""
    return f"{progress.done:g}/{progress.total:g}{share}{best}"


def decode(text: str) -> Any:
    """What a message says; the text itself where Python's reader does not take it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _seconds(job: dict[str, Any]) -> float | None:
    """How long the job ran; None for one that never did."""
    if not job["started"] or not job["finished"]:
        return None
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started", "finished"))
    return (finished - started).total_seconds()
