"""The limits of jobs that run at once, and the order of those that wait: first come first served.

There is one limit of all jobs, and one of those of an instance. A job that waits for others of its
instance lets the jobs of others pass.

The observer asks it before a job starts; the jobs that have to wait stay Queued.
"""

from collections import Counter
from datetime import datetime
from heapq import heappop, heappush

from qiskit_runtime.contract.resources.instance import DEFAULT_INSTANCE, Instance

Turn = tuple[datetime, str]
"""The place of a job in the order: the time of its submission, and its name."""


class ConcurrencyLimit:
    """At most ``slots`` jobs are let in at once, and ``instance_slots`` of an instance; 0: any."""

    def __init__(self, slots: int, instance_slots: int = 0) -> None:
        self._slots, self._instance_slots = slots, instance_slots
        self._inside: dict[str, Instance] = {}
        self._running: Counter[Instance] = Counter()
        self._waiting: dict[str, Turn] = {}
        self._queues: dict[Instance, list[Turn]] = {}
        """A heap for each instance; one that waits no more is left out when it is the first."""

    def hold(self, name: str, instance: Instance = DEFAULT_INSTANCE) -> None:
        """Count a job that was started already, whatever the limits are."""
        self._waiting.pop(name, None)
        if name not in self._inside:
            self._inside[name] = instance
            self._running[instance] += 1

    def enter(self, name: str, submitted: datetime, instance: Instance = DEFAULT_INSTANCE) -> bool:
        """Let a job in if there is room and none waits for it that came before; else it waits."""
        if name in self._inside:
            return True
        turn = submitted, name
        if self._waiting.get(name) != turn:
            self._waiting[name] = turn
            heappush(self._queues.setdefault(instance, []), turn)
        if name != self.next_name():
            return False
        self.hold(name, instance)
        return True

    def holds(self, name: str) -> bool:
        """Return whether a job was let in."""
        return name in self._inside

    def leave(self, name: str) -> None:
        """Forget a job: it has ended, was deleted, or is suspended."""
        self._waiting.pop(name, None)
        if (instance := self._inside.pop(name, None)) is not None:
            self._running[instance] -= 1
            if not self._running[instance]:
                del self._running[instance]

    def next_name(self) -> str | None:
        """Return the name of the job that may come in now, if any."""
        if len(self._inside) >= self._slots:
            return None
        instances = [one for one in self._queues if self._has_room(one)]
        turns = [turn for one in instances if (turn := self._find_first(one))]
        return min(turns)[1] if turns else None

    def _has_room(self, instance: Instance) -> bool:
        return not self._instance_slots or self._running[instance] < self._instance_slots

    def _find_first(self, instance: Instance) -> Turn | None:
        """Return the turn of the first job of an instance that waits, if any does."""
        queue = self._queues[instance]
        while queue and self._waiting.get(queue[0][1]) != queue[0]:
            heappop(queue)
        if queue:
            return queue[0]
        del self._queues[instance]
        return None
