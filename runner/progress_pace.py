"""How often reports of progress go into the record. Pure; standard library only.

Used by the supervisor: a program may report a million times.
"""

from qiskit_runtime.contract.wire.progress import Progress, parse_progress

PROGRESS_SECONDS = 1.0
"""How often a report is written at most; later, not within a hundredth of the job's time so far:
that shows a bar as smooth, and a week of it has its bounds."""


class ProgressPace:
    """Keeps the newest report until it is time to write it. ``started`` is the job's start."""

    def __init__(self) -> None:
        self.started = 0.0
        self._waiting: Progress | None = None
        self._due_at = 0.0

    def report(self, payload: bytes) -> None:
        """Take a report; what is none changes nothing."""
        self._waiting = parse_progress(payload) or self._waiting

    @property
    def due_at(self) -> float | None:
        """When the one that waits is to be written; None where none does."""
        return None if self._waiting is None else self._due_at

    def take(self, now: float, *, at_end: bool = False) -> Progress | None:
        """The report to write now, if any."""
        if self._waiting is None or (now < self._due_at and not at_end):
            return None
        progress, self._waiting = self._waiting, None
        self._due_at = now + max(PROGRESS_SECONDS, (now - self.started) / 100)
        return progress
