"""The limit of jobs that run at once, and the order of those that wait: first come first served.

The observer asks it before a job starts; the jobs that have to wait stay Queued.
"""

from datetime import datetime

Turn = tuple[datetime, str]
"""The place of a job in the order: the time of its submission, and its name."""


class ConcurrencyLimit:
    """At most ``slots`` jobs are let in at once."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._inside: set[str] = set()
        self._waiting: dict[str, Turn] = {}

    def hold(self, name: str) -> None:
        """Count a job that was started already, whatever the limit is."""
        self._waiting.pop(name, None)
        self._inside.add(name)

    def enter(self, name: str, submitted: datetime) -> bool:
        """Let a job in if there is room and none waits that came before it; else it waits."""
        if name in self._inside:
            return True
        turn = self._waiting[name] = (submitted, name)
        if len(self._inside) >= self._slots or turn != min(self._waiting.values()):
            return False
        self.hold(name)
        return True

    def holds(self, name: str) -> bool:
        """Return whether a job was let in."""
        return name in self._inside

    def leave(self, name: str) -> None:
        """Forget a job: it has ended, was deleted, or is suspended."""
        self._inside.discard(name)
        self._waiting.pop(name, None)

    def next_name(self) -> str | None:
        """Return the name of the job that may come in now, if any."""
        if len(self._inside) >= self._slots or not self._waiting:
            return None
        return min(self._waiting.values())[1]
