"""The limits of jobs that run at once, and the order of those that wait: first come first served.

There is one limit of all jobs, and one of those of an instance. A job that waits for others of its
instance lets the jobs of others pass.

The observer asks it before a job starts; the jobs that have to wait stay Queued.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance

Turn = tuple[datetime, str]
"""The place of a job in the order: the time of its submission, and its name."""


class ConcurrencyLimit:
    """At most ``slots`` jobs are let in at once, and ``instance_slots`` of an instance; 0: any."""

    def __init__(self, slots: int, instance_slots: int = 0) -> None:
        self._slots, self._instance_slots = slots, instance_slots
        self._inside: dict[str, Instance] = {}
        self._waiting: dict[str, Turn] = {}
        self._waiting_of: dict[str, Instance] = {}
        self._running: Counter[Instance] = Counter()

    def hold(self, name: str, instance: Instance = DEFAULT_INSTANCE) -> None:
        """Count a job that was started already, whatever the limits are."""
        self._stop_waiting(name)
        if name not in self._inside:
            self._inside[name] = instance
            self._running[instance] += 1

    def enter(self, name: str, submitted: datetime, instance: Instance = DEFAULT_INSTANCE) -> bool:
        """Let a job in if there is room and none waits for it that came before; else it waits."""
        if name in self._inside:
            return True
        self._waiting[name], self._waiting_of[name] = (submitted, name), instance
        if name != self.next_name():
            return False
        self.hold(name, instance)
        return True

    def holds(self, name: str) -> bool:
        """Return whether a job was let in."""
        return name in self._inside

    def leave(self, name: str) -> None:
        """Forget a job: it has ended, was deleted, or is suspended."""
        self._stop_waiting(name)
        if (instance := self._inside.pop(name, None)) is not None:
            self._running[instance] -= 1
            if not self._running[instance]:
                del self._running[instance]

    def next_name(self) -> str | None:
        """Return the name of the job that may come in now, if any."""
        if len(self._inside) >= self._slots or not self._waiting:
            return None
        turns: Collection[Turn] = self._waiting.values()
        if self._instance_slots:
            turns = [turn for turn in turns if self._has_room(self._waiting_of[turn[1]])]
        return min(turns)[1] if turns else None

    def _has_room(self, instance: Instance) -> bool:
        return self._running[instance] < self._instance_slots

    def _stop_waiting(self, name: str) -> None:
        self._waiting.pop(name, None)
        self._waiting_of.pop(name, None)
