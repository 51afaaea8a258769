"""The gate: how many jobs run at once, and whose turn is next. First come first served.

The reconciler asks it before it starts a job; the jobs that have to wait stay Queued.
"""

from datetime import datetime

Turn = tuple[datetime, str]
"""What jobs are ordered by: the time of submission, and the name."""


class ConcurrencyLimit:
    """At most ``slots`` jobs are let in at once."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._inside: set[str] = set()
        self._waiting: dict[str, Turn] = {}

    def hold(self, name: str) -> None:
        """Count a job that runs already, whatever the limit says."""
        self._waiting.pop(name, None)
        self._inside.add(name)

    def enter(self, name: str, submitted: datetime) -> bool:
        """Let a job in if there is room and nobody came before it; else it waits."""
        if name in self._inside:
            return True
        turn = self._waiting[name] = (submitted, name)
        if len(self._inside) >= self._slots or turn != min(self._waiting.values()):
            return False
        self.hold(name)
        return True

    def leave(self, name: str) -> None:
        """Forget a job: it has ended, was deleted, or is suspended."""
        self._inside.discard(name)
        self._waiting.pop(name, None)

    def next_name(self) -> str | None:
        """Who may come in now, or None."""
        if len(self._inside) >= self._slots or not self._waiting:
            return None
        return min(self._waiting.values())[1]
