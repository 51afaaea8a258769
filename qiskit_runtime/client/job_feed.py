"""A job's state and frames for a notebook, kept up to date by a thread until the job has ended.

The thread has a client of its own, so it goes on while a cell runs, and after the user's is closed.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from qiskit_runtime.client.address import Address
from qiskit_runtime.client.client import Client
from qiskit_runtime.client.errors import ClientError, Refused
from qiskit_runtime.client.job_stream import Reconnecting, StreamEvent, Waiting
from qiskit_runtime.client.models import JobInfo
from qiskit_runtime.contract.wire.events import FrameEvent, Gap, Message, frame_fields

LOOK_SECONDS = 1.0
"""The time between two looks at a job's status."""

FLUSH_SECONDS = 0.2
"""The time between two tellings in a flood of frames; after a pause a frame is told at once."""

PART_FRAMES, PART_CHARACTERS = 200, 16 * 2**10
"""The size from which on a part is told for the last time."""

Tell = Callable[[list[str]], None]
"""Takes the names in ``JobFeed.state`` that have new values."""


class JobFeed:
    """The state that a notebook's widget shows: ``facts``, frames as ``part_0``, ``part_1``, ...

    All of it is there for whoever looks late. A part grows, and is told again, until it has its
    size; so what is told is in bunches, and no frame is told often.
    """

    def __init__(self, address: Address, job_id: str, tell: Tell) -> None:
        self._address, self._job_id, self._tell = address, job_id, tell
        self.state: dict[str, Any] = {"facts": {}}
        self._parts = _Parts(self.state)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"job {job_id}", daemon=True)
        self.failure: ClientError | None = None
        """The reason that the feed ended before the job."""

    def start(self) -> None:
        """Begin to follow the job."""
        self._thread.start()

    def stop(self) -> None:
        """Follow the job no longer than for another moment."""
        self._stop.set()

    @property
    def has_ended(self) -> bool:
        """Return whether nothing more will come."""
        return not self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait until nothing more will come."""
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            with Client(self._address.url, self._address.token) as client:
                self._follow(client)
        except ClientError as error:
            self.failure = error
            self._flush(error=str(error), note="")

    def _follow(self, client: Client) -> None:
        info = client.job(self._job_id).info()
        self._flush(**_facts(info), interim_results=read_interim_schema(client, info.program))
        flushed = looked = time.monotonic()
        with closing(client.follow(self._job_id)) as events:
            for event in events:
                if self._stop.is_set():
                    return
                changed = self._take(event)
                now = time.monotonic()
                if not info.has_ended and now - looked >= LOOK_SECONDS:
                    looked, info = now, self._look(client, info)
                    changed |= _facts(info)
                if changed or isinstance(event, Waiting) or now - flushed >= FLUSH_SECONDS:
                    flushed = now
                    self._flush(**changed)
        self._flush(**_facts(client.perform(client.calls.settle(self._job_id))), note="")

    def _look(self, client: Client, known: JobInfo) -> JobInfo:
        try:
            return client.job(self._job_id).info()
        except ClientError:
            # The stream knows whether the server, or the job, is gone for good.
            return known

    def _take(self, event: StreamEvent) -> dict[str, Any]:
        """Keep a frame; returns the facts that the event changes."""
        if isinstance(event, Reconnecting):
            return {"note": f"The connection was lost, and is made again: {event.why}"}
        if not isinstance(event, Waiting):
            self._parts.add(event)
        return {"note": ""} if self.state["facts"].get("note") else {}

    def _flush(self, **facts: Any) -> None:
        """Tell what is new."""
        names = self._parts.take_changed()
        known = self.state["facts"]
        if any(known.get(name) != value for name, value in facts.items()):
            self.state["facts"] = known | facts
            names.append("facts")
        if names:
            self._tell(names)


class _Parts:
    """Frames in parts of a bounded size, as values of a state."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._number = self._characters = 0
        self._changed: dict[str, None] = {}

    def add(self, event: FrameEvent) -> None:
        fields = frame_fields(event) or {}
        name = f"part_{self._number}"
        frames = self._state.setdefault(name, [])
        frames.append(fields)
        self._changed[name] = None
        self._characters += len(fields.get("text", ""))
        if len(frames) >= PART_FRAMES or self._characters >= PART_CHARACTERS:
            self._number, self._characters = self._number + 1, 0

    def take_changed(self) -> list[str]:
        names, self._changed = list(self._changed), {}
        return names


def read_interim_schema(client: Client, program: str) -> Any:
    """Return the JSON Schema of a program's interim results; None without one, or its program."""
    try:
        return client.program(program).interim_results
    except Refused:
        return None


def _facts(info: JobInfo) -> dict[str, Any]:
    """Return what a widget shows of a job; the error is why it ended as it did."""
    progress = info.progress.fields if info.progress else None
    failed = info.has_ended and info.phase != "Completed"
    return {
        "program": info.program,
        "status": info.status,
        "progress": progress,
        "error": info.message if failed else "",
    }


def describe_job(address: Address, job_id: str) -> str:
    """Return a job as it is now in a sentence: program, status, progress, number of messages."""
    try:
        with Client(address.url, address.token) as client:
            info = client.job(job_id).info()
            with closing(client.follow(job_id, live=False)) as events:
                count = sum(map(_count, events))
    except ClientError as error:
        return str(error)
    return _describe(info, count)


def _count(event: StreamEvent) -> int:
    match event:
        case Message(final=final):
            return not final
        case Gap(count=count):
            return count
        case _:
            return 0


def _describe(info: JobInfo, count: int) -> str:
    parts = [f"{info.program} is {info.status}"]
    if info.has_ended and info.message:
        parts.append(info.message)
    if info.progress:
        fields = info.progress.fields
        best = f", best {fields['best']:g}" if "best" in fields else ""
        parts.append(f"{fields['done']:g} of {fields['total']:g}{best}")
    parts.append("1 interim result" if count == 1 else f"{count} interim results")
    return "; ".join(parts)
