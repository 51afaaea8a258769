"""The server as ``top`` knows it: the list of jobs each second, and the streams of some jobs.

Threads ask and listen; the loop takes their updates from a queue. Only the public REST routes and
the typed websocket are used, through the client.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

from api.cli.drawing import printable
from qiskit_runtime.client import (
    Client,
    ClientError,
    Console,
    ConsoleTruncated,
    Gap,
    JobInfo,
    Message,
    ProgressEvent,
    Reconnecting,
    Refused,
    StreamEvent,
)

PAGE = 200
"""Jobs that one request asks for."""

MAX_ENDED = 100
"""Ended jobs on the board, the newest."""

MAX_FOLLOWED = 8
"""Streams at once: the server has other clients too."""

MAX_KEPT = 16
"""Jobs whose stream has ended and is kept."""

MAX_LINES, MAX_LINE = 5000, 1000
"""The last lines of a log that are kept, and the characters of one."""

MAX_VALUES = 1024
"""Points of a curve; a longer one keeps every second of them."""

_NOT_UNDERSTOOD = (KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The jobs as the server has just listed them: running, queued, then ended ones."""

    jobs: tuple[JobInfo, ...]
    running: int
    queued: int
    ended: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """The server did not answer, or not as it should."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """The outcome of what the user asked for."""

    text: str


Update = Snapshot | Trouble | Notice


def take_snapshot(client: Client) -> Snapshot:
    """Return the jobs there are.

    The oldest pending jobs are the running ones, so of many both ends of the list are asked for.
    """
    newest, pending = _list(client, pending=True)
    oldest: list[JobInfo] = []
    if pending > PAGE:
        oldest, pending = _list(client, pending=True, offset=max(PAGE, pending - PAGE))
    ended, all_ended = _list(client, pending=False, limit=MAX_ENDED)
    found = {job.id: job for job in (*newest, *oldest, *ended)}
    jobs = sorted(found.values(), key=_order)
    running = sum(job.phase == "Running" for job in jobs)
    return Snapshot(tuple(jobs), running, max(pending - running, 0), all_ended)


def _list(
    client: Client, *, pending: bool, limit: int = PAGE, offset: int = 0
) -> tuple[list[JobInfo], int]:
    """Return a page of jobs, and the number in all pages."""
    call = client.calls.get("/jobs", pending=pending, limit=limit, offset=offset)
    page = client.perform(call)
    return [JobInfo.from_fields(fields) for fields in page["jobs"]], int(page["total"])


def _order(job: JobInfo) -> tuple[int, float]:
    """Return the place on the board: running ones first, the next in the queue, the last ended."""
    if job.phase == "Running":
        return 0, -job.created.timestamp()
    if not job.has_ended:
        return 1, job.created.timestamp()
    return 2, -(job.finished or job.created).timestamp()


class Follower:
    """One job's stream, read by a thread from its first event: the best values and the log."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._events: Callable[[], Any] = lambda: client.follow(job_id)
        self._lock = threading.Lock()
        self._values: list[float] = []
        self._lines: deque[str] = deque([""], MAX_LINES)
        self._stopped = False
        self.revision = 0
        """Grows with each event."""
        self.is_over = False
        """True where nothing more will come."""
        self.is_lost = False
        """True where the stream broke, and another try may get further."""
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def values(self) -> list[float]:
        """The best value after each report, from the first on."""
        with self._lock:
            return list(self._values)

    @property
    def lines(self) -> list[str]:
        """The last lines of the log, without control characters."""
        with self._lock:
            lines = list(self._lines)
        return lines if lines[-1] else lines[:-1]

    def stop(self) -> None:
        """Have the thread end."""
        self._stopped = True

    def _run(self) -> None:
        try:
            with closing(self._events()) as events:
                for event in events:
                    if self._stopped:
                        return
                    self._take(event)
            self.is_over = True
        except Refused as error:
            self._write(f"[{error}]\n")
            self.is_over = True
        except ClientError as error:
            self._write(f"[{error.problem}]\n")
            self.is_lost = True

    def _take(self, event: StreamEvent) -> None:
        match event:
            case Console(text=text, newline=newline):
                self._write(text + "\n" * newline)
            case Message(text=text, final=final):
                self._start_line()
                self._write(f"{'result' if final else 'message'} {text}\n")
            case ProgressEvent(progress=progress) if progress.best is not None:
                self._add(progress.best)
            case Gap(count=count):
                self._write(f"[{count} messages were dropped: too many]\n")
            case ConsoleTruncated():
                self._write("[what was printed from here on was dropped: too much]\n")
            case Reconnecting(why=why):
                self._start_line()
                self._write(f"[the connection was lost ({why}); reconnecting ...]\n")

    def _start_line(self) -> None:
        if self._lines[-1]:
            self._write("\n")

    def _write(self, text: str) -> None:
        """Add text to the log; a carriage return starts the line over, as a terminal does."""
        first, *others = text.split("\n")
        with self._lock:
            self._lines[-1] = _clean(self._lines[-1] + first.rstrip("\r"))
            self._lines.extend(_clean(line.rstrip("\r")) for line in others)
            self.revision += 1

    def _add(self, value: float) -> None:
        with self._lock:
            self._values.append(value)
            if len(self._values) > MAX_VALUES:
                # The newest stays: the list has an odd length here.
                del self._values[1::2]
            self.revision += 1


def _clean(line: str) -> str:
    return printable(line.rpartition("\r")[2][:MAX_LINE].expandtabs(8))


class Feed:
    """The server, asked by threads: ``updates`` has what they found. Close it after use."""

    def __init__(self, client: Client, interval: float) -> None:
        self._client, self._interval = client, interval
        self._followers: dict[str, Follower] = {}
        self._is_closed = False
        self._wake = threading.Event()
        self.updates: queue.SimpleQueue[Update] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        threading.Thread(target=self._poll, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed = True
        self._wake.set()
        for follower in self._followers.values():
            follower.stop()

    def follow(self, wanted: Iterable[str]) -> None:
        """Listen to these jobs, the first ones where they are too many, and to no other."""
        chosen = list(dict.fromkeys(wanted))[:MAX_FOLLOWED]
        self._drop(chosen)
        for job_id in chosen:
            known = self._followers.get(job_id)
            if known is None or known.is_lost:
                self._followers[job_id] = Follower(self._client, job_id)

    def _drop(self, chosen: list[str]) -> None:
        over = [job_id for job_id, known in self._followers.items() if known.is_over]
        kept = {*chosen, *over[-MAX_KEPT:]}
        for job_id in self._followers.keys() - kept:
            self._followers.pop(job_id).stop()

    def follower(self, job_id: str) -> Follower | None:
        """Return what is known of a job's stream; None where nobody listens to it."""
        return self._followers.get(job_id)

    @property
    def revision(self) -> int:
        """A number that changes when a stream brings something."""
        return sum(follower.revision for follower in self._followers.values())

    def cancel(self, job_id: str) -> None:
        """Ask the server to cancel a job; a notice tells what became of it."""
        self._act(self._client.job(job_id).cancel, f"asked the server to cancel job {job_id}")

    def delete(self, job_id: str) -> None:
        """Delete a job; a notice tells what became of it."""
        self._act(self._client.job(job_id).delete, f"deleted job {job_id}")

    def _act(self, call: Callable[[], None], done: str) -> None:
        def act() -> None:
            try:
                call()
                self.updates.put(Notice(done))
            except ClientError as error:
                self.updates.put(Notice(f"not done: {error.problem}"))
            except RuntimeError:
                # As in a look: quit in the middle of the request.
                if not self._is_closed:
                    raise
            self._wake.set()

        threading.Thread(target=act, daemon=True).start()

    def _poll(self) -> None:
        while not self._is_closed:
            self.updates.put(self._look())
            self._wake.wait(self._interval)
            self._wake.clear()

    def _look(self) -> Update:
        try:
            return take_snapshot(self._client)
        except ClientError as error:
            return Trouble(error.problem)
        except RuntimeError:
            # The client was closed in the middle of this look: nobody waits for it.
            if not self._is_closed:
                raise
            return Trouble("closed")
        except _NOT_UNDERSTOOD as error:
            return Trouble(f"the server's list of jobs is not understood ({error!r})")
